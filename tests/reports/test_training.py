"""The report on a training run, finished or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnnviz.gradients.monitor.records import COLUMNS, StepRecord
from cnnviz.gradients.monitor.run import training_run
from cnnviz.reports.training import training_report


def test_the_page_tells_what_turned_first(saved_training) -> None:
    page = saved_training.page.read_text("utf-8")
    assert "<h1>How net &lt;script&gt;alert(1)&lt;/script&gt; " in page
    assert "is training</h1>" in page
    assert "At step 6: head is not finite" in page
    assert "The loss began at 2 and is not finite from step 6 on." in page
    assert "The run had not ended at step 9" in page
    assert "left out 1 update" in page
    assert "<script>alert" not in page


def test_every_picture_has_its_words_and_its_file(saved_training) -> None:
    told = json.loads(saved_training.data.read_text("utf-8"))
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
        assert (saved_training.directory / picture["file"]).stat().st_size > 1000
        assert picture["caption"].endswith(".")
        assert picture["alt"]
    assert pictures[1]["data"]["layers"] == ["stem.<conv> & $x_{$", "body", "head"]
    assert [row[-1] for row in pictures[1]["data"]["gradient"]] == [0.1, 0.2, None]
    assert pictures[1]["data"]["infinite"]["/gradient/2/9"] == "inf"
    assert pictures[0]["data"]["losses"][:2] == [2.0, 1.9]


def test_the_tables_hold_the_events_and_every_layer(saved_training) -> None:
    told = json.loads(saved_training.data.read_text("utf-8"))
    tables = {table["title"]: table for part in told["sections"] for table in part["tables"]}
    assert tables["Events"]["rows"] == [["6", "not-finite", "head", "head is not finite"]]
    last = tables["Every layer at step 9"]
    headings = [column["heading"] for column in last["columns"]]
    assert "saturated" not in headings
    assert last["rows"][1][headings.index("dead")] == "25%"
    assert last["rows"][2][headings.index("dead")] == "–"
    assert last["rows"][2][headings.index("gradient")] == "not finite"


def test_a_healthy_run_that_ended_says_so_and_nothing_else(run_of) -> None:
    report = training_report(run_of(end={"error": ""}))
    assert report.heading.startswith("How net <script>")
    assert report.heading.endswith(" trained")
    assert [part.key for part in report.sections] == [
        "course",
        "depth",
        "movement",
        "units",
        "provenance",
    ]
    assert report.sections[0].lead[0].startswith("Nothing turned in the 10 recorded steps")
    lead = report.sections[0].lead[0]
    assert "The loss went from 2 to 1.1. Its 10 losses are too few to tell" in lead
    assert lead.endswith(" that the learning rate is too small or noise.")
    assert report.sections[0].tables == ()
    assert len(report.notes) == 1


def test_an_error_that_ended_the_run_is_named(run_of) -> None:
    report = training_report(run_of(end={"error": "KeyboardInterrupt"}))
    assert report.notes[0] == "The run was ended by KeyboardInterrupt at step 9."


def test_what_was_not_recorded_has_no_section() -> None:
    figures: dict[str, tuple[float | None, ...]] = dict.fromkeys(COLUMNS, (None,))
    figures |= {"weight": (1.0,), "update": (0.1,)}
    run = training_run({"name": "compiled"}, [StepRecord(0, 0.0, 0, ("a",), figures)], (), (), None)
    report = training_report(run)
    assert [part.key for part in report.sections] == ["course", "movement", "provenance"]
    lead = report.sections[0].lead[0]
    assert "No loss was logged, so that nothing is said of its course." in lead
    assert "how the gradient fares along the depth was not measured" in lead


@pytest.mark.usefixtures("left_empty")
def test_the_progress_ends_where_it_said(run_of, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = training_report(
        run_of(), progress=lambda done, total, what: seen.append((done, total))
    )
    report.save(tmp_path / "report")
    assert seen[-1][0] == seen[-1][1] == max(total for _, total in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_was_not_measured_is_never_said_to_be_well(run_of) -> None:
    end = {
        "error": "",
        "unmeasured": {"body": "RuntimeError: no norm", "the function on_event": "E"},
    }
    report = training_report(run_of(end=end))
    lead = report.sections[0].lead[0]
    assert "every number that was measured stayed finite" in lead
    assert "every layer that was measured moved" in lead
    tables = {table.title: table for part in report.sections for table in part.tables}
    assert tables["Not measured"].rows == tuple(end["unmeasured"].items())
    assert any(note.startswith("2 layers or parts were not measured") for note in report.notes)
