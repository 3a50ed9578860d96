"""Maps made anew: the settings that a heatmap keeps make the very same maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError
from cnnviz.heatmaps.attribution_methods import ATTRIBUTION_METHODS
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.views._explainers import remake
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.faithfulness import faithfulness
from cnnviz.views.occlusion import occlusion
from tests.helpers.architectures import lasting_network

QUICK = {"steps": 2, "stages": 2, "random": 2}
TARGET = [2, 0]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 12, 16, generator=torch.Generator().manual_seed(1))


class Odd(nn.Module):
    """A network with a layer of an awkward name, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("wide | deep", nn.Conv2d(3, 4, 3, padding=1))
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.get_submodule("wide | deep")(x).relu()
        x = self.twice(self.twice(x).relu()).relu()
        return self.head(x.mean((2, 3)))


def remade(model: Model, images: torch.Tensor, held: Heatmap, place: int = 0) -> np.ndarray:
    assert held.settings is not None
    asked = ExplainedBatch.of(model, model.prepare(images), heatmap=held).asked
    again = remake(model, model.prepare(images), asked, held.settings.of_map(place))
    (maps,) = again.maps
    return maps


MAKERS: dict[str, Callable[[Model, torch.Tensor], Heatmap]] = {
    **{
        f"cam {name}": lambda model, images, name=name: cam(
            capture(model, images, layers=["0", "3"], target=TARGET), "3", name
        )
        for name in CAM_METHODS
    },
    **{
        f"attribution {name}": lambda model, images, name=name: attribute(
            model,
            images,
            name,
            TARGET,
            baseline="noise",
            channels="largest",
            steps=3,
            seed=7,
        )
        for name in ATTRIBUTION_METHODS
    },
    "fused": lambda model, images: cam(
        capture(model, images, layers=["0", "3"], target=TARGET), ["0", "3"], fuse=True
    ),
    "of one layer, fused": lambda model, images: cam(
        capture(model, images, layers=["3"], target=TARGET), "3", fuse=True
    ),
    "by the guided rule": lambda model, images: cam(
        capture(model, images, layers=["1"], target=TARGET, rule="guided"), "1", "hirescam"
    ),
    "occlusion": lambda model, images: occlusion(model, images, 6, 2, "blur", TARGET),
    "occlusion that does not fit": lambda model, images: occlusion(model, images, target=TARGET),
    "occlusion, approximate": lambda model, images: occlusion(
        model, images, 4, 3, "black", TARGET, approximate=0.4
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_map_is_made_anew_exactly(name: str, images: torch.Tensor) -> None:
    model = Model(lasting_network(), exact=True)  # a copy that comes in between rounds otherwise
    held = MAKERS[name](model, images)
    assert held.explains_class == (held.method != "eigencam")
    assert held.target_classes == ((2, 0) if held.explains_class else ())
    np.testing.assert_array_equal(remade(model, images, held), held.maps[0])


def test_each_of_several_maps_is_made_anew(images: torch.Tensor) -> None:
    model = Model(
        lasting_network(), exact=True
    )  # a copy rounds batches and single images otherwise
    held = cam(capture(model, images, layers=["0", "3", "5"]), ["3", "0", "5"])
    for place, maps in enumerate(held.maps):
        np.testing.assert_array_equal(remade(model, images, held, place), maps)
    found = faithfulness(model, images, held, layer="0", measures=["stability"], **QUICK)
    assert found.layer == "0"


def test_layers_are_told_apart_whatever_they_are_called(images: torch.Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Model(Odd(), exact=True)  # a copy that comes in between rounds otherwise
    held = cam(
        capture(model, images, layers=["wide | deep", "twice"]),
        ["wide | deep", "twice#0", "twice#1"],
    )
    assert len({maps.tobytes() for maps in held.maps}) == 3
    for place, maps in enumerate(held.maps):
        np.testing.assert_array_equal(remade(model, images, held, place), maps)
    joined = cam(capture(model, images, layers=["wide | deep", "twice"]), fuse=True)
    np.testing.assert_array_equal(remade(model, images, joined), joined.maps[0])
    found = faithfulness(model, images, joined, measures=["stability"], **QUICK)
    assert found.stability is not None
    assert found.layer == "wide | deep | twice#0 | twice#1"
    by_name = faithfulness(model, images, "gradcam", layer="twice#1", measures="drop", random=1)
    np.testing.assert_array_equal(
        by_name.drop.kept,
        faithfulness(model, images, held, measures="drop", random=1).drop.kept,
    )


def test_a_class_is_found_though_another_has_its_name(images: torch.Tensor) -> None:
    model = Model(lasting_network(), categories=["crane", "crane", "kite", "kite"])
    held = cam(capture(model, images, layers=["3"], target=[1, 3]), "3")
    assert held.targets == ("crane", "kite")
    batch = model.prepare(images)
    assert ExplainedBatch.of(model, batch, heatmap=held).asked == (1, 3)
    found = faithfulness(model, images, held, measures=["randomisation"], **QUICK)
    with torch.no_grad():
        shares = model.module(images).double().softmax(1)
    np.testing.assert_allclose(found.probabilities, shares[[0, 1], [1, 3]], atol=1e-6)


def test_a_method_without_a_class_is_measured_on_the_likeliest(images: torch.Tensor) -> None:
    model = Model(lasting_network())
    held = cam(capture(model, images, layers=["3"], gradients=False), "3", "eigencam")
    with torch.no_grad():
        likeliest = model.module(images).argmax(1).tolist()
    asked = ExplainedBatch.of(model, model.prepare(images), heatmap=held).asked
    assert list(asked) == likeliest


def test_a_map_that_does_not_tell_its_class_needs_one(images: torch.Tensor) -> None:
    model = Model(lasting_network())
    with torch.no_grad():
        least = model.module(images).argmin(1).tolist()
    held = cam(capture(model, images, layers=["3"], target=least), "3")
    for classes, message in (
        ((), "does not tell how it is scored"),
        ((None, 1), "does not tell how it is scored"),
        ((99, 1), "There is no class 99"),
    ):
        unknown = dataclasses.replace(held, target_classes=classes)
        with pytest.raises(TargetError, match=message):
            faithfulness(model, images, unknown, measures="drop")
    assert faithfulness(model, images, unknown, target=1, measures="drop", random=1).targets == (
        "class 1",
        "class 1",
    )


def test_what_made_a_map_is_written_down(images: torch.Tensor) -> None:
    model = Model(lasting_network())
    held = cam(capture(model, images, layers=["0", "3"], target=1), "3").to_json()
    assert held["target_classes"] == [1, 1]
    assert held["explains_class"] is True
    assert held["settings"] == {
        "method": "gradcam",
        "layers": [["3", 0]],
        "fused": False,
        "rule": "gradient",
        "relu": True,
    }
    hidden = occlusion(model, images, 6, 2, "blur").to_json()
    assert hidden["settings"] == {
        "method": "occlusion",
        "window": 6,
        "stride": 2,
        "fill": "blur",
        "approximate": None,
    }
