"""`cnnviz visualize`: what is written, and what is said of the cost before it is spent."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("not_drawn")

UNITS = ("visualize", "--units", "features.0:1; features.4:0-1", "--steps", 2, "--size", 32)


def test_the_cost_is_said_on_stderr_and_kept_work_costs_nothing(run):
    said = run(*UNITS, "--state", "kept")
    assert said.code == 0
    assert said.last_line == "shapes-plain-visualize.png"
    assert any(line.startswith("3 units: about") for line in said.error_lines)
    again = run(*UNITS, "--state", "kept", "--json")
    assert json.loads(again.out)["units"] == ["features.0:1", "features.4:0", "features.4:1"]
    assert "about" not in again.err


def test_quiet_says_nothing_of_the_cost(run):
    assert "about" not in run(*UNITS, "--quiet").err


def test_a_budget_is_read_as_a_time(run):
    assert run(*UNITS, "--budget", "10m", "--quiet").code == 0
    refused = run(*UNITS, "--budget", "soon")
    assert refused.code == 2
    assert "'soon' is no time" in refused.err
