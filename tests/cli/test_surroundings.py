"""What surrounds a command: settings of matplotlib, names of files that are no text."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.helpers.processes import Forked, needs_fork, run_code

OUT = b"s\xff.json"
# Matplotlib reads its settings when it is imported, which the process that is forked has done.
ANEW = """
import runpy, sys
for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
    del sys.modules[name]
runpy.run_module("cnnviz", run_name="__main__", alter_sys=True)
"""


def _cnnviz(folder: Path, *words: str, **environment: str) -> tuple[int, bytes, str]:
    """Run a command in a process of its own, and return its exit code, stdout and stderr."""
    ended = subprocess.run(
        [sys.executable, "-m", "cnnviz", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr.decode("utf-8", "replace")


@needs_fork
@pytest.mark.parametrize(("backend", "settings"), [("nonsense", None), ("", b"backend: nonsense")])
def test_settings_that_matplotlib_cannot_read_are_no_fault_of_cnnviz(
    tmp_path: Path, backend: str, settings: bytes | None
) -> None:
    if settings is not None:
        (tmp_path / "matplotlibrc").write_bytes(settings)
    alone = [sys.executable, "-c", "import matplotlib"]
    surroundings = {**os.environ, "MPLBACKEND": backend}
    if not subprocess.run(alone, cwd=tmp_path, env=surroundings, capture_output=True).returncode:
        pytest.skip("this version of matplotlib passes it over")
    ended = run_code(ANEW, "losses", folder=tmp_path, environment=surroundings)
    assert ended.returncode == 2, ended.stderr
    assert "matplotlib cannot be imported: " in ended.stderr
    assert "MPLBACKEND" in ended.stderr
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
def test_a_name_that_is_no_text_is_written_and_told_as_it_is(tmp_path: Path) -> None:
    words = ("losses", "--out", os.fsdecode(OUT))
    with tempfile.TemporaryFile() as said:
        with Forked("cnnviz", *words, folder=tmp_path, stdout=said.fileno()) as process:
            _, told = process.communicate()
        said.seek(0)
        out = said.read()
    assert process.returncode == 0, told
    assert (tmp_path / os.fsdecode(OUT)).is_file()
    assert out.splitlines()[-1] == OUT


def test_a_link_to_itself_is_a_sentence_and_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    code, _, told = _cnnviz(tmp_path, "predictions", "loop.jpg", PYTHONWARNINGS="default")
    assert code == 2
    assert told.splitlines()[0].startswith("Error: loop.jpg: ")
    assert len(told.splitlines()) == 2
