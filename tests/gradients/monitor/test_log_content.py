"""What a run may hold is a schema: a table of what is refused, with where it differs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz.errors import OutputError, UsageError
from cnnviz.gradients.monitor import log as log_file
from cnnviz.gradients.monitor.log import LogFile, read_log
from cnnviz.gradients.monitor.loss_curves import draw_losses
from cnnviz.gradients.monitor.records import Event
from cnnviz.gradients.monitor.run import TrainingRun, read_run, training_run
from cnnviz.results import drawing
from tests.helpers.each_case import each_case

# The line, its key, the JSON that stands there, and after ``|`` what the error names. HUGE is a
# number of 5,000 digits, DEEP an array of 100,000 arrays.
REFUSED = """
run parameters "x" | at parameters: expected `int
run parameters [] | at parameters
run parameters 1.5 | at parameters
run parameters -1 | at parameters: expected `int` >= 0
run parameters true | at parameters
run parameters HUGE | at parameters
run parameters 1e400 | out of range
run parameters DEEP | at parameters
run every "x" | at every
run every null | at every
run every 0 | at every: expected `int` >= 1
run every 1.5 | at every
run every 1e30 | at every
run versions null | at versions
run versions [1] | at versions
run versions {"torch": null} | at versions
run versions {"torch": {"a": 1}} | at versions
run name null | at name
run name 3 | at name
run name "\\ud800" | surrogate
run name "\\udcff and more" | surrogate
run started 3 | at started
run optimizer ["SGD"] | at optimizer
layers layers null | at layers
layers layers "abc" | at layers
layers layers [null, null, null] | at layers[0]
layers layers ["a", "a", "a"] | not each named once
layers layers ["a"] | not each named once
layers kinds [1, 2, 3] | at kinds[0]
layers kinds [] | not each named once
layers paths 3 | at paths
layers paths [[0, -1]] | at paths[0][1]: expected `int` >= 0
layers paths [[0, 3]] | a path is not one of two of the layers
layers paths [[0]] | a path is not one of two of the layers
layers paths [[0, 1, 0]] | a path is not one of two of the layers
record step "x" | at step
record step null | at step
record step -1 | at step: expected `int` >= 0
record step 1.5 | at step
record step 1e30 | at step
record step 1000000000000000000000000000000 | at step
record step 1e400 | out of range
record step Infinity | malformed
record step HUGE | at step
record seconds NaN | malformed
record seconds "nan" | at seconds
record seconds -1 | at seconds
record seconds 1e308 | at seconds
record samples null | at samples
record samples 1e30 | at samples
record losses null | at losses
record losses [1] | at losses[0]
record losses [[1]] | at losses[0]
record losses [[1, null]] | at losses[0]
record losses [[1, "low"]] | at losses[0]
record losses [[1000000000000000000000000000000, 1]] | at losses[0][0]
record losses {"0": 1} | at losses
record losses DEEP | at losses[0]
record rates ["x"] | at rates[0]
record rates null | at rates
record values [] | at values
record values {"accuracy": null} | at values
record skipped "x" | at skipped
record allowance "nan" | at allowance
record allowance 1e308 | at allowance
record inputs [1] | at inputs
record inputs ["a", "b", "c"] | at inputs[0]
record outputs null | at outputs
record ascends "yes" | at ascends
record frozen [] | at frozen
record frozen {"first": 3} | at frozen
record unmeasured {"first": null} | at unmeasured
record gradient null | at gradient
record gradient [] | do not match the layers
record gradient ["x", 1, 1] | at gradient[0]
record gradient [-1, 1, 1] | at gradient[0]
record dead [5, 0, 0] | at dead[0]: expected `float` <= 1.0
record agreement [1e308, 0, 0] | at agreement[0]
event step "x" | at step
event kind 3 | at kind
event layer null | at layer
event text [] | at text
end losses null | at losses
end losses [[1000000000000000000000000000000, 1]] | at losses[0][0]
end error {"a": 1} | at error
end steps "x" | at steps
end unmeasured [1] | at unmeasured
"""
WORDS = {"HUGE": "9" * 5000, "DEEP": "[" * 100_000 + "]" * 100_000}
CASES = REFUSED.strip().splitlines()


@pytest.fixture
def lines(record, tmp_path: Path) -> list[dict[str, Any]]:
    """Return the lines of a run that was made up."""
    log = LogFile(tmp_path / "whole.jsonl")
    log.begin({"name": "made up", "every": 1, "parameters": 9, "versions": {"torch": "2"}})
    for step in range(2):
        log.add(record(step, 1.0))
    log.add(Event(1, "jump", "first", "It jumped."))
    log.end(((2, 1.0),), {"steps": 3, "error": "", "unmeasured": {}})
    found = (tmp_path / "whole.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in found]


def written(path: Path, lines: list[dict[str, Any]], kind: str, key: str, text: str) -> Path:
    """Write lines, the first of a kind with other JSON at a key, and one more after them all."""
    texts, changed = [], False
    for line in lines:
        if line["type"] == kind and not changed:
            changed = True
            texts.append(json.dumps({**line, key: "HERE"}).replace('"HERE"', text))
        else:
            texts.append(json.dumps(line))
    assert changed
    texts.append(json.dumps(lines[-2]))
    path.write_text("".join(f"{one}\n" for one in texts), "utf-8")
    return path


@each_case("case", CASES)
def test_what_is_not_of_the_schema_is_refused_with_its_place(case, lines, tmp_path) -> None:
    given, named = case.rsplit(" | ", 1)
    kind, key, text = given.split(" ", 2)
    path = written(tmp_path / "run.jsonl", lines, kind, key, WORDS.get(text, text))
    place = [line["type"] for line in lines].index(kind) + 1
    with pytest.raises(UsageError) as caught:
        read_run(path)
    assert f"Line {place} of" in caught.value.what
    assert named in caught.value.what


def test_what_a_later_version_adds_is_passed_over(lines, tmp_path) -> None:
    for kind in ("run", "layers", "record", "event", "end"):
        path = written(tmp_path / "run.jsonl", lines, kind, "more", '{"any": [1, null]}')
        assert len(read_log(path).records) == 2


@pytest.mark.parametrize("key", ["parameters", "versions", "name", "started", "optimizer"])
def test_a_head_may_lack_what_is_not_known(key: str, lines, tmp_path) -> None:
    lines[0].pop(key, None)
    path = tmp_path / "run.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    assert read_run(path).facts["recorded"] == "every step"


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"type": "run"', b"\0" * 999, b"[" * 100_000])
def test_bytes_that_are_no_line_end_in_a_sentence(data: bytes, lines, tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(data + b"\n")
    with pytest.raises(UsageError, match="is no training run"):
        read_run(path)
    whole = [f"{json.dumps(line)}\n".encode() for line in lines]
    path.write_bytes(b"".join([*whole[:3], data, b"\n", *whole[3:]]))
    with pytest.raises(UsageError, match="Line 4 of"):
        read_run(path)


def test_a_line_without_an_end_is_not_read_for_ever(lines, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(log_file, "_LONGEST", 1000)
    path = tmp_path / "run.jsonl"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # a hole: a terabyte that takes no place
    with pytest.raises(UsageError, match="is no training run"):
        read_run(path)
    with path.open("r+b") as stream:
        stream.write("".join(f"{json.dumps(line)}\n" for line in lines[:3]).encode())
    with pytest.raises(UsageError, match=r"Line 4 of .* has no end"):
        read_run(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OutputError, match="not an ordinary file"):
            read_run(path)


@pytest.mark.parametrize("losses", [[1e308, 1.0], [1.0, -1e308], [1.79e308, 1e308], [5e-324, 1.0]])
def test_losses_of_any_size_are_drawn_or_said_to_be_too_large(losses, record) -> None:
    run: TrainingRun = training_run(
        {"name": "n" * 5000}, [record(step, one) for step, one in enumerate(losses)], (), (), None
    )
    axes = drawing.new_figure(4, 2).subplots()
    draw_losses(axes, run)
    axes.figure.canvas.draw()
    small = [loss for loss in losses if abs(loss) < 1e200]
    assert [*(np.asarray(axes.lines[0].get_ydata()) if small else ())] == small
    told = " ".join(text.get_text() for text in axes.texts)
    assert ("beyond 1e+200" in told) == (len(small) < 2)
    assert len(run.figure().get_suptitle()) < 120
