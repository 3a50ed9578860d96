"""A file of one's own that is imported in place of a package is named, with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnviz.installation.shadowing import imported_instead, remedy_for


@pytest.fixture
def shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a file named fpdf.py ahead of the package."""
    monkeypatch.delitem(sys.modules, "fpdf", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "fpdf.py"
    file.write_text("FPDF = None\n", "utf-8")
    return file


def test_a_file_in_the_place_of_a_package_is_found(shadow: Path) -> None:
    assert imported_instead("fpdf2", "fpdf") == str(shadow)
    remedy = remedy_for("fpdf2", "fpdf", "ImportError: cannot import name 'XPos'")
    assert remedy.startswith(f"{str(shadow)!r} is imported in place of the fpdf2 that is installed")
    assert "pip install fpdf2" in remedy_for("fpdf2", "fpdf", "", missing=True)


def test_a_package_as_it_was_installed_is_its_own() -> None:
    for package, module in (("fpdf2", "fpdf"), ("pillow", "PIL"), ("torch", "torch")):
        assert imported_instead(package, module) == ""
    assert imported_instead("no-such-package", "json") == ""
    assert "force-reinstall" in remedy_for("torch", "torch", "ImportError: undefined symbol")


def test_the_command_line_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('mine')\n", "utf-8")
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "cnnviz", "losses"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 2
    assert f"{str(tmp_path / 'torch.py')!r} is imported in place of" in done.stderr
