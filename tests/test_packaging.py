"""What is installed: the wheel's names and data, its size, and that it runs from anywhere."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import cnnviz

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    "cnnviz": "cnnviz",
    "cnnviz_cli": "cli/cnnviz_cli",
    "cnnviz_gallery": "gallery/cnnviz_gallery",
}
CITATION_KEYS = {
    "abstract",
    "authors",
    "cff-version",
    "commit",
    "contact",
    "date-released",
    "doi",
    "identifiers",
    "keywords",
    "license",
    "license-url",
    "message",
    "preferred-citation",
    "references",
    "repository",
    "repository-artifact",
    "repository-code",
    "title",
    "type",
    "url",
    "version",
}
"""Every key that the format knows at its top."""
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Copy the sources, as if cloned: a build leaves files behind in its folder."""
    copy = tmp_path_factory.mktemp("work") / "cnnviz"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("cnnviz", "cli", "gallery"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def wheel(sources):
    return _built(sources, "build_wheel")


def _built(sources, how):
    script = f"from hatchling import build; build.{how}('{how}')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=sources, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = (sources / how).glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_only_our_names_reach_a_users_site_packages(contents):
    names = {path.partition("/")[0] for path in contents}
    assert {name for name in names if not name.endswith(".dist-info")} == set(SOURCES)


@pytest.mark.parametrize("package", SOURCES)
def test_every_file_of_a_package_is_in_the_wheel(contents, package):
    folder = ROOT / SOURCES[package]
    present = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert present - set(contents) == set()


@pytest.mark.parametrize("package", ["cnnviz", "cnnviz_gallery"])
def test_the_package_says_that_it_is_typed(contents, package):
    assert f"{package}/py.typed" in contents


USER = """
from typing import assert_type
import cnnviz
import cnnviz.models
import cnnviz_gallery.estimate

def user(capture: cnnviz.Capture) -> None:
    assert_type(cnnviz.cam(capture), cnnviz.Heatmap)
    cnnviz.gradcam  # type: ignore[attr-defined]
    cnnviz.models.lode  # type: ignore[attr-defined]
    cnnviz_gallery.estimate.guess  # type: ignore[attr-defined]
"""
# What is not read is Any, which `assert_type` would find. The types of others are not needed here,
# nor those of rooms behind what the module of the user names, and reading them takes most of the
# time.
_UNREAD = (
    *("gradients", "evaluation", "lectures", "explorer", "course", "views.pictures"),
    *("introspection", "reports", "units", "datasets", "images", "installation", "pages"),
)
MYPY = f"""
[mypy]
strict = true
[mypy-torch.*,numpy.*,PIL.*,matplotlib.*,jinja2.*,msgspec.*]
follow_imports = skip
follow_imports_for_stubs = true
[mypy-{",".join(f"cnnviz.{one}.*" for one in _UNREAD)},cnnviz_gallery.scan.*,cnnviz_gallery.site.*]
follow_imports = skip
"""
PYRIGHT = """
[tool.pyright]
typeCheckingMode = "standard"
reportUnnecessaryTypeIgnoreComment = "error"
"""


def _environment(folder, wheel):
    """Make an environment in which a wheel is installed; return its packages and its Python."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return packages, Path(sysconfig.get_path("scripts", "venv", paths)) / "python"


@pytest.fixture(scope="module")
def user(wheel, tmp_path_factory):
    """Return a folder of somebody who installed the wheel: their module and their Python."""
    folder = tmp_path_factory.mktemp("user")
    packages, python = _environment(folder / "env", wheel)
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    (folder / "user.py").write_text(USER, "utf-8")
    (folder / "mypy.ini").write_text(MYPY, "utf-8")
    (folder / "pyproject.toml").write_text(PYRIGHT, "utf-8")
    return folder, python


@pytest.mark.parametrize(
    ("checker", "options"),
    [
        ("mypy", ("--cache-dir", os.devnull, "--python-executable")),
        ("basedpyright", ("--level", "error", "--pythonpath")),
    ],
)
def test_who_installed_the_wheel_has_its_types(user, checker, options):
    """Where a name is Any, an error that is to be ignored is missing, and that is one too."""
    pytest.importorskip(checker, reason="make check installs it")
    folder, python = user
    hidden = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", checker, *options, python, "user.py"],
        cwd=folder,
        env=hidden,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_weights_and_wheel_are_small(contents, wheel):
    weights = {path: size for path, size in contents.items() if path.endswith(".safetensors")}
    assert {Path(path).stem for path in weights} >= {"shapes-plain", "shapes-residual"}
    assert max(weights.values()) <= MEGABYTE
    assert wheel.stat().st_size - sum(weights.values()) <= 2 * MEGABYTE


def test_the_command_runs_from_the_root_folder(unpacked):
    points = configparser.ConfigParser()
    (found,) = unpacked.glob("*.dist-info/entry_points.txt")
    points.read(found)
    module, _, function = points["console_scripts"]["cnnviz"].partition(":")
    script = (
        f"import {module} as app, cnnviz, sys; print(cnnviz.__file__, file=sys.stderr); "
        f"sys.argv = ['cnnviz', '--help']; app.{function}()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: cnnviz" in done.stdout
    assert Path(done.stderr.strip()).is_relative_to(unpacked)


def test_a_python_started_above_the_clone_finds_the_package_and_not_its_folder(sources, tmp_path):
    """A folder named cnnviz in the current one is a package of no files, and comes first."""
    _, python = _environment(tmp_path / "env", _built(sources, "build_editable"))
    script = "import cnnviz, cnnviz_cli, cnnviz_gallery as last; print(cnnviz.__file__)"
    hidden = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", script],
        cwd=sources.parent,
        env=hidden,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == sources / "cnnviz" / "__init__.py"


def test_the_citation_is_that_of_this_package(project):
    held = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    # What the Citation File Format 1.2.0 requires, with an entity in place of a person.
    assert held["cff-version"] == "1.2.0"
    assert {"cff-version", "message", "title", "authors"} <= set(held) <= CITATION_KEYS
    assert held["type"] in ("software", "dataset")
    assert held["authors"] == project["project"]["authors"]
    assert held["title"] == project["project"]["name"]
    assert held["abstract"] == project["project"]["description"]
    assert held["license"] == project["project"]["license"]
    assert held["keywords"] == project["project"]["keywords"]
    assert held["version"] == cnnviz.__version__


def _name(requirement):
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_every_dependency_is_pinned_in_the_constraints(project):
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.partition(";")[0].strip() for line in lines if line and line[0] != "#"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    extras = project["project"]["optional-dependencies"].values()
    wanted = {*project["project"]["dependencies"], *(each for extra in extras for each in extra)}
    assert {_name(each) for each in wanted} - {_name(pin) for pin in pins} == set()


def test_dependencies_have_lower_bounds_and_no_pins(project):
    extras = project["project"]["optional-dependencies"].values()
    for requirement in [
        *project["project"]["dependencies"],
        *(e for extra in extras for e in extra),
    ]:
        assert re.fullmatch(r"[a-z0-9-]+>=[\d.]+", requirement), requirement


def test_the_versions_of_python_that_are_named_are_those_that_are_tested(project):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    tested = {
        version
        for job in workflow["jobs"].values()
        for version in job.get("strategy", {}).get("matrix", {}).get("python", ())
    }
    before = "Programming Language :: Python :: 3."
    named = {c for c in project["project"]["classifiers"] if c.startswith(before)}
    assert named == {before.removesuffix("3.") + version for version in tested}
    assert project["project"]["requires-python"] == f">={min(tested)}"


def test_the_version_is_the_one_in_the_changelog():
    import cnnviz

    assert f"## [{cnnviz.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
