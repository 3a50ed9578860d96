"""`cnnviz evaluate-classifier`: the folder it writes, what it prints, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from cnnviz.datasets.shapes import Shapes
from cnnviz.reports import check_destination
from cnnviz_cli import network_options


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write held-out samples into a folder for each class, the first in a wrong one."""
    root, samples = tmp_path / "val", Shapes(split="held-out")
    for place in range(5):
        sample = samples[place]
        name = ("ring" if sample.name != "ring" else "star") if place == 0 else sample.name
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(root / name / f"{place}.png")
    return root


@pytest.mark.usefixtures("not_drawn")
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
    done = run(*told, "--json", "--fail-on", "error-rate>0.99", "--top", 3, "--junit", "a.xml")
    assert done.code == 0, done.err
    written = (tmp_path / "a.xml").read_text("utf-8")
    (tmp_path / "a.xml").unlink()
    assert 'tests="1" failures="0" errors="0"' in written
    assert "The error-rate is 0.2; it fails above 0.99." in written
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


STYLE = ("--figure-width", "180mm", "--font-size", "7", "--no-title", "--dpi", "100")


def test_a_figure_for_a_paper_is_written_beside_the_numbers(run, photos, tmp_path):
    told = ("evaluate-classifier", "--data", photos, "-q", "--json")
    done = run(*told, "--figure", "measures.png", *STYLE)
    assert done.code == 0, done.err
    assert json.loads(done.out)["view"] == "ClassifierEvaluation"
    with Image.open(tmp_path / "measures.png") as picture:
        assert picture.width == pytest.approx(180 / 25.4 * 100, abs=1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (STYLE, "a figure for a paper, beside the page"),
        (("--figure", "a.csv"), "'a.csv'"),
        (("--figure", "none/a.pdf"), "There is no folder 'none'"),
        (("--figure", "out/a.pdf", "--out", "out"), "in the folder of the page"),
        (("--figure", "a.pdf", "--figure-width", "1mm"), "No picture can be read"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate-classifier", "errors"])
def test_a_figure_that_cannot_be_is_refused_before_any_work(run, monkeypatch, command, asked, said):
    monkeypatch.setattr(network_options, "load_model", lambda *_: pytest.fail("it was begun"))
    refused = run(command, *asked)
    assert refused.code == 2
    assert said in refused.error_lines[0]


@pytest.mark.parametrize("command", ["report", "lecture", "explore", "gallery", "training-report"])
def test_commands_of_pages_say_where_figures_for_papers_are(run, command):
    refused = run(command, "--figure-width", "85mm")
    assert refused.code == 2
    assert f"cnnviz {command} has no --figure-width" in refused.error_lines[0]
    assert "--figure of evaluate-classifier" in refused.error_lines[1]
