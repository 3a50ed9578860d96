"""Challenges of networks of which it is known what they look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.course.challenges import SweptPhoto
from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.images.transforms import Scene
from cnnviz.models import Model
from cnnviz.views.challenges import challenges
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case

PLAIN = Preprocessing(None, (32, 32), (0.0,) * 3, (1.0,) * 3)


class Brightness(nn.Module):
    """Answers "dark" where the mean value of the image is below a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([-1.0, 1.0])[:, None, None, None] / 3.0)
            self.first.bias.copy_(torch.tensor([threshold, -threshold]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20.0 * self.first(x).mean((2, 3))


def light_meter(threshold: float = 0.2) -> Model:
    return Model(Brightness(threshold), preprocessing=PLAIN, categories=["dark", "light"])


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (40, 44, 3), np.uint8)


def test_the_weakest_spot_of_a_light_meter_is_the_dark() -> None:
    found = challenges(light_meter(), photo(), steps=6)
    assert found.target == "light"
    place = found.sweeps.index("darker")
    assert found.weakest == place
    changed = found.first_changes[place]
    values = photo()[4:36, 6:38].astype(np.float64) / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    for step, stops in enumerate(found.amounts[place]):
        less = light * 2.0**-stops
        shown = np.where(less <= 0.0031308, less * 12.92, 1.055 * less ** (1 / 2.4) - 0.055)
        margin = 20.0 * (shown.mean() - 0.2)
        wanted = 1.0 / (1.0 + np.exp(-2.0 * margin))
        assert found.answers[place, step] == pytest.approx(wanted, abs=1e-3)
        assert (step >= changed) == (margin < 0.0)
    held = {name for name, at in zip(found.sweeps, found.first_changes, strict=True) if at is None}
    assert {"brighter", "hidden", "blurred", "turned"} <= held
    assert found.summary().startswith("Weakest spot: darker (illumination). 'light' becomes 'dark'")


def test_a_class_that_does_not_stay_is_not_told_as_if_it_did() -> None:
    found = challenges(light_meter(), photo(), only="darker", steps=6)
    at = found.first_changes[0]
    assert at is not None
    assert at < 5
    assert found.told(0).startswith(f"dark from {found.amounts[0, at]:g} on, held at ")
    classes = found.classes.copy()
    classes[0, -1] = classes[0, 0]
    back = replace(found, classes=classes)
    assert back.told(0).startswith(f"dark at {found.amounts[0, at]:g}, and not always after that")


def test_a_score_that_falls_nowhere_is_not_said_to_fall() -> None:
    class Darkness(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1.0 - x.mean((1, 2, 3), keepdim=False)[:, None] + 0.0 * self.first(x).mean()

    network = Model(Darkness().eval(), output="value", preprocessing=PLAIN)
    found = challenges(network, photo(), only="darker", steps=3)
    assert (np.diff(found.answers[0]) > 0.0).all()
    assert "falls nowhere below" in found.summary()
    fallen = challenges(network, photo(), only="brighter", steps=3)
    assert "is lowest" in fallen.summary()
    assert "when brighter" in fallen.summary()


def test_what_holds_everywhere_says_so() -> None:
    found = challenges(light_meter(0.0), photo(), only="blur,occlusion", steps=3)
    assert found.sweeps == ("hidden", "blurred")
    assert found.weakest is None
    assert found.first_changes == (None, None)
    assert found.held_shares.tolist() == [1.0, 1.0]
    assert "'light' held everywhere tried" in found.summary()
    assert [row[5] for row in found.table().rows] == found.amounts[:, -1].tolist()


def test_the_network_sees_what_the_sweep_makes() -> None:
    module = tiny_network()
    network = Model(module, preprocessing=PLAIN)
    found = challenges(network, photo(), target=2, only=["turned", "larger"], steps=4)
    batch = network.prepare(photo())
    swept = SweptPhoto(Scene.of(PLAIN, batch, 0), PLAIN)
    for place, name in enumerate(found.sweeps):
        sweep = next(one for one in swept.sweeps if one.name == name)
        for step, amount in enumerate(found.amounts[place]):
            row = torch.from_numpy(swept.variant(sweep, float(amount)).values.copy())
            with torch.no_grad():
                shares = module(row[None]).softmax(1)[0]
            assert found.answers[place, step] == pytest.approx(float(shares[2]), abs=1e-6)
            assert found.classes[place, step] == int(shares.argmax())
    np.testing.assert_allclose(found.similarity[:, 0], 1.0, atol=1e-6)
    assert np.isnan(found.on_object).all()
    assert "clutter (what lies behind" in found.unswept[0]
    assert "Not tried: clutter" in found.caption()


def test_a_scene_is_taken_where_no_image_is_given() -> None:
    # A copy that comes in between rounds otherwise.
    network = Model(lasting_network(), preprocessing=PLAIN, exact=True)
    found = challenges(network, only=["clutter", "turned", "stretched"], scene=4, steps=3)
    assert found.rendered
    assert found.image == "shapes held-out 4, seed 0"
    assert found.challenges == ("pose", "clutter", "intra-class appearance")
    sample = Shapes(split="held-out", size=32)[4]
    again = challenges(network, sample, only=["clutter", "turned", "stretched"], steps=3)
    np.testing.assert_array_equal(found.answers, again.answers)
    assert np.isfinite(found.on_object[:, 0]).all()
    assert not found.unswept
    found.figure().draw_without_rendering()


def test_a_network_that_names_no_class_says_that_changes_are_not_known() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 1)).eval()
    network = Model(module, output="value", preprocessing=PLAIN)
    found = challenges(network, photo(), only=["hidden", "darker"], steps=3)
    assert found.unit == "score"
    assert not found.named
    assert found.first_changes == (None, None)
    assert [row[5] for row in found.table().rows] == [None, None]
    assert "is not known" in found.summary()
    found.figure().draw_without_rendering()


def test_a_network_without_maps_has_no_heatmaps() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval()
    found = challenges(Model(module, preprocessing=PLAIN), photo(), only="blur", steps=3)
    assert found.layers == ()
    assert np.isnan(found.similarity).all()
    assert "no layer for a heatmap" in found.caption()
    found.figure().draw_without_rendering()


@each_case(
    ("arguments", "message"),
    [
        ({"steps": 1}, "steps cannot be 1"),
        ({"only": "weather"}, "no challenge 'weather'"),
        ({"only": "clutter"}, "clutter cannot be swept on a photo"),
        ({"images": [photo(), photo()]}, "2 images were given"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message: str) -> None:
    given = {"images": photo(), **arguments}
    with pytest.raises(UsageError, match=message):
        challenges(light_meter(), **given)


def test_the_unit_stands_in_brackets_behind_the_amounts() -> None:
    found = challenges(light_meter(), photo(), only="darker", steps=6)
    assert found.summary().endswith(" (stops less light)")
