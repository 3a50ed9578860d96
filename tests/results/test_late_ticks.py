"""Pictures whose ticks the suite makes late are those that matplotlib makes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.axis import Tick
from matplotlib.figure import Figure

from cnnviz.results.drawing import hide_ticks
from cnnviz.results.laid_out_once import laid_out_once
from cnnviz.results.measured_once import measured_once
from tests.helpers.late_ticks import early_ticks


def of_all_kinds() -> Figure:
    """Return a figure of axes whose ticks and spines differ in one thing each."""
    figure = Figure(figsize=(9, 7))
    picture, curve, top, minor, shared, turned = (grid := figure.subplots(2, 3, sharey="row")).flat
    bar = figure.colorbar(picture.imshow(np.eye(3)), ax=picture)
    bar.minorticks_on()
    hide_ticks(picture)
    picture.set_xlabel("below", loc="left")
    curve.semilogy([1.0, 90.0, 3000.0])
    curve.grid(which="both", color="red")
    top.xaxis.tick_top()
    top.set(xlabel="above", title="over it")
    top.plot([5.0, 6.0])
    minor.minorticks_on()
    minor.spines["left"].set_position(("outward", 10))
    minor.spines[["right", "top"]].set_visible(False)
    shared.set_xticks([0.2, 0.4], ["a", "b"], fontweight="bold")
    shared.twinx().plot([1.0, 7.0], clip_on=False)
    turned.tick_params(labelrotation=40, direction="in", length=12, which="both", labelright=True)
    turned.invert_yaxis()
    figure.align_xlabels(grid)
    return figure


def saved() -> bytes:
    stream, figure = io.BytesIO(), of_all_kinds()
    with rc_context({"svg.hashsalt": "fixed"}), measured_once(figure):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def test_figures_are_the_same_to_the_last_byte() -> None:
    late = saved()
    with early_ticks():
        assert saved() == late


def test_no_tick_is_made_that_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Tick] = []
    make = Tick.__init__

    def counting(tick: Tick, *arguments: object, **options: object) -> None:
        made.append(tick)
        make(tick, *arguments, **options)

    monkeypatch.setattr(Tick, "__init__", counting)
    figure = Figure(layout="constrained")
    picture, curve = figure.subplots(2)
    picture.imshow(np.eye(2))
    hide_ticks(picture)
    curve.set(xticks=[0.0, 0.5, 1.0], yticks=[0.5])
    with laid_out_once(figure):
        figure.savefig(io.BytesIO(), format="png")
    assert {tick.axes for tick in made} == {curve}
    assert len(made) == 4
