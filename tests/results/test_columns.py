"""Views of many panels fit into the column of a paper: 85 mm with letters of 7 points."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import cnnviz
from cnnviz.results import drawing
from cnnviz.results.legibility import as_wide, crowded
from cnnviz.results.letters import scale_letters
from cnnviz.results.picture_style import read_style


@pytest.fixture(scope="module")
def model() -> Any:
    return cnnviz.load()


def photo() -> Any:
    return cnnviz.Shapes(split="held-out")[19].image


def flow(model: Any) -> Any:
    return cnnviz.gradient_flow(cnnviz.load("mlp-8:sigmoid"))


def several_flows(model: Any) -> Any:
    other = cnnviz.load("conv-3", "random")
    return cnnviz.gradient_flow(model, compare=other, remedies=False)


def projections(model: Any) -> Any:
    return cnnviz.deconvnet(model, photo(), "features.4")


def large_projections(model: Any) -> Any:
    return cnnviz.deconvnet(model, [photo(), photo()], "features.8", [1, 2])


def faithfulness(model: Any) -> Any:
    heatmap = cnnviz.cam(cnnviz.capture(model, photo()))
    return cnnviz.faithfulness(model, photo(), heatmap, random=2, steps=4, stages=2)


def patches(model: Any) -> Any:
    return cnnviz.top_activations(model, cnnviz.Shapes(), "features.4", k=4, top=3, count=12)


def hierarchy(model: Any) -> Any:
    return cnnviz.hierarchy(
        model, cnnviz.Shapes(), ("features.1", "features.4"), k=4, top=3, count=12
    )


def two_networks(model: Any) -> Any:
    return cnnviz.compare(model, cnnviz.Shapes(), count=4, examples=2)


def features_of_two(model: Any) -> Any:
    return cnnviz.compare(model, cnnviz.Shapes(), layers="features.4", count=2, picture="features")


def unmatched_features(model: Any) -> Any:
    other = cnnviz.load("conv-3", "random")
    return cnnviz.compare(model, cnnviz.Shapes(), other, count=2, picture="features")


def fields(model: Any) -> Any:
    return cnnviz.receptive_field(model, photo(), draws=1)


def box(model: Any) -> Any:
    return cnnviz.localisation(cnnviz.capture(model, photo()))


def kernels(model: Any) -> Any:
    return cnnviz.filters(model)


def overfitting(model: Any) -> Any:
    return cnnviz.overfitting(scenes=10, epochs=2, seeds=2, validation=10, test=10)


def transfer(model: Any) -> Any:
    return cnnviz.transfer_learning(model, samples=2, seeds=1, epochs=1, test=8)


FOUND = (
    flow, several_flows, projections, large_projections, faithfulness, patches, hierarchy,
    two_networks, features_of_two, unmatched_features, fields, box, kernels, overfitting, transfer,
)  # fmt: skip


def fitted(result: Any, **style: Any) -> Figure:
    wanted = read_style(**style)
    with wanted.applied():
        return wanted.drawn(lambda empty: result.figure(figure=empty))


@pytest.fixture(scope="module")
def in_column(model: Any) -> Callable[[Callable[[Any], Any]], Figure]:
    """Return what draws a view into the column of a paper, each once."""
    return lru_cache(lambda found: fitted(found(model), width="85mm", font_size=7))


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.__name__)
def test_it_fits_into_a_column(in_column: Any, found: Callable[[Any], Any]) -> None:
    figure = in_column(found)
    assert figure.get_figwidth() == pytest.approx(85 / 25.4)
    assert crowded(figure) == ""


def test_the_words_of_a_measure_are_shorter_in_a_column_and_say_the_same(in_column: Any) -> None:
    said = [text.get_text() for text in in_column(faithfulness).findobj(Text)]
    assert "average drop ↓" in said
    assert "↓ lower is better, ↑ higher is better" in said


def test_a_picture_is_as_high_as_it_asks_for_where_its_height_is_free() -> None:
    def draw(size: tuple[float, float] | None) -> Figure:
        figure = Figure(size or (8.0, 2.0))
        drawing.ask_for_height(figure, 0.5 * figure.get_figwidth())
        return figure

    assert as_wide(draw, 4.0).get_size_inches() == pytest.approx((4.0, 2.0))


def test_panels_that_could_fill_any_height_end_with_the_page() -> None:
    def draw(size: tuple[float, float] | None) -> Figure:
        figure = Figure(size or (8.0, 6.0))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_aspect("equal", adjustable="datalim")
        drawing.hide_ticks(axes)
        return figure

    assert 6.0 < as_wide(draw, 3.3).get_figheight() <= 9.0


def test_numbers_that_an_axis_makes_late_are_scaled_once() -> None:
    figure = Figure((4.0, 3.0))
    axes = figure.subplots()
    axes.plot(np.arange(5), np.arange(5))
    scale_letters(figure, 0.5)
    figure.draw_without_rendering()
    sizes = {each.label1.get_fontsize() for each in axes.yaxis.get_major_ticks()}
    assert sizes == {5.0}
