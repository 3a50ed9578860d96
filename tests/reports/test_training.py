"""The report on a training run, finished or not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cnnviz.monitoring.records import COLUMNS, Event, Record
from cnnviz.monitoring.run import TrainingRun, training_run
from cnnviz.reports.training import training_report

LAYERS = ("stem.<conv> & $x_{$", "body", "head")
HOSTILE = "net <script>alert(1)</script>"


def run_of(*, end: dict[str, object] | None = None, broken: bool = False) -> TrainingRun:
    """Return a made-up run of ten records; a broken one is not finite from step 6 on."""
    records = []
    for step in range(10):
        lost = broken and step >= 6
        figures = dict.fromkeys(COLUMNS, (0.1, 0.2, math.inf if lost else 0.3))
        figures["saturated"] = (None, None, None)
        figures["dead"] = (0.0, 0.25, None)
        loss = math.nan if lost else 2.0 - 0.1 * step
        records.append(
            Record(step, step / 2, 16, LAYERS, figures, ((step, loss),), (0.1,), skipped=step == 3)
        )
    events = (Event(6, "not-finite", LAYERS[2], f"{LAYERS[2]} is not finite"),) if broken else ()
    return training_run({"name": HOSTILE, "every": 1, "optimizer": "SGD"}, records, events, (), end)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a report on a run that broke and goes on."""
    folder = tmp_path_factory.mktemp("training") / "report"
    training_report(run_of(broken=True)).save(folder, single_file=True)
    return folder


def test_the_page_tells_what_turned_first(written: Path) -> None:
    page = (written / "report.html").read_text("utf-8")
    assert "<h1>How net &lt;script&gt;alert(1)&lt;/script&gt; is training</h1>" in page
    assert "At step 6: stem" not in page
    assert "At step 6: head is not finite" in page
    assert "The loss began at 2 and is not finite from step 6 on." in page
    assert "The run had not ended at step 9" in page
    assert "left out 1 update" in page
    assert "<script>alert" not in page


def test_every_picture_has_its_words_and_its_file(written: Path) -> None:
    told = json.loads((written / "report.json").read_text("utf-8"))
    pictures = [picture for part in told["sections"] for picture in part["pictures"]]
    assert [Path(picture["file"]).stem for picture in pictures] == [
        "loss",
        "gradient",
        "decades",
        "activation",
        "update",
        "dead",
    ]
    for picture in pictures:
        assert (written / picture["file"]).stat().st_size > 1000
        assert picture["caption"].endswith(".")
        assert picture["alt"]
    assert pictures[1]["data"]["layers"] == list(LAYERS)
    assert pictures[1]["data"]["last"][2] == "inf"


def test_the_tables_hold_the_events_and_every_layer(written: Path) -> None:
    told = json.loads((written / "report.json").read_text("utf-8"))
    tables = {table["title"]: table for part in told["sections"] for table in part["tables"]}
    assert tables["Events"]["rows"] == [["6", "not-finite", "head", "head is not finite"]]
    last = tables["Every layer at step 9"]
    headings = [column["heading"] for column in last["columns"]]
    assert "saturated" not in headings
    assert last["rows"][1][headings.index("dead")] == "25%"
    assert last["rows"][2][headings.index("dead")] == "–"
    assert last["rows"][2][headings.index("gradient")] == "not finite"


def test_a_healthy_run_that_ended_says_so_and_nothing_else() -> None:
    report = training_report(run_of(end={"error": ""}))
    assert report.heading == f"How {HOSTILE} trained"
    assert [part.key for part in report.sections] == [
        "course",
        "depth",
        "movement",
        "units",
        "colophon",
    ]
    assert report.sections[0].lead[0].startswith("Nothing turned in the 10 recorded steps")
    assert report.sections[0].lead[0].endswith("The loss went from 2 to 1.1.")
    assert report.sections[0].tables == ()
    assert len(report.notes) == 1


def test_an_error_that_ended_the_run_is_named() -> None:
    report = training_report(run_of(end={"error": "KeyboardInterrupt"}))
    assert report.notes[0] == "The run was ended by KeyboardInterrupt at step 9."


def test_what_was_not_recorded_has_no_section() -> None:
    figures: dict[str, tuple[float | None, ...]] = dict.fromkeys(COLUMNS, (None,))
    figures |= {"weight": (1.0,), "update": (0.1,)}
    run = training_run({"name": "compiled"}, [Record(0, 0.0, 0, ("a",), figures)], (), (), None)
    report = training_report(run)
    assert [part.key for part in report.sections] == ["course", "movement", "colophon"]
    assert "No loss was logged." in report.sections[0].lead[0]


def test_the_progress_ends_where_it_said(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = training_report(
        run_of(), progress=lambda done, total, what: seen.append((done, total))
    )
    report.save(tmp_path / "report")
    assert seen[-1][0] == seen[-1][1] == max(total for _, total in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
