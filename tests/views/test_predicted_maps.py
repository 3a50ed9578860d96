"""The map of classes of a segmentation network: which class is where, and how much of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from torch import nn

from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.results import drawing
from cnnviz.results.legibility import crowded
from cnnviz.views.predictions import PredictedMaps, predictions

CLASSES = ["ground", "sky", "tree", "fish"]


class Painted(nn.Module):
    """Answers at each position with the class whose index is the first channel, halved in size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        index = x[:, 0, ::2, ::2].round().long()
        scores = torch.nn.functional.one_hot(index, len(CLASSES)).permute(0, 3, 1, 2)
        return scores + 0 * self.conv(x).mean((1, 2, 3))[:, None, None, None]


def answered(regions: list[np.ndarray], k: int = 5) -> PredictedMaps:
    """Return the answer to images whose halves, [4, 4] each, hold these indices of classes."""
    small = torch.tensor(np.stack(regions), dtype=torch.float32)
    images = small.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None].expand(-1, 3, -1, -1)
    model = Model(Painted(), categories=CLASSES, output="class-map")
    found = predictions(capture(model, images, gradients=False, layers=""), k)
    assert isinstance(found, PredictedMaps)
    return found


def map_of(*rows: str) -> np.ndarray:
    return np.array([[int(one) for one in row] for row in rows])


SKY_ABOVE = map_of("1111", "1113", "0000", "0000")
MIXED = map_of("3333", "3333", "3322", "0011")


def test_the_map_holds_the_class_of_each_position_and_bars_its_share(tmp_path: Path) -> None:
    found = answered([SKY_ABOVE, MIXED])
    np.testing.assert_array_equal(found.maps, [SKY_ABOVE, MIXED])
    assert found.names[0][:3] == ("ground", "sky", "fish")
    np.testing.assert_allclose(found.logits[0], [8 / 16, 7 / 16, 1 / 16, 0])
    assert found.summary().endswith("ground on 50.0% of the map, and 1 more image")
    file = found.save(tmp_path / "found.json")
    assert json.loads(file.read_text())["maps"] == [SKY_ABOVE.tolist(), MIXED.tolist()]


def test_map_and_bars_have_one_colour_for_a_class_in_all_images() -> None:
    found = answered([SKY_ABOVE, MIXED])
    figure = found.figure()
    assert crowded(figure) == ""
    colours = {}
    for place, region in enumerate([SKY_ABOVE, MIXED]):
        _, painted, bars = figure.axes[3 * place : 3 * place + 3]
        pixels = painted.images[0].get_array()[..., :3]
        labels = [label.get_text() for label in bars.get_yticklabels()]
        assert sorted(labels) == sorted({CLASSES[one] for one in region.ravel()}), "none is absent"
        for label, bar in zip(labels, bars.patches, strict=True):
            where = region == CLASSES.index(label)
            assert bar.get_width() == pytest.approx(where.mean())
            colour = np.round(255 * np.array(to_rgb(bar.get_facecolor()))).astype(int)
            assert (pixels[where] == colour).all()
            assert colours.setdefault(label, tuple(colour)) == tuple(colour)
    assert len(set(colours.values())) == 4


def test_what_has_no_colour_is_grey_and_counted() -> None:
    found = answered([MIXED], k=2)
    _, painted, bars = found.figure().axes
    assert [label.get_text() for label in bars.get_yticklabels()][-1] == "2 other classes"
    assert sum(bar.get_width() for bar in bars.patches) == pytest.approx(1.0)
    grey = (painted.images[0].get_array()[..., :3] == drawing.FLAT).all(2)
    np.testing.assert_array_equal(grey, ~np.isin(MIXED, found.classes[0]))
    assert "grey is what the others fill" in found.caption()
    assert "grey" not in answered([SKY_ABOVE], k=3).caption(), "it has three classes"


def test_one_class_alone_has_a_bar_as_thick_as_one_of_five() -> None:
    thick = []
    for region in (np.zeros((4, 4), int), MIXED):
        bars = answered([region]).figure().axes[2]
        (low, high), (bar, *_) = bars.get_ylim(), bars.patches
        thick.append(bar.get_height() / abs(high - low))
    assert thick[0] == thick[1]


def test_many_maps_stand_on_pages_and_fit_a_column(tmp_path: Path) -> None:
    found = answered([SKY_ABOVE, MIXED] * 4)
    pages = found.sheets()
    assert len(pages) > 1
    np.testing.assert_array_equal(np.concatenate([one.maps for one in pages]), found.maps)
    assert sum(len(one.images) for one in pages) == 8
    two = answered([SKY_ABOVE, MIXED])
    assert two.save(tmp_path / "a.png", size="85x185mm", font_size=7, dpi=72).exists()
