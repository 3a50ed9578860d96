"""The laws that hold for every view and every network, tested over the table of views."""

from __future__ import annotations

import csv
import dataclasses
import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text
from numpy.typing import NDArray
from torch import nn

from cnnviz.errors import ModelError, UsageError
from cnnviz.passes.captures import capture
from cnnviz.results.result import Result, png
from cnnviz.results.table import TableResult
from cnnviz.views import VIEWS, View
from tests.helpers.architectures import ARCHITECTURES, build, small_input, tiny_network
from tests.helpers.state import state

BRIEF = {"feature_visualization": {"units": "3:0,1", "steps": 3, "size": 16}}
"""What a view that cannot do without it, or would take long, is given besides."""

TABLES = {
    "predictions",
    "architecture",
    "filters",
    "feature_maps",
    "top_activations",
    "faithfulness",
    "gradient_flow",
    "skip_connections",
}
"""The views whose result is a table as well."""

every_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


def run(view: View, model: Any, images: torch.Tensor) -> Result:
    if view.needs == "nothing":
        return view.function()()
    if view.needs == "model":
        takes = inspect.signature(view.function()).parameters
        takes_images = "images" in takes or "data" in takes
        given = BRIEF.get(view.name, {})
        function = view.function()
        return function(model, images, **given) if takes_images else function(model, **given)
    held = capture(model, images, layers=view.layers, gradients=view.gradients)
    return view.function()(held)


@cache
def result_of(view: View) -> Result:
    """Return a result of a view, which is frozen, for tests of what is made of it."""
    return run(view, tiny_network(), torch.rand(1, 3, 16, 16))


class Interrupted(nn.Module):
    """A network that raises in the middle of its forward pass."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3)
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.second(self.norm(self.first(x)))
        raise self.error


# Law 1: the model is never changed.


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_view_changes_any_network(name: str) -> None:
    model = build(name)
    images = small_input(name, count=2)
    before = state(model.module)
    with torch.no_grad():
        plain = model.module(images)
    held = capture(model, images, layers=["conv", "stages"])
    assert torch.equal(held.logits, plain), "what was captured is what the network answers"
    for view in VIEWS:
        if view.name not in ("predictions", "filters", "feature_maps", "cam"):
            continue  # Tested with small inputs of their own; here they would take minutes.
        if view.needs == "capture":
            view.function()(held)
        else:
            run(view, model, images)
    assert set(held.gradients) <= set(held.activations)
    for layer, gradient in held.gradients.items():
        assert gradient.shape == held.activations[layer].shape
        assert torch.isfinite(gradient).all()
    assert state(model.module) == before


@pytest.mark.parametrize("error", [RuntimeError("half-way"), KeyboardInterrupt(), MemoryError()])
@every_view
def test_nothing_is_changed_when_the_forward_pass_ends_half_way(
    view: View, error: BaseException
) -> None:
    module, images = Interrupted(error).train(), torch.rand(1, 3, 8, 8)
    before = state(module)
    if view.name == "filters" or view.needs == "nothing":
        run(view, module, images)  # The view of the weights needs no forward pass.
    else:
        with pytest.raises((type(error), ModelError)) as caught:
            run(view, module, images)
        assert error in (caught.value, caught.value.__cause__)
    assert state(module) == before


@every_view
def test_a_network_in_training_mode_stays_in_it(view: View) -> None:
    module = tiny_network().train()
    module[4].eval()
    module[0].weight.grad = torch.ones_like(module[0].weight)
    images = torch.rand(1, 3, 16, 16)
    before = state(module)
    run(view, module, images)
    assert state(module) == before


# Law 2: one capture feeds many views.


def test_no_view_of_a_capture_runs_the_network_again() -> None:
    module = tiny_network()
    held = capture(module, torch.rand(2, 3, 16, 16), layers=["conv", "stages"])
    passes: list[int] = []
    module.register_forward_pre_hook(lambda *_: passes.append(1))
    for view in VIEWS:
        if view.needs == "capture":
            view.function()(held).figure()
    assert passes == []


# Laws 4 to 6: results are data first, honest in one line, and draw themselves on few axes.


@every_view
def test_a_result_is_frozen_data_with_its_origin(view: View, tmp_path: Path) -> None:
    found = run(view, tiny_network(), torch.rand(1, 3, 16, 16))
    assert isinstance(found, Result)
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.provenance = None  # type: ignore[misc, assignment]
    assert len(found.provenance.weights_sha256) == (0 if view.needs == "nothing" else 64)
    assert "\n" not in repr(found)
    assert len(found.caption()) > 40
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["summary"] == found.summary()
    for suffix in ("png", "json", "npz"):
        assert found.save(tmp_path / f"{view.name}.{suffix}").stat().st_size > 0


@every_view
def test_a_figure_has_few_axes_and_words_on_them(view: View) -> None:
    figure = result_of(view).figure()
    assert 1 <= len(figure.axes) <= 12
    assert any(text.get_text() for text in figure.findobj(Text))


@every_view
def test_a_result_draws_into_a_part_of_a_figure_and_leaves_the_rest_alone(view: View) -> None:
    def rendered(figure: Figure) -> NDArray[np.uint8]:
        FigureCanvasAgg(figure).draw()
        return np.asarray(figure.canvas.buffer_rgba()).copy()

    def halves() -> tuple[Figure, SubFigure]:
        figure = Figure(figsize=(24, 11), dpi=40, layout="constrained", facecolor="white")
        left, right = figure.subfigures(1, 2)
        right.suptitle("$x^2$, of the caller's")
        right.subplots().plot([1.0, 2.0])
        return figure, left

    found = result_of(view)
    figure, left = halves()
    assert found.figure(figure=left) is figure
    alone, drawn = rendered(halves()[0]), rendered(figure)
    assert np.array_equal(drawn[:, 480:], alone[:, 480:])
    assert not np.array_equal(drawn[:, :480], alone[:, :480])
    assert (drawn[:, 470:480] == 255).mean() > 0.8, "little but the edge is at the other half"
    own = found.figure()
    whole = Figure(own.get_size_inches(), layout="constrained", facecolor="white")
    assert found.figure(figure=whole) is whole
    assert png(whole, 40) == png(own, 40), "at its own size it is the same"


@every_view
def test_a_picture_of_one_panel_draws_into_axes_and_any_other_refuses(view: View) -> None:
    found = result_of(view)
    panel, other = (figure := Figure(layout="constrained")).subplots(1, 2)
    panels = [axes for axes in found.figure().axes if axes.get_label() != "<colorbar>"]
    if view.name in ("cam", "attribute", "occlusion"):
        panels = panels[1:]  # The photo as it is stands beside the map.
    if len(panels) == 1:
        assert found.figure(ax=panel) is figure
        assert panel.get_children() != other.get_children()
        assert len(figure.axes) == 2
        figure.draw_without_rendering()
    else:
        with pytest.raises(UsageError, match="several panels"):
            found.figure(ax=panel)
        assert not panel.has_data()


@every_view
def test_a_table_has_the_same_rows_in_every_format(view: View, tmp_path: Path) -> None:
    found = result_of(view)
    if not isinstance(found, TableResult):
        assert view.name not in TABLES
        return
    assert view.name in TABLES
    table = found.table()
    with found.save(tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == list(table.headings)
    assert len(rows) == len(table.rows)
    for written, row in zip(rows, table.rows, strict=True):
        for text, value in zip(written, row, strict=True):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert text == "" if np.isnan(value) else float(text) == value
    held = found.to_json()["table"]
    assert [column["name"] for column in held["columns"]] == [c.name for c in table.columns]
    assert len(held["rows"]) == len(rows)
    lines = found.save(tmp_path / "t.tex").read_text("utf-8").splitlines()
    assert sum(line.endswith(r"\\") for line in lines) == 1 + len(rows)


@every_view
def test_the_same_input_gives_the_same_result(view: View, tmp_path: Path) -> None:
    images = torch.rand(1, 3, 16, 16)
    first, second = (run(view, tiny_network(), images) for _ in range(2))
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name])
    paths = [first.save(tmp_path / "a.png"), second.save(tmp_path / "b.png")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


# Input of other shapes.


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (4, 40), (3, 32)])
@every_view
def test_other_channels_and_sizes(view: View, channels: int, side: int) -> None:
    module = tiny_network(channels)
    run(view, module, torch.rand(1, channels, side, side)).figure().draw_without_rendering()
