"""A run on disk: every line is there at once, and whatever was torn or damaged is told apart."""

from __future__ import annotations

import json
import logging
import math
import os
import signal

import pytest

from cnnviz.errors import OutputError, UsageError
from cnnviz.gradients.monitor.log import LogFile, read_log
from cnnviz.gradients.monitor.records import Event
from cnnviz.gradients.monitor.run import read_run
from tests.helpers.processes import needs_fork, run_code


def test_what_was_recorded_is_read_again(train, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    monitor = train(path)
    held = read_log(path)
    assert [record.step for record in held.records] == [0, 2, 4, 6, 8, 10]
    for kept, known in zip(held.records, monitor.records, strict=True):
        assert kept.layers == known.layers == ("0", "2", "5")
        for name, values in known.figures.items():
            for one, other in zip(kept.figures[name], values, strict=True):
                assert one == (None if other is None else pytest.approx(other, rel=1e-5))
    assert held.end is not None
    assert held.end["steps"] == 12
    assert held.end["error"] == ""
    assert [step for step, _ in held.trailing] == [11]
    assert read_run(path).losses == pytest.approx(monitor.run().losses, rel=1e-5)


def test_each_line_is_there_while_the_run_goes_on(train, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    seen = []

    def look(event: Event) -> None:
        run = read_run(path)
        seen.append((len(run.steps), run.finished, len(run.events)))

    train(path, rate=1e25, every=1, on_event=look)
    assert seen == [(2, False, 2), (2, False, 2)]
    assert "had not ended" not in read_run(path).caption()


def test_numbers_that_are_not_finite_survive(record, tmp_path) -> None:
    log = LogFile(tmp_path / "run.jsonl")
    log.begin({"name": "made up"})
    log.add(record(0, math.nan, gradient=(math.inf, math.nan, 0.0)))
    log.end((), {"steps": 1})
    for line in (tmp_path / "run.jsonl").read_text("utf-8").splitlines():
        json.loads(line, parse_constant=pytest.fail)
    (kept,) = read_log(tmp_path / "run.jsonl").records
    assert kept.figures["gradient"][0] == math.inf
    assert math.isnan(kept.figures["gradient"][1] or 0.0)
    assert math.isnan(kept.losses[0][1])


def test_a_torn_last_line_is_passed_over(train, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    train(path)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last, last + 1, last + 20, len(whole) - 1):
        path.write_bytes(whole[:cut])
        held = read_log(path)
        assert len(held.records) == 6
        assert held.end is None
        assert held.torn == (cut != last)
        assert not read_run(path).finished


def test_a_damaged_line_in_the_midst_is_named(train, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    train(path)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[3][:40] + "\n", *lines[4:]]), "utf-8")
    with pytest.raises(UsageError, match=r"Line 4 of .*run\.jsonl' is damaged"):
        read_log(path)


@pytest.mark.parametrize("text", ["", '{"type": "ru', "[1, 2]\n", "a,b\n1,2\n", '{"a": 1}\n'])
def test_what_is_no_run_is_refused(text: str, tmp_path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"is no training run|Nothing has been written"):
        read_log(path)
    with pytest.raises(OutputError, match="cannot be read"):
        read_log(tmp_path / "absent.jsonl")


def test_a_run_without_a_record_says_so(tmp_path) -> None:
    log = LogFile(tmp_path / "run.jsonl")
    log.begin({"name": "made up"})
    log.end((), {})
    with pytest.raises(UsageError, match="No step is recorded"):
        read_run(tmp_path / "run.jsonl")


def test_an_existing_run_is_kept_unless_told_otherwise(train, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    train(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"already is a file.*existing='continue'"):
        train(path)
    assert path.read_bytes() == before
    train(path, steps=2, existing="replace")
    assert len(read_log(path).records) == 1
    for existing in ("replace", "continue"):
        (tmp_path / "notes.txt").write_text("mine", "utf-8")
        with pytest.raises(UsageError, match="is no training run"):
            train(tmp_path / "notes.txt", existing=existing)
        assert (tmp_path / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.parametrize("existing", ["refuse", "replace", "continue"])
def test_two_trainings_do_not_write_to_one_file(existing, record, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    log = LogFile(path)
    for head in ({}, {"name": "made up"}):
        if head:
            log.begin(head)
        with pytest.raises(OutputError, match="Another training writes its run to"):
            LogFile(path, existing)
    log.add(record(0, 1.0))
    log.end((), {"steps": 1})
    assert len(read_log(path).records) == 1
    LogFile(path, "continue").close()


KILLED = """
import os, sys, time
from cnnviz.gradients.monitor.log import LogFile

log = LogFile(sys.argv[1], "continue")
begun, begins = os.pipe()
worker = os.fork()
if not worker:
    os.write(begins, b".")
    for place in (0, 1, 2):
        os.close(place)
    time.sleep(60)
os.read(begun, 1)
print(worker, flush=True)
os.kill(os.getpid(), 9)
"""


@needs_fork
def test_workers_that_outlive_a_killed_training_do_not_hold_its_file(train, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    train(path)
    killed = run_code(KILLED, str(path))
    try:
        LogFile(path, "continue").close()
    finally:
        os.kill(int(killed.stdout), signal.SIGKILL)


@pytest.mark.parametrize("torn", [False, True])
def test_a_run_is_continued_where_it_stopped(train, tmp_path, torn: bool) -> None:
    path = tmp_path / "run.jsonl"
    train(path, steps=6)
    if torn:
        path.write_bytes(path.read_bytes()[:-9])
    train(path, steps=4, existing="continue")
    run = read_run(path)
    first = 6 if not torn else 5
    assert run.steps.tolist() == [0, 2, 4, *range(6, first + 4, 2)]
    known = list(range(6)) if not torn else list(range(5))
    assert run.loss_steps.tolist() == [*known, *range(first, first + 4)]
    assert run.finished


def test_a_disk_that_is_full_ends_the_log_and_not_the_training(train, tmp_path, caplog) -> None:
    class Full:
        def write(self, text: str) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            raise OSError(28, "No space left on device")

    log = LogFile(tmp_path / "run.jsonl")
    stream = log._stream
    log._stream = Full()  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        log.begin({"name": "made up"})
        log.end((), {})
    stream.close()
    assert caplog.text.count("cannot be written any more (No space left on device)") == 1
