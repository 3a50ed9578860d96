"""A figure is saved in one drawing, and is what matplotlib makes of it in two."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from matplotlib.axis import Axis, Tick
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from cnnviz.results.laid_out_once import laid_out_once
from cnnviz.results.measured_once import measured_once
from cnnviz.results.picture_style import PictureStyle
from tests.helpers.font_subsets import cut_anew
from tests.helpers.late_ticks import early_ticks

STAMPS = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


class Counted(Circle):
    draws = 0

    def draw(self, renderer) -> None:
        self.draws += 1
        super().draw(renderer)


def crowded_figure() -> Figure:
    """Return panels that move when they are laid out: a set shape, a bar, a legend, long labels."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    image = left.imshow(np.arange(12.0).reshape(3, 4))
    figure.colorbar(image, ax=left, label="how much")
    right.plot([1e6, 2e6], [0.0, 1.0], label="a line")
    right.set(xlabel="a label\nof two lines", title="$x^2$")
    right.legend(loc="best")
    figure.suptitle("Above all")
    right.add_patch(Counted((1.5e6, 0.5), 1e5))
    return figure


def saved(figure: Figure, form: str) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=90, metadata=STAMPS[form])
    return stream.getvalue()


@pytest.mark.parametrize("form", STAMPS)
def test_it_is_the_same_to_the_last_byte_in_half_the_drawings(form: str) -> None:
    with PictureStyle().applied(), cut_anew():
        plain, ours = crowded_figure(), crowded_figure()
        wanted = saved(plain, form)
        with laid_out_once(ours):
            assert saved(ours, form) == wanted
    assert [figure.axes[1].patches[0].draws for figure in (plain, ours)] == [2, 1]


def test_one_that_has_its_places_is_drawn_once() -> None:
    plain, ours = crowded_figure(), crowded_figure()
    for figure in (plain, ours):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.axes[1].patches[0].draws = 0
    kept = ours.get_layout_engine()
    wanted = saved(plain, "png")
    with laid_out_once(ours):
        assert saved(ours, "png") == wanted
    assert [figure.axes[1].patches[0].draws for figure in (plain, ours)] == [2, 1]
    assert ours.get_layout_engine() is kept


def axes_in_a_circle() -> Figure:
    """Return axes that share numbers, are aligned, twins, polar, or have limits yet to be found."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    for one in figure.subplots(1, 2, sharey=True):
        one.plot([0, 3], [1e-9, 9e-9])
        one.set(ylabel="shared", title="Title")
    left, right = figure.add_subplot(), figure.add_subplot(projection="polar")
    left.twinx().plot([0, 1], [1e7, 3e7], label="twin")
    left.plot([0, 1], [5, 6])
    left.xaxis.tick_top()
    left.set(xlabel="above", ylabel="y", title="moved up")
    left.inset_axes([1.1, 0, 0.2, 1]).semilogy([1, 2], [1, 1e5])
    right.plot([0, 1], [0, 1])
    figure.align_ylabels()
    return figure


def test_numbers_along_axes_are_measured_once_for_each_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure, counts = crowded_figure(), Counter[int]()
    update = Axis._update_ticks

    def counted(axis: Axis):
        counts[id(axis)] += 1
        return update(axis)

    monkeypatch.setattr(Axis, "_update_ticks", counted)
    with laid_out_once(figure):
        saved(figure, "png")
    # Twice while it is laid out, and where it lies in the end.
    assert 2 <= max(counts.values()) <= 4
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    assert not {"_update_ticks", "get_tightbbox"} & set().union(*map(vars, every))


def test_the_further_ticks_of_an_axis_are_copies_of_its_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure = Figure()
    with early_ticks():
        axis = figure.subplots().xaxis
    axis.set_tick_params(labelsize=7, color="red", pad=9)
    built, build = [], Tick.__init__

    def listed(tick: Tick, *arguments, **options) -> None:
        built.append(tick)
        build(tick, *arguments, **options)

    monkeypatch.setattr(Tick, "__init__", listed)
    with measured_once(figure):
        figure.draw_without_rendering()
        first, second, third, *_ = axis.majorTicks
        assert built == []
        second.label1.set_fontsize(20)
        second.gridline.set_visible(True)
        second.tick1line.add_callback(lambda line: line.set_label("told"))
        third.tick1line.pchanged()
        assert [tick.get_loc() for tick in (first, second, third)] == [0.0, 0.2, 0.4]
        assert [tick.label1.get_text() for tick in (first, second, third)] == ["0.0", "0.2", "0.4"]
        assert second.tick1line.get_label() != "told", "what listens to one tick hears no other"
        for tick in (first, third):
            assert tick.label1.get_fontsize() == 7
            assert not tick.gridline.get_visible()
    assert not {"_get_tick", "_copy_tick_props"} & vars(axis).keys()


def test_axes_that_hang_on_one_another_are_drawn_alike() -> None:
    with laid_out_once(ours := axes_in_a_circle()):
        assert saved(ours, "png") == saved(axes_in_a_circle(), "png")


def test_an_axis_is_measured_anew_where_another_moves_that_it_hangs_on() -> None:
    figure = Figure(figsize=(4, 4))
    above, below = figure.subplots(2, 1, sharex=True)
    for axes in (above, below):
        axes.plot([0, 1], [0, 1])
        axes.set_ylabel("how much")
    figure.align_ylabels()
    with measured_once(figure):
        numbers = len(below.xaxis._update_ticks())
        left = below.yaxis.get_tightbbox().x0
        above.set_position([0.0, 0.6, 0.2, 0.3])
        assert len(below.xaxis._update_ticks()) < numbers
        assert below.yaxis.get_tightbbox().x0 < left - 40


def test_a_figure_is_as_before_in_the_end() -> None:
    figure = crowded_figure()
    with pytest.raises(ZeroDivisionError), laid_out_once(figure):
        _ = 1 / 0
    assert "draw" not in vars(figure)
    assert figure.get_layout_engine() is not None


def test_one_without_a_layout_is_drawn_as_ever() -> None:
    figure = Figure()
    figure.add_artist(Counted((0.5, 0.5), 0.1))
    with laid_out_once(figure):
        assert saved(figure, "png").startswith(b"\x89PNG")
    assert figure.artists[0].draws == 1


def test_a_matplotlib_that_measures_otherwise_draws_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = saved(crowded_figure(), "png")
    figure = crowded_figure()
    monkeypatch.setattr("cnnviz.results.measured_once._MEASURES", ("_update_ticks", "_gone"))
    with measured_once(figure):
        assert not any("_update_ticks" in vars(axes.xaxis) for axes in figure.axes)
        assert saved(figure, "png") == wanted
