"""`cnnviz errors`: the folder it writes, what it prints, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from cnnviz.datasets.shapes import Shapes

pytestmark = pytest.mark.usefixtures("not_drawn")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write held-out samples into a folder for each class, the first two in a wrong one."""
    root = tmp_path / "val"
    samples = Shapes(split="held-out")
    for place in range(6):
        sample = samples[place]
        name = ("ring" if sample.name != "ring" else "star") if place < 2 else sample.name
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(root / name / f"{place}.{'PNG' if place % 2 else 'png'}")
    return root


def test_it_writes_a_page_and_ends_with_its_path(run, photos, tmp_path):
    done = run("errors", "--data", photos, "-o", "wrong", "--worst", 2, "--workers", 1)
    assert done.code == 0, done.err
    assert done.last_line == "wrong/report.html"
    assert "of 6 images wrong" in done.err
    names = {path.name for path in (tmp_path / "wrong").iterdir()}
    assert names == {
        "report.html",
        "report.json",
        "errors.csv",
        "errors.json",
        "classes.csv",
        "pictures",
    }
    assert {path.name for path in (tmp_path / "wrong" / "pictures").iterdir()} == {
        "errors.png",
        "wrong-1.png",
        "wrong-2.png",
    }
    with (tmp_path / "wrong" / "errors.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {"ring/0.png", "ring/1.PNG"} <= {row["image"] for row in rows}
    sure = [float(row["confidence"]) for row in rows]
    assert sure == sorted(sure, reverse=True)
    again = run("errors", "--data", photos, "-o", "wrong")
    assert again.code == 2
    assert "already is a report" in again.err


def test_json_and_csv_are_all_that_is_said_and_nothing_is_written(run, photos, tmp_path):
    done = run("errors", "--data", photos, "--json", "-q")
    told = json.loads(done.out)
    assert told["images"] == 6
    assert len(told["table"]["rows"]) == told["wrong"] >= 2
    done = run("errors", "--data", photos, "--csv", "-q")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == told["wrong"]
    assert [path.name for path in tmp_path.iterdir()] == ["val"]


def test_filters_are_said(run, photos):
    told = ("errors", "--data", photos, "--json", "-q")
    truth = json.loads(run(*told).out)["table"]["rows"][0][1:3]
    done = run(*told, "--pair", *truth, "--confident", "0.0")
    assert json.loads(done.out)["filters"] == f"of {truth[0]} taken for {truth[1]}"
    done = run(*told, "--class", "circle", "--class", "heart", "--count", 4)
    found = json.loads(done.out)
    assert found["filters"] == "about circle or heart"
    assert found["images"] == 4


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (["--data", "nowhere"], "no folder 'nowhere'", "Name a folder"),
        (["--data", "nowhere.csv"], "no file 'nowhere.csv'", "Name a folder"),
        (["--data", "val", "--class", "rign"], "no class 'rign'", "Did you mean 'ring'"),
        (["--data", "val", "--order", "los"], "cannot be ordered by 'los'", "'loss'"),
        (["--data", "val/*/*.gif"], "No file matches", "Check the pattern"),
        (["--data", "val", "--json", "--csv"], "Both --json and --csv", "one of the two"),
        (["--data", "val", "-o", "no/where"], "no folder", "Make the folder first"),
        (["--data", "val", "-m", "lenet5"], "no class '", "10 classes"),
    ],
)
def test_a_wrong_argument_is_two_lines_and_leaves_nothing(
    run, photos, tmp_path, arguments, what, remedy
):
    done = run("errors", *arguments, "-q")
    assert done.code == 2, done.err
    *_, first, second = done.error_lines
    assert what in first
    assert remedy in second
    assert [path.name for path in tmp_path.iterdir()] == ["val"]
