"""`cnnviz training-report`, on runs that are whole, torn, foreign or absent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz import GradientMonitor
from cnnviz.gradients.monitor.records import Event
from cnnviz.gradients.monitor.run import read_run
from cnnviz.gradients.monitor.run_checks import check_run
from tests.helpers.each_case import each_case

pytestmark = pytest.mark.usefixtures("not_drawn")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return the file of a run whose last line is torn."""
    path = tmp_path / "run.jsonl"
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with GradientMonitor(network, optimizer, every=1, path=path) as monitor:
        for _ in range(3):
            loss = network(torch.ones(2, 4)).square().mean()
            loss.backward()
            monitor.log(loss=loss)
            optimizer.step()
    path.write_bytes(path.read_bytes()[:-10])
    return path


def test_a_run_becomes_a_page(run, recorded: Path, tmp_path: Path) -> None:
    done = run("training-report", recorded, "--out", tmp_path / "page")
    assert done.code == 0
    assert done.last_line == str(tmp_path / "page" / "report.html")
    assert "3 steps recorded of 3" in done.err
    assert "The run had not ended" in done.err
    again = run("training-report", recorded, "--out", tmp_path / "page")
    assert again.code == 2
    assert "--force" in again.err


def test_json_is_all_that_goes_to_stdout(run, recorded: Path, tmp_path: Path) -> None:
    done = run("training-report", recorded, "--out", tmp_path / "page", "--json")
    told = json.loads(done.out)
    assert told["page"] == str(tmp_path / "page" / "report.html")
    assert (told["finished"], told["error"], told["unmeasured"]) == (False, "", {})
    assert {event["kind"] for event in told["events"]} == {"dying"}


@pytest.mark.parametrize("name", ["absent.jsonl", "notes.txt"])
def test_what_is_no_run_is_one_line_and_leaves_nothing(run, tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("mine\n", "utf-8")
    done = run("training-report", tmp_path / name, "--out", tmp_path / "page")
    assert done.code == 2
    assert "is no training run" in done.err or "cannot be read" in done.err
    assert not (tmp_path / "page").exists()


@each_case(
    ("faults", "code", "said"),
    [
        ("dying", 1, "Failed on: dying."),
        ("unfinished, not-finite", 1, "Failed on: unfinished."),
        ("not-finite,jump", 0, ""),
        ("not-finite,diverging", 3, "diverging"),
        ("", 2, "No fault to fail on is named"),
        ("diyng", 2, "Did you mean 'dying'"),
    ],
)
def test_a_run_is_checked(run, recorded: Path, tmp_path: Path, faults, code, said) -> None:
    where = ("--out", tmp_path / "page", "--junit", tmp_path / "run.xml", "--force")
    done = run("training-report", recorded, *where, "--fail-on", faults)
    assert done.code == code
    assert said in done.err
    if code != 2:
        assert f'failures="{code % 3}"' in (tmp_path / "run.xml").read_text("utf-8")
        assert done.last_line.endswith("report.html")


@each_case(
    ("change", "fault", "state"),
    [
        ({}, "still", "passed"),
        ({"steps": np.arange(2)}, "still", "not measured"),
        ({"steps": np.arange(1)}, "jump", "passed"),
        ({"steps": np.arange(0)}, "jump", "not measured"),
        ({"losses": np.zeros(0)}, "jump", "not measured"),
        ({"losses": np.full(8, np.nan)}, "jump", "not measured"),
        ({"losses": np.ones(5)}, "wrong-sign", "not measured"),
        ({"losses": np.ones(8)}, "diverging", "not measured"),
        ({"losses": np.ones(9)}, "diverging", "passed"),
        ({"losses": np.ones(31)}, "oscillating", "not measured"),
        ({"losses": np.ones(32)}, "slow", "passed"),
        ({"losses": np.ones(32)}, "noise", "not measured"),
        ({"losses": np.linspace(1.0, 0.5, 32)}, "noise", "passed"),
        ({"losses": np.ones(32), "agreement": np.zeros((2, 16))}, "noise", "passed"),
        ({"update": np.full((2, 3), np.nan)}, "jump", "not measured"),
        ({"update": np.full((2, 3), np.nan)}, "still", "not measured"),
        ({"activation": np.full((2, 3), np.nan)}, "vanishing", "not measured"),
        ({"activation": np.full((2, 3), np.nan)}, "still", "passed"),
        ({"unmeasured": {"0": "it is compiled"}}, "jump", "passed"),
        ({"losses": np.zeros(0)}, "still", "passed"),
        ({"unmeasured": {"0": "it is compiled"}}, "still", "not measured"),
        ({"events": (Event(1, "not-finite", "0", "NaN"),)}, "still", "not measured"),
        ({"events": (Event(1, "not-finite", "0", "NaN"),)}, "bad-input", "passed"),
        ({"events": (Event(1, "bad-input", "0", "NaN"),)}, "not-finite", "not measured"),
        ({"finished": True}, "unfinished", "passed"),
        ({"finished": True, "error": "ValueError"}, "unfinished", "failed"),
    ],
)
def test_what_was_not_measured_is_no_pass(recorded: Path, change, fault: str, state: str) -> None:
    found = replace(read_run(recorded), **change)
    checked = check_run(found, [fault])
    assert [one.state for one in checked.checks] == [state]
    assert checked.unanswered == (state == "not measured")
    assert checked.checks[0].text
