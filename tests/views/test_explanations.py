"""Explanations: the maps are those of their methods, and failed checks are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks import randomisation
from cnnviz.heatmaps.checks.explained_batch import Maps
from cnnviz.heatmaps.checks.randomisation import plain_gradient
from cnnviz.images import Batch
from cnnviz.models import Model, load
from cnnviz.passes.captures import capture
from cnnviz.results import drawing
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.explanations import CHECKS, explanations
from cnnviz.views.faithfulness import faithfulness
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.quick_code import few_random_maps
from tests.helpers.state import state


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def beside_two_random_maps() -> Iterator[None]:
    with few_random_maps():
        yield


def test_the_maps_are_those_of_their_methods(image: torch.Tensor) -> None:
    module = tiny_network()
    before = state(module)
    found = explanations(module, image, ["gradcam", "saliency"], 2, checks=())
    assert state(module) == before
    held = capture(module, image, layers="stages", target=2)
    np.testing.assert_array_equal(found.heatmaps[0].maps[0], cam(held).maps[0])
    plain = attribute(module, image, "saliency", 2)
    np.testing.assert_array_equal(found.heatmaps[1].maps[0], plain.maps[0])
    assert found.target == "class 2"
    assert found.checks == ()
    assert found.verdicts == ()
    assert set(found.arrays()) == {"gradcam 5", "saliency input"}


class LeavesEarly(nn.Module):
    """Passes its second layer by once its weights are others, as one that goes by its answer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.trained = float(self.head.weight.detach().sum())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x).relu()
        if float(self.head.weight.detach().sum()) == self.trained:
            x = self.two(x).relu()
        return self.head(x.mean((2, 3)))


@pytest.mark.usefixtures("beside_two_random_maps")
def test_a_map_whose_layer_is_passed_by_under_other_weights_passes_not_every_check(
    image: torch.Tensor,
) -> None:
    found = explanations(LeavesEarly().eval(), image, ["gradcam"], 2)
    (check,) = found.checks
    assert check.unmeasured == ("randomisation",)
    assert "randomisation not measured" in check.summary()
    assert "randomisation not measured" in found.check_lines(0)[0]
    # Whatever else was found.
    passing = replace(found, checks=(replace(check, results={}),))
    assert "of which 0 pass every check" in passing.summary()
    assert "no such map can be made: Layer 'two' was not called" in found.caption()


@pytest.mark.usefixtures("beside_two_random_maps")
def test_checks_stand_below_their_maps(image: torch.Tensor) -> None:
    found = explanations(lasting_network(), image, ["gradcam", "saliency"], 2)
    labels = [axes.get_xlabel() for axes in found.figure().axes]
    for check, label in zip(found.checks, labels, strict=False):
        assert f"{check.measure('gain').mean:z.2f}" in label
        assert f"similarity kept {check.measure('similarity_kept').mean:.2f}" in label
    failed = [v for check in found.checks for v in check.verdicts if not v.passed]
    assert found.verdicts == tuple(verdict.sentence for verdict in failed)


def test_every_map_is_drawn_and_nothing_else(image: torch.Tensor) -> None:
    found = explanations(
        lasting_network(), image, ["gradcam", "saliency", "hirescam", "layercam"], checks=()
    )
    figure = found.figure()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == ["Grad-CAM", "Saliency", "HiResCAM", "LayerCAM"]
    assert sum(len(axes.images) for axes in figure.axes) == 4


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3)])
def test_no_column_of_the_picture_is_left_blank(
    image: torch.Tensor, count: int, columns: int
) -> None:
    methods = ["gradcam", "saliency", "layercam", "eigencam", "hirescam"][:count]
    figure = explanations(lasting_network(), image, methods, 2, checks=()).figure()
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    first = [axes for axes in maps if axes.get_subplotspec().is_first_row()]
    assert (len(maps), len(first)) == (count, columns)
    assert figure.get_figwidth() == pytest.approx(3.4 * columns + 0.9)


def test_a_slide_is_filled_with_maps(image: torch.Tensor) -> None:
    """Three rows of three leave three quarters of it empty: on a wide canvas rows are fewer."""
    methods = ["gradcam", "gradcam++", "saliency", "layercam", "eigencam", "hirescam", "deeplift"]
    found = explanations(lasting_network(), image, [*methods, "guided_backprop"], 2, checks=())
    figure = found.figure(figure=drawing.new_figure(16.0, 9.0))
    figure.draw_without_rendering()
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert sum(axes.get_subplotspec().is_first_row() for axes in maps) == 4
    filled = sum(axes.bbox.width * axes.bbox.height for axes in maps)
    assert filled > 0.6 * figure.bbox.width * figure.bbox.height


def test_guided_backpropagation_is_caught_and_grad_cam_passes() -> None:
    scene = Shapes(split="held-out")[19]
    found = explanations(
        load("shapes"), scene.image, ["gradcam", "guided_backprop"], checks=["randomisation"]
    )
    gradcam, guided = found.checks
    assert [verdict.passed for verdict in gradcam.verdicts] == [True]
    caught = {verdict.check for verdict in guided.verdicts if not verdict.passed}
    assert "randomisation" in caught
    assert any("hardly changes when the weights are randomised" in said for said in found.verdicts)


@each_case(
    ("methods", "count", "message"),
    [
        (["gradcam", "magic"], 1, "no method 'magic'"),
        ([], 1, "No method was named"),
        (["gradcam"], 2, "2 images were given"),
    ],
)
def test_bad_arguments(methods: list[str], count: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explanations(lasting_network(), torch.rand(count, 3, 16, 16), methods)


def test_localisation_alone_is_refused(image: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="localisation cannot be measured: no object is marked"):
        explanations(lasting_network(), image, ["gradcam"], checks=["localisation"])


@pytest.mark.usefixtures("beside_two_random_maps")
def test_methods_are_named_in_one_text_as_layers_are(image: torch.Tensor) -> None:
    network = lasting_network()
    found = explanations(network, image, "gradcam, saliency,gradcam", 2, checks="drop,drop")
    assert found.summary().startswith("2 explanations")
    with pytest.raises(UsageError, match="no method 'salience' of making heatmaps"):
        explanations(network, image, "gradcam,salience", checks=())


def test_the_yardstick_of_the_gradient_is_made_once_for_all_methods(
    image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy that comes in between rounds otherwise.
    network, methods = Model(tiny_network(), exact=True), ["gradcam", "saliency"]
    passes: list[int] = []

    def counted(model: Model, batch: Batch, classes: Sequence[int]) -> Maps:
        passes.append(len(batch))
        return plain_gradient(model, batch, classes)

    monkeypatch.setattr(randomisation, "plain_gradient", counted)
    alone = [faithfulness(network, image, m, target=2, measures=CHECKS) for m in methods]
    each, once = len(passes) // len(methods), len(passes)
    together = explanations(network, image, methods, 2)
    assert each > 1
    assert len(passes) - once == each
    for check, expected in zip(together.checks, alone, strict=True):
        assert check.to_json() == expected.to_json()
        assert check.arrays().keys() == expected.arrays().keys()
        for key, values in expected.arrays().items():
            np.testing.assert_array_equal(check.arrays()[key], values)
