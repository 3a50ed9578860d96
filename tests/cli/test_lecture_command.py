"""`cnnviz lecture`, and the commands that its pages name."""

import inspect
import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cnnviz
from cnnviz.lectures import CHAPTERS
from cnnviz_cli import view_command

pytestmark = pytest.mark.usefixtures("not_drawn")
STEPS = [
    pytest.param(step, id=f"{chapter.key}-{step.name}")
    for chapter in CHAPTERS
    for step in chapter.steps
    if step.command
]
OPTIONS = {
    "photo": "photo.png",
    "model": "--model shapes",
    "data": "--data shapes",
    "first": "features.1",
    "last": "features.11",
}
CAPTURE = object()


class _Namespace:
    """Stands for the package in a call: each function gives itself and what it was given."""

    def __getattr__(self, name):
        return lambda *args, **keywords: (getattr(cnnviz, name), args, keywords)

    def load(self, source):
        return f"the network {source}"


def _called(step):
    """Return the view of a step's call, and its arguments by name, those by default as well."""
    names = {
        "cnnviz": _Namespace(),
        "model": "the network shapes",
        "photo": "photo.png",
        "data": "shapes",
        "capture": CAPTURE,
        "stages": ["features.1", "features.11"],
        "strongest": SimpleNamespace(shown=np.array([7, 2, 5, 1])),
    }
    function, args, keywords = eval(step.call, names)
    bound = inspect.signature(function).bind(*args, **keywords)
    bound.apply_defaults()
    spelled = {name: eval(code, names) for name, code in step.spelled.items()}
    return function, dict(bound.arguments), spelled


def _plain(value):
    """Return what a call and a command may write in two ways in one."""
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        found = [_plain(one) for one in value]
        return found[0] if len(found) == 1 else found
    return str(value) if isinstance(value, (Path, np.generic)) else value


@pytest.mark.parametrize("step", STEPS)
def test_the_command_of_a_step_means_what_its_call_does(step, run, monkeypatch):
    function, arguments, spelled = _called(step)
    first = next(iter(arguments))
    seen = {}

    def record(view, specs, suffixes, values):
        seen.update(view=view, values=values)
        seen["told"] = {spec.name: spec.convert(values[spec.name]) for spec in specs}

    monkeypatch.setattr(view_command, "_run", record)
    words = shlex.split(step.command.format(**OPTIONS, **spelled))
    assert words[0] == "cnnviz"
    done = run(*words[1:])
    assert done.code == 0, done.err
    view, values, told = seen["view"], seen["values"], seen["told"]
    assert view.function() is function
    for name, value in told.items():
        meant = _plain(arguments[name])
        # Some views take several names in one text.
        said = value.split(",") if isinstance(value, str) and isinstance(meant, list) else value
        assert _plain(said) == meant, name
    given = arguments[first]
    # What the command line gives by itself: the network, the photo, the data.
    photos = _plain(values.get("photos") or values.get("photo"))
    if view.needs == "capture":
        assert given is CAPTURE
        chosen = told.get(view.layers_from) or view.layers
        # The lecture has captured the stages: the command looks at these, or at the answer alone.
        assert chosen in ("", "stages", *OPTIONS.values())
    elif view.needs == "model":
        assert given.replace("shapes-plain", "shapes") == f"the network {values['model']}"
    if view.needs == "photo":
        assert _plain(given) == photos
    elif view.images == "photos" and view.needs == "model":
        assert _plain(arguments["images"]) == photos
    elif view.images == "data":
        assert _plain(arguments["data"]) == _plain(values["data"] or values["photos"])
    assert not values.get("target")


def test_it_writes_a_page_a_notebook_and_slides(run, tmp_path):
    done = run("lecture", "--chapters", "classification", "--out", "course")
    assert done.code == 0
    assert done.last_line == "course/lecture.html"
    assert (tmp_path / "course" / "lecture.html").is_file()
    notebook = json.loads((tmp_path / "course" / "lecture.ipynb").read_text("utf-8"))
    assert "cnnviz.load('shapes')" in "".join(notebook["cells"][1]["source"])
    assert list((tmp_path / "course" / "slides").glob("*.svg"))


def test_weights_and_how_photos_are_prepared_are_told_in_calls_and_commands(run, tmp_path):
    asked = ("--weights", "random", "--resize", "72", "--crop", "64")
    done = run("lecture", "--chapters", "classification", *asked, "--out", "course")
    assert done.code == 0, done.err
    page = (tmp_path / "course" / "lecture.html").read_text("utf-8")
    words = re.sub("</?span>", "", page)  # each of a command stands in one
    assert "--model shapes --weights random --resize 72 --crop 64" in words
    cells = json.loads((tmp_path / "course" / "lecture.ipynb").read_text("utf-8"))["cells"]
    load = "cnnviz.load('shapes', 'random', preprocessing={'resize': '72', 'crop': '64'})"
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
    assert done.err.count("The preprocessing is guessed") == 1
    page = (tmp_path / "course" / "lecture.html").read_text("utf-8")
    assert "The preprocessing is guessed" in page


def test_a_fault_is_told_and_ends_with_1(run, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("nothing")

    monkeypatch.setattr(cnnviz, "softmax", broken)
    done = run("lecture", "--chapters", "classification", "--out", "course")
    assert done.code == 1
    told = "From scores to probabilities, and to the loss is missing, by a fault in cnnviz"
    assert done.err.count(told) == 1
    assert done.last_line == "course/lecture.html"
    assert (tmp_path / "course" / "slides").is_dir()


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
