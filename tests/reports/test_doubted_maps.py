"""A map that must not be read as evidence is nowhere in a report called evidence."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cnnviz.heatmaps.doubts import CONSTANT
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.reports import report
from tests.helpers.browser import Visit


def test_of_an_answer_that_never_changes_the_report_says_so_first_of_all() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    nn.init.constant_(network[0].bias, -100.0)  # type: ignore[arg-type]
    plain = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    made = report(Model(network, preprocessing=plain), torch.rand(1, 3, 16, 16), "cam")
    (doubt,) = (note for section in made.sections for note in section.notes)
    assert "does not change with noise, black or the mean of the image in its place" in doubt
    assert made.doubts == (doubt,)
    # Below it the pictures are marked.
    assert not any(doubt in one.caption for section in made.sections for one in section.pictures)
    (shown,) = made.answers
    assert shown.overlay is not None
    assert shown.overlay.caption.startswith("Not to be read as evidence for ")
    assert shown.overlay.caption.endswith(doubt)
    assert "not to be read as evidence" in shown.overlay.alt


def test_maps_that_a_reader_switches_are_marked_as_the_still_ones_are(tmp_path, browser) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    nn.init.constant_(network[0].bias, -100.0)  # type: ignore[arg-type]
    plain = Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3)
    photo = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    made = report(Model(network, preprocessing=plain), [photo], "cam", interactive=True)
    (shown,) = made.answers
    assert shown.live is not None
    assert {mark for each in shown.live.marks for mark in each} == {CONSTANT}
    visit = Visit(browser, 1200, "light")
    visit.page.goto(made.save(tmp_path / "report").page.as_uri())
    visit.page.locator(".live canvas").wait_for(state="visible")
    assert visit.page.locator(".live figcaption").inner_text().endswith(f"; {CONSTANT}.")
    visit.leave()
