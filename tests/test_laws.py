"""The laws that hold for every view and every network, tested over the table of views."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.models import load
from cnnviz.passes.captures import capture
from cnnviz.results.drawing import new_figure
from cnnviz.results.legibility import crowded
from cnnviz.results.measured_once import measured_once
from cnnviz.results.picture_style import PictureStyle
from cnnviz.results.table import TableResult
from cnnviz.results.text import minus
from cnnviz.testing import LAWS, Trial, network_state
from cnnviz.testing.trial import ARRAYS
from cnnviz.views import VIEWS
from tests.helpers.architectures import OF_OTHER_BLOCKS, shallow, small_input
from tests.helpers.brief_views import BRIEF, BriefTrial
from tests.helpers.drawn_numbers import Values, texts_of
from tests.helpers.each_case import each_case

# Tested with small inputs of their own; on large networks they would take minutes.
QUICK = ("predictions", "filters", "feature_maps", "cam")
QUICKLY_DRAWN = ("predictions", "receptive_field", "feature_maps", "deconvnet", "cam", "filters")
"""The views whose pictures are drawn at many sizes."""

TABLES = {
    "predictions",
    "architecture",
    "filters",
    "feature_maps",
    "top_activations",
    "faithfulness",
    "gradient_flow",
    "localisation",
    "skip_connections",
    "equivariance",
    "famous_networks",
    "challenges",
    "transfer_learning",
}
"""The views whose result is a table as well."""

BARE = re.compile(r"900\d(?!\d|:\d)")
"""The name of a layer of the numbered network, but for that of a unit, as 9004:1."""
SAID = re.compile(r"layers? ([\d, ]*(and )?)?$")


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: view.name)
def trial(request: pytest.FixtureRequest) -> Trial:
    """Return a view with the small networks that it is tried on, and one result for all laws."""
    return BriefTrial(request.param, BRIEF.get(request.param.name, {}))


@each_case("law", LAWS, ids=lambda law: law.__name__)
def test_every_view_keeps_every_law(trial: Trial, law) -> None:
    law(trial)


@pytest.mark.parametrize("name", OF_OTHER_BLOCKS)
def test_no_view_changes_any_network(name: str) -> None:
    model = shallow(name)
    images = small_input(name, count=2)
    before = network_state(model.module)
    with torch.no_grad():
        plain = model.module(images)
    exact = capture(load(model, exact=True), images, layers=(), gradients=False)
    assert torch.equal(exact.logits, plain), "what was captured is what the network answers"
    held = capture(model, images, layers=["conv", "stages"])
    assert (held.logits - plain).abs().max() < 1e-5 * plain.abs().max(), "and on a copy nearly so"
    for view in VIEWS:
        if view.name in QUICK:
            view.function()(held if view.needs == "capture" else model)
    assert set(held.gradients) <= set(held.activations)
    for layer, gradient in held.gradients.items():
        assert gradient.shape == held.activations[layer].shape
        assert torch.isfinite(gradient).all()
    assert network_state(model.module) == before


def rendered(figure: Figure) -> NDArray[np.uint8]:
    with measured_once(figure):
        FigureCanvasAgg(figure).draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()


def halves() -> tuple[Figure, SubFigure]:
    """Return a figure with something of the caller's in its right half, and its left half."""
    figure = Figure(figsize=(24, 11), dpi=40, layout="constrained", facecolor="white")
    left, right = figure.subfigures(1, 2)
    right.suptitle("$x^2$, of the caller's")
    right.subplots().plot([1.0, 2.0])
    return figure, left


@cache
def half_drawn() -> NDArray[np.uint8]:
    return rendered(halves()[0])


def test_a_result_draws_into_a_part_of_a_figure_and_leaves_the_rest_alone(trial: Trial) -> None:
    found = trial.result
    figure, left = halves()
    assert found.figure(figure=left) is figure
    alone, drawn = half_drawn(), rendered(figure)
    assert np.array_equal(drawn[:, 480:], alone[:, 480:])
    assert not np.array_equal(drawn[:, :480], alone[:, :480])
    assert (drawn[:, 476:480] == 255).mean() > 0.95, "little but the edge is at the other half"


def test_every_text_of_a_picture_can_be_read(trial: Trial) -> None:
    assert crowded(trial.figure) == ""


def bare_names(text: str) -> Iterator[str]:
    """Yield where a number stands for a layer in a text that is more than the number."""
    # The mark of an axis of layers, or a cell of its own, is not read as anything else.
    if BARE.fullmatch(text):
        return
    for match in BARE.finditer(text):
        if not SAID.search(text[: match.start()]):
            yield text[max(0, match.start() - 30) : match.end() + 20]


def test_no_number_stands_for_a_layer_without_saying_so(trial: Trial) -> None:
    if trial.view.needs in ("nothing", "photo"):
        return
    found = trial.result
    drawn = (text.get_text() for text in trial.figure.findobj(Text))
    texts = (found.summary(), found.caption(), *drawn)
    assert [bare for text in texts for bare in bare_names(text)] == []


def test_numbers_below_zero_have_a_minus_sign_in_every_text(trial: Trial) -> None:
    found = trial.result
    drawn = (text.get_text() for text in trial.figure.findobj(Text))
    # What an axis writes itself is a formula, in which a hyphen is drawn as a minus.
    said = [text for text in drawn if not text.startswith("$")]
    for text in (found.summary(), found.caption(), str(found), *said):
        assert minus(text) == text


def test_every_number_of_a_picture_is_a_value(trial: Trial, tmp_path: Path) -> None:
    # With these it was drawn, which makes the last of its texts.
    (tmp_path / "a.json").write_bytes(trial.files[".json"])
    if ARRAYS in trial.files:
        (tmp_path / "a.npz").write_bytes(trial.files[ARRAYS])
    values = Values(tmp_path / "a.json")
    lost = {text: found for text in texts_of(trial.figure) if (found := values.unknown(text))}
    assert lost == {}


def test_a_size_is_refused_with_one_that_will_do_or_every_text_can_be_read(trial: Trial) -> None:
    if trial.view.name not in QUICKLY_DRAWN:
        return
    small = (3.4, 2.4)
    style = PictureStyle(size=small)
    try:
        drawn = style.drawn(lambda empty: trial.result.figure(figure=empty))
    except UsageError as error:
        told = str(error)
    else:
        assert crowded(drawn) == ""
        return
    assert re.search("would (be cut off|have letters|overlap|lie over)|nothing would be left", told)
    width, height = re.search(r"Give ([\d.]+) x ([\d.]+) inches", told).groups()
    assert crowded(trial.result.figure(figure=new_figure(float(width), float(height)))) == ""


def test_a_picture_of_one_panel_draws_into_axes_and_any_other_refuses(trial: Trial) -> None:
    found = trial.result
    panel, other = (figure := Figure(layout="constrained")).subplots(1, 2)
    panels = [axes for axes in trial.figure.axes if axes.get_label() != "<colorbar>"]
    if trial.view.name in ("cam", "attribute", "occlusion", "predictions"):
        panels = panels[1:]  # The photo as it is stands beside the map, or the answers.
    # Of two networks layers are compared as well, which takes more images than one.
    if len(panels) == 1 and trial.view.name != "compare":
        assert found.figure(ax=panel) is figure
        assert panel.get_children() != other.get_children()
        assert len(figure.axes) == 2
        figure.draw_without_rendering()
    else:
        with pytest.raises(UsageError, match="several panels"):
            found.figure(ax=panel)
        assert not panel.has_data()


def test_a_table_has_the_same_rows_in_every_format(trial: Trial, tmp_path: Path) -> None:
    found = trial.result
    if not isinstance(found, TableResult):
        assert trial.view.name not in TABLES
        return
    assert trial.view.name in TABLES
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
