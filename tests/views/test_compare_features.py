"""Kernels and feature maps of two networks of which it is known how they differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import CheckpointError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.results import drawing
from cnnviz.results.legibility import crowded
from cnnviz.views.compare import Comparison, compare
from tests.helpers.state import state
from tests.helpers.undrawn import undrawn

PLAIN = Preprocessing(None, (16, 16), (0.0,) * 3, (1.0,) * 3)
PHOTOS = list(np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8))


def module(seed: int = 0, filters: int = 5, last: int = 4) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    made = nn.Sequential(
        nn.Conv2d(3, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(filters, last, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 3),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return made.eval()


def model(made: nn.Module, name: str = "net") -> Model:
    return Model(made, preprocessing=PLAIN, output="classes", name=name)


def changed(factors: list[float]) -> nn.Sequential:
    """Return the network with each first filter multiplied by a factor."""
    made = module()
    with torch.no_grad():
        made[0].weight.mul_(torch.tensor(factors)[:, None, None, None])
    return made


def test_filters_of_one_architecture_are_matched_with_the_change_of_each() -> None:
    factors = [1.0, 0.5, 2.0, -1.0, 0.0]
    found = compare(model(module()), PHOTOS, model(changed(factors)), layers=["1", "4"])
    assert found.kernels is not None
    assert found.kernels.unmatched == ""
    # The norm of (f - 1) w over that of w.
    np.testing.assert_allclose(found.kernels.changes, [0.0, 0.5, 1.0, 2.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(found.kernels.kernels, module()[0].weight.detach().numpy())
    assert found.kernels.shown == (0, 1, 2, 3, 4)
    back = compare(model(changed(factors)), PHOTOS, model(module()), layers=["1", "4"])
    assert np.isnan(back.kernels.changes[4]), "nothing is so many times zero"
    assert "filter by filter (all 5, by index)" in replace(found, picture="features").caption()
    held = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert held["kernels"]["changes"][3] == pytest.approx(2.0)
    assert {"kernels", "other kernels", "kernel changes", "maps 1", "other maps 4"} <= set(
        found.arrays()
    )


def test_of_many_filters_those_that_differ_most_are_drawn() -> None:
    one, other = module(filters=40), module(filters=40)
    with torch.no_grad():
        other[0].weight[30:] *= 1.5
    found = compare(model(one), PHOTOS, model(other), layers=["1"])
    assert len(found.kernels.shown) == 24
    assert set(found.kernels.shown[:10]) == set(range(30, 40))
    assert found.kernels.order == "that differ most"


def test_maps_are_those_of_the_photo_at_the_same_layers() -> None:
    one, other = module(), module(1)
    found = compare(model(one), PHOTOS, model(other, "other"), layers="1,4,5", examples=2)
    assert [(pair.maps.layer, pair.other_maps.layer) for pair in found.maps] == [
        ("1", "1"), ("4", "4"),
    ], "an average over all places is no map"  # fmt: skip
    inputs = torch.from_numpy(PHOTOS[0]).permute(2, 0, 1)[None].float() / 255.0
    for network, maps in ((one, found.maps[1].maps), (other, found.maps[1].other_maps)):
        with torch.no_grad():
            np.testing.assert_allclose(maps.maps, network[:5](inputs)[0], atol=1e-5)
    shown = found.maps[0].maps.shown
    assert shown == found.maps[0].other_maps.shown, "the same channels of both"
    peaks = [pair.peak / np.abs(pair.peak).max() for pair in
             (found.maps[0].maps, found.maps[0].other_maps)]  # fmt: skip
    assert shown[0] == int((peaks[0] + peaks[1]).argmax())


def test_other_architectures_are_not_matched_and_it_is_said() -> None:
    deeper = nn.Sequential(module(filters=3)[:5], module(filters=3)[5:]).eval()
    found = compare(model(module()), PHOTOS, model(deeper, "deeper"), layers="1,4",
                    other_layers="0.1,0.4")  # fmt: skip
    assert found.kernels.unmatched == "the two have other layers"
    assert not len(found.kernels.changes)
    assert (
        "not matched filter by filter: the two have other layers"
        in replace(found, picture="features").caption()
    )
    wanted = [found.other_layers[int(place)] for place in found.cka.argmax(1)]
    assert [pair.other_maps.layer for pair in found.maps] == wanted
    assert "largest CKA" in found.pairing
    # Too few images for any CKA: by depth.
    few = compare(model(module()), PHOTOS[:2], model(deeper), layers="1,4", other_layers="0.1,0.4")
    assert [pair.other_maps.layer for pair in few.maps] == ["0.1", "0.4"]
    assert "share of the depth" in few.pairing
    wider = compare(model(module()), PHOTOS, model(module(last=6)), layers="1,4")
    assert wider.kernels.unmatched == "the two differ in the shape of 3.weight"


def test_channels_of_one_number_in_other_architectures_are_not_called_the_same() -> None:
    one, other = (model(module(filters=1, last=last)) for last in (1, 2))
    found = compare(one, PHOTOS, other, layers=["1"], picture="features")
    assert found.maps[0].maps.shown == found.maps[0].other_maps.shown == (0,)
    assert not found.maps[0].matched
    assert "of each its own strongest channels" in found.caption()


def test_both_pictures_are_drawn_and_what_is_lacking_is_said(tmp_path: Path) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(768, 3)).eval()
    found = compare(model(flat), PHOTOS, layers=["1"], picture="features")
    assert found.kernels is None
    assert found.maps == ()
    assert (
        "No kernels are shown. The network has no layer that is a convolution." in found.caption()
    )
    found.figure().draw_without_rendering()
    both = compare(model(module()), PHOTOS, model(module(1)), layers="1,4", picture="features")
    words = [len(both.figure(one).findobj()) for one in (None, "layers", "features")]
    assert words[0] == words[2] != words[1]
    with undrawn():
        assert both.save(tmp_path / "one.png", dpi=50) == tmp_path / "one.png"
    with pytest.raises(UsageError, match="no picture 'maps'"):
        compare(model(module()), PHOTOS, picture="maps")


@pytest.mark.parametrize("matched", [True, False])
def test_the_picture_of_features_is_filled(matched: bool) -> None:
    other = module(1, filters=24) if matched else nn.Sequential(module(1, filters=24)).eval()
    layers = "1,4" if matched else "0.1,0.4"
    found = compare(
        model(module(filters=24)), PHOTOS, model(other), layers="1,4", other_layers=layers,
        picture="features",
    )  # fmt: skip
    figure = found.figure()
    assert crowded(figure) == ""
    # Columns of the sheets in which nothing stands: photo and kernels above, maps below.
    sheets = [axes.images[0].get_array()[..., :3] for axes in figure.axes]
    assert len(sheets) == (3 if matched else 4)
    for sheet in sheets:
        drawn = (sheet < 255).any(2)
        right = np.flatnonzero(drawn.any(0))[-1] / drawn.shape[1]
        assert right > 0.9 or sheet is not sheets[0]
    tops = sheets[:1] if matched else sheets[:2]
    for sheet in tops:
        side = sheet.shape[0] - 20
        shown = sheet[:side, :side][:: side // 16, :: side // 16]
        assert (shown < 255).any(2).mean() > 0.95, "the photo stands at the left, as high"
    words = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
    assert sum("image 0" in text for text in words) == len(tops)
    # On a slide what is drawn goes to its right edge, as far as one network has no row to fill.
    slide = drawing.new_figure(12.8, 6.0)
    found.figure(figure=slide).draw_without_rendering()
    assert crowded(slide) == ""
    ends = [axes.get_window_extent().x1 / slide.bbox.width for axes in slide.axes]
    assert not matched or max(ends) > 0.95
    if matched:
        # Kernels that are higher than the slide shrink with what is free for their labels.
        smaller = drawing.new_figure(10.0, 5.6)
        found.figure(figure=smaller)
        assert crowded(smaller) == ""


def test_a_checkpoint_alone_is_the_same_network_with_other_weights(tmp_path: Path) -> None:
    first = cnnviz.load(model(module()), categories=("a", "b", "c"))
    torch.save(changed([0.5] * 5).state_dict(), tmp_path / "after.pth")
    before = state(first.module)
    found = compare(first, PHOTOS, compare_weights=tmp_path / "after.pth", layers=["0", "4"])
    assert state(first.module) == before
    np.testing.assert_allclose(found.kernels.changes, 0.5, atol=1e-6)
    assert found.names[1] == "net (checkpoint after.pth)"
    assert found.example_classes[0][1] in ("a", "b", "c"), "its classes are called the same"
    assert any("checkpoint after.pth" in note for note in found.provenance.notes)
    torch.save(module(filters=6).state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth"):
        compare(first, PHOTOS, compare_weights=tmp_path / "other.pth")


@pytest.fixture(scope="module")
def of_one_image() -> Comparison:
    return compare(model(module()), PHOTOS[:1], model(module(1)), layers=["1"])


@pytest.mark.parametrize(
    ("count", "answers", "told"),
    [
        (1, 1.0, "; the same answer"),
        (1, 0.0, "; different answers"),
        (8, 0.375, "; the same answer to 3 of 8 images"),
        (40, 0.375, "; the same answer to 38% of 40 images"),
    ],
)
def test_of_few_images_it_is_said_how_many(
    of_one_image: Comparison, count: int, answers: float, told: str
) -> None:
    found = of_one_image
    made = dict(vars(found)) | {"seen": count, "agreement": answers, "labelled": (count, 0)}
    made["accuracies"] = (answers, float("nan"))
    other = Comparison(**made)
    assert other.summary().endswith(told)
    share = {1: f"{answers:.0f} of 1", 8: "3 of 8", 40: "38%"}[count]
    assert f"Right by the labels of the data: {share} by {found.names[0]}." in other.caption()
    words = [text.get_text() for text in other.figure().findobj() if hasattr(text, "get_text")]
    assert any(f"right: {share}" in one for one in words)
