"""Runs that processes share: the same result to the last byte, and one end for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.drive import drive
from tests.helpers.processes import needs_fork
from tests.helpers.shared_runs import TOGETHER

pytestmark = needs_fork


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def found(where: Path) -> dict[str, Any]:
    return drive(where, module="tests.helpers.shared_runs")


@pytest.fixture
def said(found: dict[str, Any]) -> dict[str, list[tuple[int, str, str]]]:
    """What the processes of each command ended with, and what they printed."""
    return found["commands"]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("run", TOGETHER)
def test_one_two_and_three_processes_find_the_same_to_the_last_byte(where, found, run) -> None:
    alone = files(where / run / "alone")
    assert "found.npz" in alone
    assert len(alone["found.json"]) > 500
    count = TOGETHER[run]
    for other in (*(f"{count}-{rank}" for rank in range(count)), "1-0"):
        assert files(where / run / other) == alone, other


@pytest.mark.parametrize("run", ["evaluate", "top-activations", "visualize"])
def test_processes_that_are_killed_go_on_to_the_same_end(where, found, run) -> None:
    alone = files(where / run / "alone")
    for rank in range(2):
        assert files(where / run / f"killed-{rank}") == alone, rank
    assert found["killed"] >= 3


@pytest.mark.parametrize("run", ["evaluate", "top-activations"])
def test_a_process_that_fails_is_told_by_name_and_ends_the_others(where, found, run) -> None:
    first, second, third = found["failed"][run]
    assert second == "OutputError: The disk is full. Make room."
    assert first == third
    assert first.startswith("OtherProcessError: Process 2 of 3 on ")
    assert first.endswith(" has failed: The disk is full. Make room.")
    # What was found before stays, and the run goes on.
    alone = files(where / run / "alone")
    assert files(where / run / "after") == alone


def test_the_first_process_alone_prints(said) -> None:
    alone, after = said["alone"], said["after"]
    assert alone[0][1].startswith("{")
    assert after == [alone[0], [0, "", ""]]


def test_the_process_that_fails_first_says_so_and_all_end_with_its_code(said) -> None:
    assert [code for code, _, _ in said["full"]] == [2, 2, 2]
    (_, out, err), *others = sorted(said["full"], key=lambda one: -len(one[2]))
    assert out == ""
    assert err.startswith("Process 2 of 3 on ")
    assert err.endswith(":\nError: The disk is full.\nMake room.\n")
    assert [one[1:] for one in others] == [["", ""]] * 2


@pytest.mark.parametrize("way", ["unknown", "no folder"])
def test_what_all_find_wrong_is_said_once(said, way: str) -> None:
    assert {code for code, _, _ in said[way]} == {2}
    assert sum(err.count("Error: ") for _, _, err in said[way]) == 1
    assert "".join(out for _, out, _ in said[way]) == ""


def test_a_wrong_option_is_told_once(said) -> None:
    assert [code for code, _, _ in said["no option"]] == [2, 2]
    assert "--no-such-thing" in said["no option"][0][2]
    assert said["no option"][1][1:] == ["", ""]


def test_a_folder_that_all_see_is_asked_for(said) -> None:
    told = "".join(err for _, _, err in said["no folder"])
    assert "2 processes share an analysis and no folder" in told
    assert "--state" in told


def test_all_end_with_what_fail_on_found(said) -> None:
    assert [code for code, _, _ in said["failed on"]] == [1, 1]
    assert said["failed on"][1][1:] == ["", ""]


def test_ctrl_c_ends_all_of_them_with_a_sentence_at_most(said) -> None:
    assert [code for code, _, _ in said["stopped"]] == [130, 130, 130]
    for _, out, err in said["stopped"]:
        assert out == ""
        assert err in ("", "Stopped; nothing was left half-written.\n")
    assert any(err for _, _, err in said["stopped"])
