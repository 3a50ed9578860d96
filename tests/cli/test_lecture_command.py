"""`cnnviz lecture`, and the commands that its pages name."""

import json
import re
import shlex

import pytest

from cnnviz.lectures import CHAPTERS

STEPS = [
    pytest.param(step, id=f"{chapter.key}-{step.name}")
    for chapter in CHAPTERS
    for step in chapter.steps
    if step.command
]
OPTIONS = {"photo": "photo.png", "model": "--model shapes", "data": "--data shapes"}
LAYERS = {"first": "features.1", "last": "features.11"}


@pytest.mark.parametrize("step", STEPS)
def test_a_command_has_options_that_exist(step, run):
    words = shlex.split(step.command.format(**OPTIONS, **LAYERS))
    assert words[0] == "cnnviz"
    page = run(words[1], "--help")
    assert page.code == 0
    for word in words[2:]:
        if word.startswith("--"):
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", page.out), word


def test_it_writes_a_page_a_notebook_and_slides(run, tmp_path):
    done = run("lecture", "--chapters", "classification", "--out", "course")
    assert done.code == 0
    assert done.last_line == "course/lecture.html"
    assert (tmp_path / "course" / "lecture.html").is_file()
    notebook = json.loads((tmp_path / "course" / "lecture.ipynb").read_text("utf-8"))
    assert "cnnviz.load('shapes')" in "".join(notebook["cells"][1]["source"])
    assert list((tmp_path / "course" / "slides").glob("*.svg"))


def test_weights_are_told_in_calls_and_commands(run, tmp_path):
    done = run(
        *("lecture", "--chapters", "classification", "--weights", "random", "--out", "course")
    )
    assert done.code == 0
    page = (tmp_path / "course" / "lecture.html").read_text("utf-8")
    assert "--model shapes --weights random" in page
    notebook = (tmp_path / "course" / "lecture.ipynb").read_text("utf-8")
    assert "cnnviz.load('shapes', 'random')" in notebook


def test_how_photos_are_prepared_is_told_in_calls_and_commands(run, tmp_path):
    asked = ("--resize", "72", "--crop", "64")
    done = run("lecture", "--chapters", "classification", *asked, "--out", "course")
    assert done.code == 0, done.err
    page = (tmp_path / "course" / "lecture.html").read_text("utf-8")
    assert "--model shapes --resize 72 --crop 64" in page
    cells = json.loads((tmp_path / "course" / "lecture.ipynb").read_text("utf-8"))["cells"]
    load = "cnnviz.load('shapes', preprocessing={'resize': '72', 'crop': '64'})"
    assert load in "".join(cells[1]["source"])


def test_a_guessed_preparation_is_told_once_on_the_terminal_and_on_the_page(run, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), "
        "nn.Flatten())\n"
    )
    asked = ("--model", "net.py:make", "--out", "course")
    done = run("lecture", "--chapters", "classification", *asked)
    assert done.code == 0, done.err
    assert done.err.count("Nobody said how") == 1
    page = (tmp_path / "course" / "lecture.html").read_text("utf-8")
    assert "Nobody said how" in page


def test_an_unknown_chapter_is_refused_before_any_work(run, tmp_path):
    done = run("lecture", "--chapters", "nothing", "--out", "course")
    assert done.code == 2
    assert "no chapter 'nothing'" in done.err
    assert not (tmp_path / "course").exists()


def test_what_is_no_lecture_is_not_replaced(run, tmp_path):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "mine.txt").write_text("mine")
    done = run("lecture", "--chapters", "classification", "--out", "course", "--force")
    assert done.code == 2
    assert (tmp_path / "course" / "mine.txt").read_text() == "mine"
