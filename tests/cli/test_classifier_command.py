"""`cnnviz evaluate-classifier`: the folder it writes, what it prints, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from cnnviz.datasets.shapes import Shapes
from cnnviz.reports import check_destination


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write held-out samples into a folder for each class, the first in a wrong one."""
    from PIL import Image

    root, samples = tmp_path / "val", Shapes(split="held-out")
    for place in range(5):
        sample = samples[place]
        name = ("ring" if sample.name != "ring" else "star") if place == 0 else sample.name
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(root / name / f"{place}.png")
    return root


def test_it_writes_a_page_and_what_lies_beside_it(run, photos, tmp_path):
    told = ("evaluate-classifier", "--data", photos, "--explain", 1, "--workers", 1)
    done = run(*told, "-o", "measured", "--fail-on", "error-rate>0.01")
    assert done.code == 1, done.err
    assert done.last_line == "measured/report.html"
    assert "of 5 images wrong, error rate" in done.err
    assert "Failed on: error-rate>0.01." in done.err
    names = {path.name for path in (tmp_path / "measured").iterdir()}
    assert names == {
        "report.html",
        "report.json",
        "evaluation.json",
        "evaluation.npz",
        "classes.csv",
        "errors.csv",
        "pictures",
    }
    assert check_destination(tmp_path / "measured", force=True).is_dir()
    page = (tmp_path / "measured" / "report.html").read_text("utf-8")
    assert "Balanced error rate" in page
    assert "Every class against all others" in page
    with (tmp_path / "measured" / "classes.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(row["few"] == "true" for row in rows)


def test_numbers_alone_are_printed_and_nothing_is_written(run, photos, tmp_path):
    told = ("evaluate-classifier", "--data", photos, "-q")
    done = run(*told, "--json", "--fail-on", "error-rate>0.99", "--top", 3)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["images"] == 5
    assert [top["k"] for top in found["top_k"]] == [3]
    done = run(*told, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == len(found["table"]["rows"])
    assert [path.name for path in tmp_path.iterdir()] == ["val"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--fail-on", "error-rat>0.3"], "Did you mean 'error-rate'"),
        (["--json", "--csv"], "Both --json and --csv"),
        (["--top", "10"], "No top-10 error says anything of 10 classes"),
        (["-m", "lenet5"], "no class '"),
    ],
)
def test_what_is_refused(run, photos, arguments, what):
    done = run("evaluate-classifier", "--data", photos, "-q", *arguments)
    assert done.code == 2
    assert what in done.err
