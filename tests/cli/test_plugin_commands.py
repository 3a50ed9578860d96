"""A view of another package on the command line and in a report, in a process of its own."""

import json
import os
import sys
from functools import partial

import pytest
from PIL import Image

from cnnviz_cli.app import app
from tests.helpers.distributions import documented, install, install_documented
from tests.helpers.processes import needs_fork, run_module

PANEL = "From other packages"

pytestmark = needs_fork


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def cnnviz(site, tmp_path):
    """Run `python -m cnnviz` with the packages in `site`."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}
    return partial(run_module, "cnnviz", folder=tmp_path, environment=environment)


def test_the_library_runs_as_a_module(cnnviz):
    done = cnnviz("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cnnviz 0.")
    assert PANEL not in cnnviz("--help").stdout


def test_a_view_of_another_package_is_a_command_in_a_panel_of_its_own(site, cnnviz, tmp_path):
    install_documented(site)
    page = cnnviz("--help")
    assert (page.returncode, page.stderr) == (0, "")
    panel = page.stdout.partition(PANEL)[2]
    assert "How rough the feature maps of each layer are. (cnnviz-roughness)" in panel
    assert "Compare each place with the one below it" in cnnviz("roughness", "--help").stdout
    options = ("--weights", "random", "--down", "--out", "rough.json")
    done = cnnviz("roughness", *options)
    assert (done.returncode, done.stdout) == (0, "rough.json\n"), done.stderr
    found = json.loads((tmp_path / "rough.json").read_text("utf-8"))
    assert len(found["roughness"]) == len(found["layers"]) > 3
    assert "Did you mean 'roughness'?" in cnnviz("roughnes").stderr


def test_its_section_comes_into_a_report_when_it_is_named(site, cnnviz, tmp_path):
    install_documented(site)
    assert "from other packages: roughness" in " ".join(cnnviz("report", "--help").stdout.split())
    done = cnnviz("report", "--weights", "random", "--sections", "roughness,photo", "--quiet")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "cnnviz-report" / "report.json").read_text("utf-8"))
    assert [part["key"] for part in data["sections"]] == ["photo", "roughness"]
    (picture,) = data["sections"][1]["pictures"]
    assert "White noise has about 1.4" in picture["caption"]
    page = (tmp_path / "cnnviz-report" / "report.html").read_text("utf-8")
    assert "How rough the feature maps of each layer are" in page


def test_a_broken_package_is_one_sentence_and_stops_nobody(site, cnnviz):
    install_documented(site)
    install(site, "them", {"broken": "nowhere:VIEW", "cam": "cnnviz_roughness:VIEW"})
    page = cnnviz("--help")
    assert page.returncode == 0
    assert "roughness" in page.stdout.partition(PANEL)[2]
    told = page.stderr.splitlines()
    assert len(told) == 2
    assert told[0].startswith("The view 'broken' of them cannot be imported: ModuleNotFoundError")
    assert told[1].startswith("The view 'cam' of them calls itself 'roughness'")
    missing = cnnviz("broken")
    assert missing.returncode == 2
    assert "The view 'broken' of them cannot be imported" in missing.stderr
    # A command of ours does not look for those of others.
    assert cnnviz("layers", "--json").stderr == ""


def test_a_fault_of_a_view_is_told_as_one_of_its_package(site, cnnviz):
    files = documented()
    place = "cnnviz_roughness/view.py"
    files[place] = files[place].replace("    found = []\n", "    found = [1 / 0]\n")
    del files["pyproject.toml"]
    install(site, "cnnviz-roughness", {"roughness": "cnnviz_roughness:VIEW"}, files)
    done = cnnviz("roughness", "--weights", "random")
    assert done.returncode == 1
    assert "This is a fault in cnnviz-roughness: ZeroDivisionError" in done.stderr
    (site / "cnnviz_roughness" / "view.py").write_text("")
    done = cnnviz("roughness", "--help")
    assert done.returncode == 1
    assert "This is a fault in cnnviz-roughness: AttributeError" in done.stderr
    (site / "cnnviz_roughness" / "view.py").unlink()
    done = cnnviz("roughness", "--help")
    assert done.returncode == 1
    assert "This is a fault in cnnviz-roughness: ModuleNotFoundError" in done.stderr


def test_the_commands_of_others_are_not_kept_by_the_application(site, monkeypatch, run):
    before = list(app.registered_commands)
    monkeypatch.syspath_prepend(site)
    install_documented(site)
    assert PANEL in run("--help").out
    assert app.registered_commands == before


def test_a_default_section_shows_views_of_every_need(site, cnnviz, tmp_path):
    """One view of each kind, in one report of two images."""
    lines, names = [], {}
    kinds = {
        "of_model": "'model', 'It looks.', images='none'",
        "of_photos": "'model', 'It looks.', target=True",
        "of_data": "'model', 'It looks.', images='data'",
        "of_capture": "'capture', 'It looks.', layers='conv', gradients=True, target=True",
        "of_stages": "'capture', 'It looks.', layers='stages'",
        "of_nothing": "'nothing', 'It looks.', images='none'",
    }
    for name, said in kinds.items():
        lines.append(f"{name} = View({name!r}, {said}, module='theirs')")
        names[name] = f"theirs_lines:{name}"
    files = {
        "theirs_lines.py": "\n".join(["from cnnviz.views import View", *lines]),
        "theirs.py": THEIRS,
    }
    install(site, "theirs", names, files)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 40)).save(tmp_path / name)
    named = ("--sections", ",".join(kinds), "--target", "star", "--weights", "random")
    done = cnnviz("report", "a.png", "b.png", *named, "--quiet")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "cnnviz-report" / "report.json").read_text("utf-8"))
    told = {}
    for part in data["sections"]:
        told.setdefault(part["key"], []).append(part["lead"][0])
    assert told == {
        "of_model": ["the network"],
        "of_data": ["2 images"],
        "of_nothing": ["nothing"],
        "of_photos": ["1 photo for 3"] * 2,
        "of_capture": ["['star'] with gradients at convolutions"] * 2,
        "of_stages": ["the stages"] * 2,
    }


THEIRS = """
from dataclasses import dataclass

from cnnviz import Provenance, Result
from cnnviz.results.drawing import canvas
from cnnviz import capture as look
from cnnviz.datasets import open_dataset


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Told(Result):
    what: str

    def draw(self, into=None):
        figure = canvas(2, 1, into)
        figure.add_subplot(title=self.what)
        return figure

    def caption(self):
        return "What the view was given."

    def summary(self):
        return self.what


def _told(what):
    origin = Provenance(model="", weights="", weights_sha256="")
    return Told(what=what, provenance=origin)


def of_model(model):
    return _told("the network")


def of_photos(model, images, target=None):
    return _told(f"{len(images.photos)} photo for {target}")


def of_data(model, data):
    return _told(f"{len(open_dataset(data))} images")


def of_capture(capture):
    kinds = "convolutions" if "features.0" in capture.gradients else list(capture.gradients)
    return _told(f"{list(capture.targets)} with gradients at {kinds}")


def of_stages(capture):
    own = look(capture.model, capture.batch, layers="stages", gradients=False)
    return _told("the stages" if list(own.activations) == list(capture.activations) else "others")


def of_nothing():
    return _told("nothing")
"""
