"""The two commands of the README, as far as they can be tested without installing anything."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def folder(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _make(folder, *arguments, path=""):
    # `make test ARGS=...` hands what it was given on to the tests.
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("MAKE") and key not in ("ARGS", "JSON")
    }
    environment["PATH"] = (
        f"{path}{os.pathsep}{environment['PATH']}" if path else environment["PATH"]
    )
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _pretend(folder, *stamps):
    """Stand in for the environment that an earlier call made."""
    (folder / ".venv").mkdir()
    for stamp in stamps:
        (folder / ".venv" / stamp).touch()


@pytest.fixture
def old_python(folder):
    """Put a Python before all others that fails every version check."""
    programs = folder / "programs"
    programs.mkdir()
    for name in PYTHONS:
        (programs / name).write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n'
        )
        (programs / name).chmod(0o755)
    return programs


def test_make_alone_lists_what_there_is(folder):
    listed = _make(folder).stdout
    tests = ("test", "test-ways", "coverage", "mutation")
    for target in ("demo", *tests, "check", "bench", "docs", "audit", "sbom"):
        assert f"make {target} " in listed


def test_an_old_python_is_a_sentence_and_leaves_nothing(folder, old_python):
    done = _make(folder, "demo", path=old_python)
    assert done.returncode == 2
    assert "cnnviz needs Python 3.11 or later" in done.stderr
    assert "python3 is Python 3.9.2" in done.stderr
    assert not (folder / ".venv").exists()


def test_a_second_call_reuses_the_environment(folder):
    _pretend(folder, ".made", ".installed", ".installed-test", ".installed-check")
    for target in ("demo", "test", "check"):
        planned = _make(folder, "-n", target)
        assert planned.returncode == 0
        assert "pip install" not in planned.stdout
        assert "-m venv" not in planned.stdout


def test_what_looks_at_the_supply_has_an_environment_of_its_own(folder):
    _pretend(folder, ".made", ".installed")
    audit, bill = (_make(folder, "-n", target).stdout for target in ("audit", "sbom"))
    assert "-m venv --clear .venv-tools" in audit
    assert "--no-deps --disable-pip --requirement constraints.txt" in audit
    assert ".ci/check_sbom.py .venv/bin/python dist/cnnviz.cdx.json" in bill


def test_the_whole_suite_is_announced_with_what_it_takes(folder):
    _pretend(folder, ".made", ".installed", ".installed-test")
    assert "minutes of processor time" in _make(folder, "-n", "test").stdout
    assert "minutes" not in _make(folder, "-n", "test", "ARGS=tests/views").stdout


def test_both_ways_of_computing_are_tested_on_all_that_computes(folder):
    _pretend(folder, ".made", ".installed", ".installed-test")
    planned = _make(folder, "-n", "test-ways").stdout
    assert "for way in 0 always" in planned
    assert "CNNVIZ_FAST=$way .venv/bin/python -m pytest" in planned
    named = [word for word in planned.split() if word.startswith("tests/")]
    assert "tests/passes" in named
    assert all((ROOT / name).exists() for name in named)
    assert "tests/laws" in _make(folder, "-n", "test-ways", "ARGS=tests/laws").stdout


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_again_into_the_same_environment(folder, changed):
    _pretend(folder, ".made", ".installed", ".installed-test")
    later = (folder / ".venv" / ".installed-test").stat().st_mtime + 5
    os.utime(folder / changed, (later, later))
    planned = _make(folder, "-n", "test").stdout
    assert planned.count("--no-build-isolation") == 2
    assert "-c constraints.txt" in planned
    assert "-m venv" not in planned


def test_the_oldest_versions_get_an_environment_of_their_own(folder):
    _pretend(folder, ".made", ".installed", ".installed-test")
    lowest = "constraints-lowest.txt"
    shutil.copy(ROOT / lowest, folder)
    planned = _make(folder, "-n", "test", f"CONSTRAINTS={lowest}").stdout
    assert "-m venv --clear .venv-lowest" in planned
    assert f"-c {lowest}" in planned
    assert "-c constraints.txt" not in planned


def test_the_oldest_versions_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["docs"]]
    lines = (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    bounds = dict(line.split(">=") for line in wanted)
    assert sorted(pinned) == sorted(bounds)
    # A bound of two figures is met by the first release of that series.
    assert [name for name in bounds if not f"{pinned[name]}.".startswith(f"{bounds[name]}.")] == []


def test_what_pip_says_is_one_line_on_a_terminal_and_what_fails_stays_told(folder):
    """A hundred lines of pip told nobody how far it was."""
    _pretend(folder, ".made")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir()
    said = "echo Collecting it; echo No room >&2; echo The conflict is caused by:; echo '  that'"
    python.write_text(f"#!/bin/sh\n{said}\nexit 1\n")
    python.chmod(0o755)
    done = _make(folder, "demo")
    assert done.returncode == 2
    assert "Collecting it" not in done.stdout
    assert "No room" in done.stderr
    assert "The conflict is caused by:\n  that\n" in done.stderr
    assert not (folder / ".venv" / ".installed").exists()
    if shutil.which("script") is not None and sys.platform == "linux":
        command = ["script", "-qec", "make demo", "/dev/null"]
        seen = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert b"\r\x1b[KCollecting it\r\x1b[K" in seen.stdout


@pytest.mark.parametrize(("target", "extras"), [("test", "test,docs"), ("docs", "docs")])
def test_an_environment_with_the_package_alone_gets_the_extra(folder, target, extras):
    _pretend(folder, ".made", ".installed")
    planned = _make(folder, "-n", target).stdout
    assert planned.count("pip install") == 1
    assert f'".[{extras}]"' in planned


def test_the_check_of_continuous_integration_calls_both_commands():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert script.index("\nmake check\n") < script.index("\nmake coverage ")


@pytest.mark.parametrize(
    ("reason", "told", "headless"),
    [
        ("ImportError: libGL.so.1: cannot open shared object file", "without windows", True),
        ("ImportError: numpy.core.multiarray failed to import", "multiarray failed", False),
    ],
)
def test_opencv_is_exchanged_for_missing_libraries_alone_and_for_the_same_version(
    folder, reason, told, headless
):
    _pretend(folder, ".made")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\ncase "$*" in\n*"import cv2"*) echo "{reason}" >&2; exit 1;;\n'
        f'*"version("*) echo 4.10;;\n*) echo "$*" >> {folder}/asked;;\nesac\n'
    )
    python.chmod(0o755)
    done = _make(folder, "demo")
    assert done.returncode == 2
    assert told in done.stdout + done.stderr
    assert ("opencv-python-headless==4.10" in (folder / "asked").read_text()) == headless
