import csv
import json

import pytest
from PIL import Image

QUICK = (
    "evaluate",
    "--weights=random",
    "--count=2",
    "--methods=gradcam,saliency",
    "--steps=2",
    "--stages=1",
    "--random=1",
)


@pytest.mark.usefixtures("not_drawn")
def test_it_writes_the_table_and_ends_with_its_path(run, tmp_path):
    said = run(*QUICK, "--out", "table")
    assert said.code == 0, said.err
    assert said.last_line.endswith("evaluation.csv")
    assert {path.name for path in (tmp_path / "table").iterdir()} == {
        "evaluation.csv",
        "evaluation.json",
        "evaluation.png",
        "state",
    }
    with (tmp_path / "table" / "evaluation.csv").open(encoding="utf-8", newline="") as stream:
        methods = {row["method"] for row in csv.DictReader(stream)}
    assert methods == {"gradcam", "saliency"}
    assert "Grad-CAM" in said.out
    assert "random maps" in said.out
    # The best threshold of two images has no interval.
    assert "(not known)" in said.out
    assert "nan" not in said.out
    assert "Of one image there is no interval, nor at a best threshold of fewer" in said.err
    assert "2 more maps take about" in said.err
    assert "2 methods on 2 images" in said.err
    refused = run(*QUICK, "--out", "table")
    assert refused.code == 2
    assert refused.error_lines[0] == "Error: There already is an evaluation in 'table'."
    assert "--force" in refused.error_lines[1]
    again = run(*QUICK, "--out", "table", "--force")
    assert again.out == said.out
    assert "more maps" not in again.err


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    "held", ["mine.txt", "evaluation.csv", "evaluation.json", "evaluation.png"]
)
def test_a_folder_with_files_of_somebody_else_is_left_as_it_is(run, tmp_path, held, force):
    (tmp_path / "mine" / "state").mkdir(parents=True)
    (tmp_path / "mine" / held).write_text('{"view": "Heatmap"}')
    said = run(*QUICK, "--out", "mine", *force)
    assert said.code == 2
    assert f"holds '{held}', which is no part of an evaluation" in said.error_lines[0]
    assert (tmp_path / "mine" / held).read_text() == '{"view": "Heatmap"}'
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {held, "state"}


@pytest.mark.usefixtures("not_drawn")
def test_the_folder_of_a_run_that_was_killed_is_gone_on_with(run, tmp_path):
    whole = run(*QUICK, "--measures=drop", "--out", "whole")
    assert whole.code == 0, whole.err
    (tmp_path / "stopped").mkdir()
    (tmp_path / "whole" / "state").rename(tmp_path / "stopped" / "state")
    (tmp_path / "stopped" / ".cnnviz-evaluation-1.csv").write_text("half a ta")
    said = run(*QUICK, "--measures=drop", "--out", "stopped")
    assert said.code == 0, said.err
    assert "more maps" not in said.err
    for name in ("evaluation.csv", "evaluation.json"):
        made = (tmp_path / "stopped" / name).read_bytes()
        assert made == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "stopped").glob(".cnnviz-*"))


def test_the_picture_has_the_style_that_was_asked_for(run, tmp_path):
    style = ("--figure-size", "8x6", "--dpi", "50", "--font", "serif")
    assert run(*QUICK, "--measures=drop", "--out", "table", *style).code == 0
    with Image.open(tmp_path / "table" / "evaluation.png") as picture:
        assert picture.size == (400, 300)
    said = run(*QUICK, "--out", "other", "--dpi", "0")
    assert said.code == 2
    assert not (tmp_path / "other").exists()


def test_json_is_the_table_and_nothing_else(run):
    said = run(*QUICK, "--measures=drop", "--json", "--quiet")
    found = json.loads(said.out)
    assert {cell["measure"] for cell in found["cells"]} == {
        "average_drop",
        "increase",
        "brightness",
    }
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--data", "nowhere"], "no folder 'nowhere'"),
        (["--methods", "grad-cam"], "no method 'grad-cam'"),
        (["--measures", "curve"], "no group of measures 'curve'"),
        (["--out", "no/where"], "no folder"),
        (["--layer", "nine"], "nine"),
    ],
)
def test_a_wrong_argument_is_two_lines_and_leaves_nothing(run, tmp_path, arguments, what):
    said = run(*QUICK, *arguments)
    assert said.code == 2, said.err
    assert what in said.error_lines[0]
    assert len(said.error_lines) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_page_names_what_can_be_chosen(run):
    page = run("evaluate", "--help")
    assert page.code == 0
    for word in ("guided_backprop", "randomisation", "shapes", "--count"):
        assert word in page.out


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "--measures=localisation", "--data", "photos", "--weights=random"),
        ("faithfulness", "--measures=localisation", "--weights=random", "photos/a.png"),
    ],
)
def test_localisation_without_a_mask_is_two_lines(run, tmp_path, command):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (70, 70), "red").save(tmp_path / "photos" / "a.png")
    said = run(*command, "--quiet")
    assert said.code == 2
    assert "localisation cannot be measured: no object is marked" in said.error_lines[0]
    assert len(said.error_lines) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.usefixtures("not_drawn")
def test_a_picture_that_cannot_be_costs_no_measurement(run, tmp_path):
    style = ("--figure-width", "140mm", "--font-size", "24")
    refused = run(*QUICK, "--measures=drop", "--out", "table", *style)
    assert refused.code == 2
    assert "does not fit into a width of 5.51 inches (140 mm)" in refused.error_lines[-2]
    assert "What was measured is kept" in refused.error_lines[-1]
    assert {path.name for path in (tmp_path / "table").iterdir()} == {"state"}
    again = run(*QUICK, "--measures=drop", "--out", "table")
    assert again.code == 0
    assert "more maps" not in again.err
