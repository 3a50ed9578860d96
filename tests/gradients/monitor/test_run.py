"""The run as a result: its arrays, and what is drawn of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnviz.gradients.monitor.picture import LOOKS, draw_decades, draw_heat, draw_loss, paint
from cnnviz.gradients.monitor.records import COLUMNS, Event, StepRecord
from cnnviz.gradients.monitor.run import TrainingRun, training_run
from cnnviz.gradients.monitor.step_axis import MOST_COLUMNS, binned, columns
from cnnviz.results import drawing


def run_of(records: list[StepRecord], events: tuple[Event, ...] = (), end=None) -> TrainingRun:
    return training_run({"name": "made up", "every": 1}, records, events, (), end)


def test_a_run_is_a_result_of_arrays(train, tmp_path) -> None:
    run = train().run()
    assert run.gradient.shape == (3, 6)
    assert np.isfinite(run.gradient).all()
    assert np.isnan(run.dead[1:]).all()
    assert np.isnan(run.saturated[[0, 2]]).all()
    assert run.facts == {"optimizer": "SGD", "parameters": "455", "recorded": "every 2 steps"}
    assert run.length == 12
    assert "6 steps recorded of 12" in run.summary()
    assert run.finished
    assert not run.error
    for name in ("run.png", "run.npz", "run.json"):
        assert run.save(tmp_path / name).stat().st_size > 1000
    with pytest.raises(AttributeError):
        run.name = "other"  # type: ignore[misc]


def test_unknown_and_not_finite_are_told_apart(record) -> None:
    run = run_of(
        [record(0, gradient=(None, 1.0, 2.0)), record(1, gradient=(float("nan"), 0.0, 2.0))]
    )
    assert np.isnan(run.gradient[0, 0])
    assert np.isposinf(run.gradient[0, 1])
    painted, scale = paint(binned(run, run.gradient), LOOKS["gradient"])
    assert (scale.low, scale.high) == (0.0, pytest.approx(np.log10(2.0)))
    assert (
        len({tuple(painted[row, column]) for row, column in ((0, 0), (0, 1), (1, 1), (2, 0))}) == 4
    )
    text = " ".join(axes.get_title(loc="right") for axes in draw_heat(run, "gradient").axes)
    assert text.strip() == "grey: exactly zero; orange: not finite; pale: nothing to measure"


def test_every_record_is_a_column_as_far_as_fits(record) -> None:
    few = run_of([record(step) for step in range(0, 50, 5)])
    assert columns(few) == 10
    many = run_of([record(step, gradient=(step + 1.0, 1.0, 1.0)) for step in range(1500)])
    assert columns(many) == MOST_COLUMNS
    spread = binned(many, many.gradient)
    assert spread.shape == (3, MOST_COLUMNS)
    assert not np.isnan(spread).any()
    assert (np.diff(spread[0]) > 0).all()


def test_a_gap_between_records_shows_the_record_before(record) -> None:
    run = run_of([record(step, gradient=(step + 1.0, 1.0, 1.0)) for step in (0, 1, 2, 7)])
    assert binned(run, run.gradient)[0].tolist() == [1, 2, 3, 3, 3, 3, 3, 8]


def test_a_column_of_several_records_is_not_finite_if_one_is(record) -> None:
    records = [record(step) for step in range(1200)]
    records[600] = record(600, gradient=(float("inf"), 1.0, 1.0))
    run = run_of(records)
    assert np.isinf(binned(run, run.gradient)[0]).sum() == 1


def test_the_heatmap_names_its_layers_steps_and_scale(train) -> None:
    figure = draw_heat(train().run(), "update")
    axes, bar = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "2", "5"]
    assert axes.get_xlim() == (-1.0, 11.0)
    assert axes.get_xlabel() == "step"
    assert len(axes.images) == 1
    assert axes.images[0].get_array().shape == (3, 6, 3)
    assert bar.get_ylabel() == "share of their norm"
    assert all("e" in label.get_text() for label in bar.get_yticklabels())


def test_the_loss_is_drawn_with_what_turned(record) -> None:
    records = [record(step, 1.0 if step < 5 else float("nan")) for step in range(9)]
    events = (Event(5, "not-finite", "middle", "said"), Event(7, "dying", "last", "said"))
    figure = draw_loss(run_of(records, events))
    loss, timeline = figure.axes
    assert loss.lines[0].get_xdata().tolist() == [0, 1, 2, 3, 4]
    assert "not finite from here on" in [text.get_text() for text in loss.texts]
    assert [label.get_text() for label in timeline.get_yticklabels()] == ["not-finite", "dying"]


def test_losses_over_decades_have_a_logarithmic_axis(record) -> None:
    figure = draw_loss(run_of([record(step, 10.0 ** (step - 4)) for step in range(9)]))
    assert figure.axes[0].get_yscale() == "log"


def test_an_axis_of_losses_has_small_labels_and_whole_steps(record) -> None:
    """Below 100 stood "6 x 10^1" in large black letters, and a run of one step had -0.45."""
    (axes,) = draw_loss(run_of([record(0, 2.0), record(1, 80.0)])).axes
    labels = axes.yaxis.get_ticklabels(which="both")
    sizes = {label.get_text(): label.get_size() for label in labels}
    assert {"2", "5", "10", "20", "50"} <= set(sizes)
    assert set(sizes.values()) == {drawing.SMALL_SIZE}
    (axes,) = draw_loss(run_of([record(0, 2.0)])).axes
    assert [tick for tick in axes.get_xticks() if abs(tick) <= 0.5] == [0.0]


def test_a_gradient_that_does_not_arrive_is_marked(record) -> None:
    records = [record(step, gradient=(1.0 if step < 3 else 0.0, 1.0, 1.0)) for step in range(6)]
    axes = draw_decades(run_of(records)).axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert crosses[0].get_xdata().tolist() == [3, 4, 5]
    assert "no gradient at all" in axes.get_title(loc="right")


@pytest.mark.parametrize("count", [1, 2, 130])
def test_any_number_of_layers_is_drawn(count: int) -> None:
    names = tuple(f"a.long.name.of.a.layer.number.{index}" for index in range(count))
    figures = dict.fromkeys(COLUMNS, (0.5,) * count)
    run = run_of([StepRecord(0, 0.0, 1, names, figures)])
    figure = draw_heat(run, "gradient")
    assert len(figure.axes[0].get_yticks()) <= 65
    assert run.figure().get_size_inches()[1] < 20
    assert drawing.SMALL_SIZE > 0


def test_the_caption_names_what_the_picture_has(record) -> None:
    whole = run_of([record(0, 2.0), record(1, 1.0)])
    assert "that are dead" in whole.caption()
    without = replace(whole, dead=np.full_like(whole.dead, np.nan))
    assert without.shown_figures == ("gradient", "update")
    assert "that are dead" not in without.caption()
    assert len(without.figure().axes) == len(whole.figure().axes) - 2  # with its colour bar
    assert "the events below it" not in without.caption()


def test_the_state_of_a_run_is_said(record) -> None:
    records = [record(0, 2.0), record(1, 1.0)]
    assert run_of(records).state == "The run had not ended at step 1, the last that is known."
    assert "ended by KeyError at step 1" in run_of(records, end={"error": "KeyError"}).state
    assert run_of(records, end={"error": ""}).state == "The run ended after 2 steps."
    assert run_of([record(0)]).loss_words == "no loss logged"
