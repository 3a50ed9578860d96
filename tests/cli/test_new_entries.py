"""One entry in a table is all that a new heatmap method or trust measure takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cnnviz.evaluation import evaluate
from cnnviz.heatmaps.attribution_methods import (
    ATTRIBUTION_METHODS,
    AttributionMethod,
    AttributionName,
    AttributionRequest,
)
from cnnviz.heatmaps.cam_methods import CAM_METHODS, CamName, GradientCam
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.measure_groups import (
    MEASURE_GROUPS,
    CheckSettings,
    Group,
    MeasuredMaps,
    MeasureGroup,
)
from cnnviz.heatmaps.checks.verdicts import Check, Figures
from cnnviz.heatmaps.methods import method_names
from cnnviz.models import load
from cnnviz.passes.captures import capture
from cnnviz.results.space import IMAGE, Space
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.explanations import explanations
from cnnviz.views.faithfulness import faithfulness
from tests.helpers.architectures import tiny_network

DOCS = Path(__file__).parents[2] / "docs"
QUICK = {"steps": 2, "stages": 1, "random": 2}
ONE = ("--weights=random", "--count=1", "--steps=2", "--stages=1", "--random=1", "--quiet")


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def page(run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return the help of a command on lines so wide that no name is broken."""
    monkeypatch.setenv("COLUMNS", "2000")
    return lambda command: run(command, "--help").out


def elementwise(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Keep of HiResCAM the places of each channel that speak for the class (Gildenblat 2021)."""
    return (activations * gradients).relu().sum(1)


@pytest.fixture
def new_cam(monkeypatch: pytest.MonkeyPatch) -> str:
    method = GradientCam("elementwise", "Grad-CAM, elementwise", "Gildenblat 2021", elementwise)
    monkeypatch.setitem(CAM_METHODS, method.name, method)
    return method.name


def squared(request: AttributionRequest) -> torch.Tensor:
    return request.captured.input_gradient.square()


@pytest.fixture
def new_attribution(monkeypatch: pytest.MonkeyPatch) -> str:
    method = AttributionMethod(
        "sensitivity", "Sensitivity", "Gevrey et al. 2003", "gradient, squared", squared
    )
    monkeypatch.setitem(ATTRIBUTION_METHODS, method.name, method)
    return method.name


@dataclass(frozen=True, eq=False)
class Sparseness:
    """The Gini index of each map (Chalasani et al. 2020)."""

    gini: NDArray[np.float64]
    random_gini: NDArray[np.float64]

    def measures(self) -> tuple[Measure, ...]:
        return (Measure("gini", "sparseness", "high", self.gini, self.random_gini),)


class IsSparse(Check):
    name = "sparseness"
    measure = "gini"
    passed, failed, failed_by = "sparse", "spread out", "Spread over the whole photo"
    reading = "The Gini index tells how few pixels hold the map."

    def passes(self, find: Callable[[str], Figures]) -> bool:
        return find(self.measure).mean > 2.0

    def sentence(self, title: str, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        return f"{title} has a Gini index of {find(self.measure).mean:.2f}."

    def line(self, find: Callable[[str], Measure]) -> str:
        return f"Gini index {find(self.measure).mean:.2f}"

    def failed_line(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        return "marks the whole photo"


def gini(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    ordered = np.sort(np.abs(maps.reshape(*maps.shape[:-2], -1)).astype(float), axis=-1)
    count = ordered.shape[-1]
    ranks = count - np.arange(count) - 0.5
    return 1.0 - 2.0 * (ordered * ranks).sum(-1) / ordered.sum(-1) / count


def take(measured: MeasuredMaps, settings: CheckSettings) -> Sparseness:
    return Sparseness(gini(measured.maps), gini(measured.random))


@pytest.fixture
def new_measure(monkeypatch: pytest.MonkeyPatch) -> str:
    group = MeasureGroup("sparseness", "Gini", take, main=("gini",), check=IsSparse())
    monkeypatch.setitem(MEASURE_GROUPS, group.name, group)
    return group.name


def test_a_new_cam_is_a_view_and_is_checked(new_cam: str, image: torch.Tensor) -> None:
    network = tiny_network()
    held = capture(network, image, layers=["3"])
    found = cam(held, "3", new_cam)
    expected = (held.activations["3"] * held.gradients["3"]).relu().sum(1)
    np.testing.assert_array_equal(found.maps[0], expected)
    checked = faithfulness(network, image, found, measures=["randomisation"], **QUICK)
    assert checked.summary().startswith("Grad-CAM, elementwise at layer 3, 1 image: ")
    beside = explanations(network, image, ["gradcam", new_cam], checks=())
    assert [each.title for each in beside.heatmaps] == ["Grad-CAM", "Grad-CAM, elementwise"]
    table = evaluate(
        load("shapes-plain"), methods=[new_cam], count=1, settings=CheckSettings(("drop",))
    )
    assert table.titles == ("Grad-CAM, elementwise",)


def test_a_new_cam_is_on_the_command_line(new_cam: str, run, page, tmp_path: Path) -> None:
    drawn = run("cam", "--method", new_cam, "--out", "map.json", "--quiet")
    assert drawn.code == 0, drawn.err
    assert json.loads((tmp_path / "map.json").read_text("utf-8"))["method"] == new_cam
    assert new_cam in page("cam")
    assert new_cam in page("evaluate")
    said = run("evaluate", "--methods", new_cam, "--measures=drop", *ONE)
    assert said.code == 0, said.err
    assert "Grad-CAM, elementwise" in said.out
    assert run("cam", "--method", "elementwisely").code == 2


def test_a_new_attribution_is_everywhere(
    new_attribution: str, run, page, image: torch.Tensor
) -> None:
    network = tiny_network()
    found = attribute(network, image, new_attribution)
    gradient = capture(network, image, layers=()).input_gradient
    np.testing.assert_allclose(found.maps[0], gradient.square().amax(1))
    checked = faithfulness(network, image, new_attribution, measures=["stability"], **QUICK)
    assert checked.title == "Sensitivity"
    assert new_attribution in page("attribute")
    said = run("evaluate", "--methods", new_attribution, "--measures=drop", *ONE)
    assert said.code == 0, said.err
    assert "Sensitivity" in said.out


def test_a_new_measure_is_in_every_table(new_measure: str, image: torch.Tensor, tmp_path) -> None:
    network = tiny_network()
    found = faithfulness(network, image, measures=[new_measure], random=3)
    # What is measured is the map as it is drawn.
    drawn = np.maximum(found_maps(network, image), 0.0)
    np.testing.assert_allclose(found.measure("gini").values, gini(drawn))
    assert found.summary().endswith("spread out")
    assert found.verdicts[0].check == "sparseness"
    assert {"sparseness.gini", "sparseness.random_gini"} <= set(found.arrays())
    written = json.loads(found.save(tmp_path / "a.json").read_text("utf-8"))
    assert written["sparseness"]["gini"] == pytest.approx(found.measure("gini").values.tolist())
    drawn = [text.get_text() for text in found.figure().findobj(lambda a: hasattr(a, "get_text"))]
    assert "sparseness (higher is better)" in drawn
    beside = explanations(network, image, ["gradcam", "saliency"], checks=[new_measure])
    assert beside.caption().endswith("The Gini index tells how few pixels hold the map.")
    assert "marks the whole photo" in beside.figure().axes[0].get_xlabel()


def found_maps(network: torch.nn.Module, image: torch.Tensor) -> NDArray[np.float32]:
    return cam(capture(network, image, layers="stages")).maps[0]


def test_a_new_measure_is_evaluated(new_measure: str, run, page) -> None:
    assert new_measure in page("evaluate")
    said = run("evaluate", "--methods=gradcam", "--measures", new_measure, *ONE)
    assert said.code == 0, said.err
    assert "sparseness" in said.out
    assert "Spread over the whole photo: Grad-CAM." in said.err


def test_the_names_for_type_checkers_are_those_of_the_tables() -> None:
    assert get_args(CamName) == tuple(CAM_METHODS)
    assert get_args(AttributionName) == tuple(ATTRIBUTION_METHODS)
    assert get_args(Group) == tuple(MEASURE_GROUPS)
    for table in (CAM_METHODS, ATTRIBUTION_METHODS, MEASURE_GROUPS):
        assert all(entry.name == name for name, entry in table.items())
    assert len(set(method_names())) == len(CAM_METHODS) + len(ATTRIBUTION_METHODS) + 1


def test_every_group_has_measures_that_stand_for_it() -> None:
    assert all(group.main for group in MEASURE_GROUPS.values())


@pytest.mark.parametrize(
    ("function", "table"), [(cam, CAM_METHODS), (attribute, ATTRIBUTION_METHODS)]
)
def test_the_help_cites_every_method(function, table) -> None:
    text = " ".join(function.__doc__.split())
    for method in table.values():
        assert f'"{method.name}" ({method.citation}' in text


def test_the_help_names_every_group_of_measures() -> None:
    text = " ".join((faithfulness.__doc__ or "").split())
    for group in MEASURE_GROUPS.values():
        assert f'"{group.name}" ({group.summary})' in text


def test_the_page_on_heatmaps_names_every_method() -> None:
    page = (DOCS / "heatmaps.md").read_text("utf-8")
    assert [name for name in method_names() if f"`{name}`" not in page] == []
