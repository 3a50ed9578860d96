"""`cnnviz training-report`, on runs that are whole, torn, foreign or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnviz import GradientMonitor

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
