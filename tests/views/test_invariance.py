"""Invariance curves against single passes written out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import LayerError, TargetError, UsageError
from cnnviz.passes.targets import Contrast
from cnnviz.views.invariance import KINDS, invariance
from tests.helpers.architectures import lasting_network, small_input, thin, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state
from tests.helpers.undrawn import undrawn


def images(count: int = 1, side: int = 24, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def test_the_summary_leaves_the_untouched_image_out_of_the_means() -> None:
    found = invariance(lasting_network(), images(2), steps=3)
    curves = np.zeros((3, 2, 3))
    curves[0], curves[1], curves[2] = [0.1, 0.9, 0.3], [0.9, 0.5, 0.1], [0.9, 0.0, 0.2]
    amounts = found.values.copy()
    amounts[0, 1] = -9e-16  # as far from zero as evenly spread amounts may end up
    known = dataclasses.replace(found, values=amounts, answers=curves, original=np.full(2, 0.9))
    assert known.summary().endswith(
        "is 90%, and on average 20% when shifted, 30% when scaled, 10% when rotated"
    )
    # Of a thousand classes each may have little.
    rare = dataclasses.replace(known, answers=curves / 900, original=np.full(2, 0.001))
    assert rare.summary().endswith(
        "is < 1%, and on average < 1% when shifted, < 1% when scaled, < 1% when rotated"
    )


def test_distances_and_probabilities_are_those_of_single_passes() -> None:
    module, x = tiny_network(), images(2)
    found = invariance(module, x, ["0", "5"], target=[1, 3], steps=7)
    assert found.values[0].tolist() == [-6, -4, -2, 0, 2, 4, 6]
    for image, label in enumerate((1, 3)):
        for step, down in enumerate((-6, -4, -2, 0, 2, 4, 6)):
            padded = F.pad(x[image], (0, 0, 6, 6), mode="reflect")
            row = padded[None, :, 6 - down : 30 - down]
            with torch.no_grad():
                first, last = module[:1](row), module[:6](row)
                base = module[:1](x[image, None]), module[:6](x[image, None])
                wanted = module(row).softmax(1)[0, label]
            assert found.probabilities[0, image, step] == pytest.approx(float(wanted), abs=1e-6)
            for layer, (there, here) in enumerate(zip((first, last), base, strict=True)):
                away = float((there - here).norm())
                assert found.distances[0, layer, image, step] == pytest.approx(away, abs=1e-4)
                assert found.norms[layer, image] == pytest.approx(float(here.norm()), rel=1e-5)
                share = away / float(here.norm())
                assert found.normalised[0, layer, image, step] == pytest.approx(share, abs=1e-4)
    assert found.beyond[0, 0].tolist() == pytest.approx(
        [0.25, 1 / 6, 1 / 12, 0, 1 / 12, 1 / 6, 0.25]
    )


def test_the_image_as_it_is_lies_on_every_curve() -> None:
    found = invariance(lasting_network(), images(3), steps=5)
    for kind, place in ((0, 2), (1, 0), (2, 0)):
        assert found.distances[kind, :, :, place].max() == pytest.approx(0.0, abs=1e-5)
        np.testing.assert_allclose(found.probabilities[kind, :, place], found.original, atol=1e-6)
    assert (found.distances[:, :, :, 1] > 0.1).all()


def test_a_quarter_turn_of_a_network_that_averages_changes_nothing() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = invariance(module.eval(), images(), "1,2", rotation=360.0, steps=5)
    np.testing.assert_allclose(found.distances[2, 1], 0.0, atol=1e-4)
    np.testing.assert_allclose(found.probabilities[2], found.original[0], atol=1e-5)
    assert found.distances[2, 0, 0, 1:4].min() > 0.1


def test_the_first_and_the_last_stage_are_the_default() -> None:
    found = invariance(thin("squeezenet1_0"), small_input("squeezenet1_0"), steps=3)
    assert found.layers == ("features.1", "features.12")
    assert invariance(lasting_network(), images(), steps=3).layers == ("1", "5")


def test_the_target_is_the_likeliest_class_of_each_image() -> None:
    module, x = tiny_network(), images(4)
    found = invariance(module, x, steps=3)
    with torch.no_grad():
        probabilities = module(x).softmax(1)
    np.testing.assert_allclose(found.original, probabilities.amax(1), atol=1e-6)
    assert found.targets == tuple(f"class {int(index)}" for index in probabilities.argmax(1))


def test_the_caption_tells_ranges_and_what_is_mirrored() -> None:
    caption = invariance(lasting_network(), images(), shift=0.5, scale=3.0, steps=5).caption()
    assert "shifted by −12 to 12 px" in caption
    assert "scaled 1 to 3 times" in caption
    assert "50.0% of the pixels under translation, 0% of the pixels under scale" in caption
    found = invariance(lasting_network(), images(), shift=0.5, scale=3.0, steps=3)
    few = dataclasses.replace(found, beyond=np.full_like(found.beyond, 0.001))
    assert "at most 0.1% of the pixels under translation" in few.caption()
    scene = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    from cnnviz.images import Preprocessing
    from cnnviz.models import Model

    network = Model(
        lasting_network(), preprocessing=Preprocessing(None, (24, 24), (0.5,) * 3, (0.2,) * 3)
    )
    assert "Nothing from beyond the photo enters" in invariance(network, scene, steps=3).caption()


@pytest.mark.parametrize("count", [1, 10])
def test_the_picture_has_a_line_for_each_image(count: int) -> None:
    found = invariance(lasting_network(), images(count), steps=3)
    figure = found.figure()
    assert len(figure.axes) == 12
    curves = figure.axes[-1].get_lines()
    # A guide at the image as it is, and of many images their mean.
    assert len(curves) == count + 1 + (count > 8)
    assert len(found.strips) == len(KINDS)


def test_a_dead_layer_has_no_normalised_distance() -> None:
    module = tiny_network()
    with torch.no_grad():
        module[0].bias.fill_(-100.0)
    found = invariance(module, images(), "1", steps=3)
    assert np.isnan(found.normalised).all()
    found.figure().draw_without_rendering()
    held = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert held["normalised"] == np.full(found.normalised.shape, None).tolist()
    assert held["norms"] == [[0.0] * len(found.images)]


def test_nothing_is_changed() -> None:
    module, x = tiny_network().train(), images(2)
    before, kept = state(module), x.clone()
    with torch.inference_mode():
        invariance(module, x, steps=3)
    assert state(module) == before
    assert torch.equal(x, kept)


def test_progress_counts_passes_of_single_images() -> None:
    told: list[tuple[int, int]] = []
    invariance(
        tiny_network(),
        images(2),
        steps=3,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert told[0] == (0, 18)
    assert told[-1] == (18, 18)
    assert told == sorted(told)


@each_case(
    ("arguments", "error", "message"),
    [
        ({"shift": 0.0}, UsageError, "shift cannot be 0"),
        ({"scale": 1.0}, UsageError, "Enlarging 1 time shows nothing"),
        ({"rotation": 0.0}, UsageError, "Turning by 0 degrees"),
        ({"steps": 4}, UsageError, "4 amounts cannot be spread evenly"),
        ({"target": "class 1 - class 2"}, TargetError, "no names"),
        ({"layers": "third"}, LayerError, "no layer 'third'"),
    ],
)
def test_bad_arguments_are_sentences(arguments, error, message: str) -> None:
    with pytest.raises(error, match=message):
        invariance(lasting_network(), images(), **arguments)


def test_a_contrast_is_followed_by_its_score() -> None:
    module, x = tiny_network(), images()
    found = invariance(module, x, target=Contrast(1, 2), steps=3)
    with torch.no_grad():
        logits = module(x).double()
    assert found.unit == "score"
    np.testing.assert_allclose(found.original, (logits[:, 1] - logits[:, 2]).numpy(), atol=1e-6)
    assert np.isnan(found.probabilities).all()
    assert "The score of" in found.summary()


def test_it_fits_into_the_column_of_a_paper(tmp_path) -> None:
    found = invariance(lasting_network(), images(1), steps=3)
    # What `width="85mm"` looks for is looked for in tests/results; so high will do.
    with undrawn():
        found.save(tmp_path / "a.png", size="85x76mm", font_size=7, title=False, dpi=72)
