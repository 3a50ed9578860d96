"""`cnnviz explore` writes one page, or nothing."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

import cnnviz


def test_the_page_is_written_and_its_path_is_the_last_line(run, tmp_path) -> None:
    done = run("explore", "--target", "star", "--out", "page.html")
    assert done.code == 0, done.err
    assert done.last_line == "page.html"
    assert re.search(r"The page will have about 0\.\d MB; --layers chooses", done.err)
    assert "where the network found star" in (tmp_path / "page.html").read_text("utf-8")


def test_with_json_it_is_told_what_the_page_holds(run, tmp_path) -> None:
    done = run("explore", "--layers", "features.4", "--json", "--quiet")
    told = json.loads(done.out)
    assert told["layers"] == ["features.4"]
    assert not told["exact"]
    assert 0.0 < told["error"] < 0.01
    page = tmp_path / told["page"]
    assert page.stat().st_size == told["bytes"]
    assert 0.6 * told["bytes"] <= told["bytes_estimated"] <= 1.4 * told["bytes"]
    assert page.name.endswith("-explorer.html")


def test_what_there_is_not_is_a_sentence_and_nothing_is_written(run, tmp_path) -> None:
    for asked, said in (
        (("--target", "10"), "10"),
        (("--target", "stat"), "star"),
        (("--layers", "nothing"), "nothing"),
        (("--layers", "classifier"), "'classifier'"),
    ):
        done = run("explore", *asked)
        assert done.code == 2, asked
        assert said in done.err
    assert list(tmp_path.glob("*.html")) == []


def test_another_photo_and_another_network_stand_beside_it(run, tmp_path) -> None:
    Image.fromarray(cnnviz.Shapes()[5].image).save(tmp_path / "other.png")
    asked = ("--compare", "other.png", "--compare-model", "shapes-residual", "--out", "two.html")
    done = run("explore", *asked)
    assert done.code == 0, done.err
    page = (tmp_path / "two.html").read_text("utf-8")
    assert "other.png · shapes-residual" in page


def test_a_second_photo_is_shown_beside_the_first(run, tmp_path) -> None:
    for name, place in (("one.png", 5), ("other.png", 6)):
        Image.fromarray(cnnviz.Shapes()[place].image).save(tmp_path / name)
    done = run("explore", "one.png", "other.png", "--layers", "features.11", "--out", "two.html")
    assert done.code == 0, done.err
    page = (tmp_path / "two.html").read_text("utf-8")
    assert "one.png · shapes-plain" in page
    assert "other.png · shapes-plain" in page


def test_a_gallery_that_is_none_is_refused_before_the_work(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("cnnviz.explorer.build.planned", lambda *_, **__: pytest.fail("work began"))
    done = run("explore", "--gallery", "nothing")
    assert done.code == 2
    assert "There is no gallery in 'nothing'" in done.err


def test_random_answers_are_told_in_the_terminal_and_in_junit(run, tmp_path) -> None:
    (tmp_path / "drops.py").write_text(
        "import torch\n\n\nclass Drops(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.conv, self.last = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 3)\n\n"
        "    def forward(self, x):\n"
        "        x = torch.nn.functional.dropout(self.conv(x).relu(), 0.5, training=True)\n"
        "        return self.last(x.mean((2, 3)))\n"
    )
    network = ("--model", "drops.py:Drops", "--resize", "32", "--crop", "32")
    done = run("explore", *network, "--out", "page.html")
    assert done.code == 0, done.err
    assert done.err.count("draws random numbers in its forward pass") == 1
    done = run("gradient-flow", *network, "--fail-on", "exploding", "--junit", "flow.xml")
    assert done.code == 0, done.err
    assert "draws random numbers in its forward pass" in (tmp_path / "flow.xml").read_text("utf-8")
