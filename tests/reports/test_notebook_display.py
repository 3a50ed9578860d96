"""What a notebook shows of a network, a capture, a report and what was saved of it."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.models import Model
from tests.helpers.report_model import small_model, write_photo

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return write_photo(tmp_path_factory.mktemp("photos") / "a photo.png", 3)


def _pictures(shown):
    return re.findall(r'<img alt="[^"]*" style="max-width:100%" src="data:image/webp;', shown)


def test_a_network_tells_what_is_known_of_it():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    known = cnnviz.Preprocessing(resize=8, crop=(8, 8), mean=(0.5,), std=(0.5,))
    model = Model(module, name=HOSTILE, preprocessing=known, categories=[HOSTILE, "b"])
    shown = model._repr_html_()
    assert "<img" not in shown
    assert "&lt;img src=x" in shown
    assert "166" in shown.partition("parameters</th>")[2].partition("</td>")[0]
    assert "Conv2d(1, 2" in shown


def test_a_capture_shows_its_photos_and_layers(photo):
    shown = cnnviz.capture(small_model(), [photo, photo], layers="conv")._repr_html_()
    assert len(_pictures(shown)) == 2
    assert "with gradients" in shown
    assert "explained" in shown


def test_a_capture_of_signals_has_no_photo():
    module = nn.Sequential(nn.Conv1d(1, 2, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    shown = cnnviz.capture(module, torch.zeros(1, 1, 20), layers="conv")._repr_html_()
    assert _pictures(shown) == []
    assert "[1, 2, 18]" in shown


def test_a_report_has_a_preview_and_what_was_saved_a_link(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = cnnviz.report(small_model(), [photo], sections="photo,predictions,cam")
    shown = found._repr_html_()
    assert len(_pictures(shown)) == 1
    assert "a photo.png" in shown
    for part in found.sections:
        assert part.title in shown
    saved = found.save("my report")._repr_html_()
    (link,) = re.findall(r'href="([^"]+)"', saved)
    assert link == "my%20report/report.html"
    assert Path("my report/report.html").is_file()


def test_the_preview_is_of_a_few_photos_only(photo):
    found = cnnviz.report(small_model(), [photo] * 5, sections="photo")
    assert len(_pictures(found._repr_html_())) == 3
