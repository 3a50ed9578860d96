"""The view of losses: its numbers, what it says of them, and what it draws."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.course.losses import table
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case


def test_every_loss_is_there_with_the_slope_of_its_values() -> None:
    found = cnnviz.losses()
    assert found.names == tuple(table())
    for name, values, slopes in zip(found.names, found.values, found.slopes, strict=True):
        smooth = np.gradient(values, found.x)[1:-1]
        kinks = {"mae": (0.0,), "hinge": (1.0,), "zero_one": (0.0,), "huber": (-1.0, 1.0)}
        far = np.all([np.abs(found.x - at) > 0.02 for at in kinks.get(name, (99.0,))], 0)[1:-1]
        np.testing.assert_allclose(smooth[far], slopes[1:-1][far], atol=1e-4)


def test_it_tells_who_saturates_and_who_can_be_descended() -> None:
    found = cnnviz.losses()
    told = dict(zip(found.names, str(found).splitlines(), strict=True))
    assert "has no slope anywhere" in told["zero_one"]
    assert "never right" in told["zero_one"]
    assert told["mae"].endswith("does not saturate")
    steps = dict(zip(found.names, found.steps_to_right, strict=True))
    # At slopes of about -1 and half a step, 6 take a little more than 12.
    assert steps["hinge"] == 13
    assert np.isnan(steps["brier"])
    assert f"right after {steps['bce']:.0f} steps" in told["bce"]
    assert "hinge −1" in found.summary()
    assert "cannot be descended" in found.caption()


def test_losses_are_chosen_by_name_and_a_choice_of_residuals_has_no_margins() -> None:
    found = cnnviz.losses("MSE, huber", delta=0.5)
    assert found.names == ("mse", "huber")
    assert found.slopes[1].max() == 0.5
    assert "residual of 6: mse 12, huber 0.5" in found.summary()
    assert len(found.figure().axes) == 2
    assert "zero-one" not in found.caption().lower()
    ten, two = cnnviz.losses("cross_entropy"), cnnviz.losses("cross_entropy,bce", classes=2)
    np.testing.assert_allclose(two.values[0], two.values[1])
    assert (ten.values[0] > two.values[0]).all()


def test_the_picture_draws_the_values_the_slopes_and_the_descents() -> None:
    found = cnnviz.losses()
    axes = found.figure().axes
    assert len(axes) == 10
    for place in range(8):
        drawn = [line for line in axes[place].lines if len(line.get_xdata()) == len(found.x)]
        np.testing.assert_array_equal(drawn[0].get_ydata(), found.values[place])
        np.testing.assert_array_equal(drawn[1].get_ydata(), found.slopes[place])
        shaded = sum(np.isfinite(found.saturated[place]))
        assert len(axes[place].patches) == shaded
    lines = [line for line in axes[9].lines if len(line.get_xdata()) == found.descents.shape[1]]
    np.testing.assert_array_equal([line.get_ydata() for line in lines], found.descents[3:])


def test_formulas_stand_clear_of_low_panels_and_the_legend_of_curves() -> None:
    figure = cnnviz.losses().figure()
    figure.set_size_inches(10, 4.5)
    figure.draw_without_rendering()
    *panels, _, descents = figure.axes
    dot = figure.dpi / 72
    for panel in panels[:8]:
        (formula,) = panel.texts
        assert formula.get_window_extent().y0 > panel.get_window_extent().y1 + 1.5 * dot
        assert panel.get_title(loc="left").rstrip(), "what stands above it"
        assert panel._left_title.get_window_extent().y1 > formula.get_window_extent().y1
    figure.set_size_inches(10, 6.4)
    figure.draw_without_rendering()
    box = descents.get_legend().get_window_extent()
    for line in descents.lines[1:]:
        across, up = line.get_transform().transform(line.get_xydata()).T
        assert not ((across > box.x0) & (up > box.y0 + 5) & (up < box.y1)).any()


@each_case(
    ("given", "message"),
    [
        ({"functions": " ,"}, "No loss was named"),
        ({"functions": "ce"}, "no loss 'ce'"),
        ({"delta": 0.0}, "delta cannot be 0"),
        ({"classes": 1}, "classes cannot be 1"),
    ],
)
def test_bad_arguments_are_sentences(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cnnviz.losses(**given)
