"""`training-report --interactive`: step, layer and value under the pointer and by keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cnnviz.gradients.monitor.step_axis import binned
from cnnviz.reports.training import training_report
from tests.helpers.browser import Visit


@pytest.fixture(scope="module")
def made(run_of, tmp_path_factory):
    run = run_of(end={"error": ""})
    folder = tmp_path_factory.mktemp("readout") / "report"
    return run, training_report(run, interactive=True).save(folder)


def told(text: str) -> tuple[int, str, float]:
    step, row, value = re.match(r"Step (\d+), (.+): (\S+)$", text).groups()
    return int(step), row, float(value.replace("\u2212", "-"))


def test_a_heatmap_tells_what_is_drawn_under_the_pointer(made, browser) -> None:
    run, manifest = made
    visit = Visit(browser, 1200, "light")
    page = visit.page
    page.goto(manifest.page.as_uri())
    figure = page.locator("#picture-gradient")
    figure.locator("output").wait_for(state="visible")
    figure.scroll_into_view_if_needed()
    values = binned(run, run.gradient)
    rows, columns = values.shape
    left, top, right, bottom = page.evaluate(PANEL)
    box = figure.locator("img").bounding_box()
    for row, column in ((0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)):
        x = left + (right - left) * (column + 0.5) / columns
        y = top + (bottom - top) * (row + 0.5) / rows
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        step, name, value = told(figure.locator("output").inner_text())
        assert name == run.layers[row]
        assert value == pytest.approx(values[row, column], rel=0.01)
        # The mark stands on the column that is told.
        mark = figure.locator(".readout-mark").bounding_box()
        assert abs(mark["x"] + mark["width"] / 2 - box["x"] - x * box["width"]) <= 2
        assert abs(mark["y"] + mark["height"] / 2 - box["y"] - y * box["height"]) <= 2
        assert abs(step - np.interp(column, [0, columns - 1], run.steps[[0, -1]])) <= 1
    assert visit.complaints == []
    visit.leave()


PANEL = """async () => {
  const head = JSON.parse(document.getElementById("live-head").textContent);
  return head.readouts.find((one) => one.name === "gradient").panel.slice(0, 4);
}"""


def test_a_curve_is_read_by_keyboard(made, browser) -> None:
    run, manifest = made
    visit = Visit(browser, 390, "dark")
    page = visit.page
    page.goto(manifest.page.as_uri())
    figure = page.locator("#picture-loss")
    figure.locator("output").wait_for(state="visible")
    step, name, value = told(figure.locator("output").inner_text())
    assert (step, name) == (run.loss_steps[-1], "loss")
    assert value == pytest.approx(run.losses[-1], rel=0.01)
    figure.locator("input").focus()
    page.keyboard.press("Home")
    step, _, value = told(figure.locator("output").inner_text())
    assert step == run.loss_steps[0]
    assert value == pytest.approx(run.losses[0], rel=0.01)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visit.complaints == []
    visit.leave()


@pytest.mark.usefixtures("left_empty")
def test_reports_on_training_are_still_without_being_asked(made, tmp_path) -> None:
    run, _ = made
    text = training_report(run).save(tmp_path / "still").page.read_text("utf-8")
    assert "live-data" not in text
