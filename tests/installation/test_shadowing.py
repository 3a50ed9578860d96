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


@pytest.mark.parametrize("linked", ["a file", "a folder", "the environment"])
def test_a_package_that_was_installed_as_links_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    store, site = tmp_path / "store", tmp_path / "site"
    (store / "drawn").mkdir(parents=True)
    (store / "drawn" / "__init__.py").touch()
    (store / "drawn-1.dist-info").mkdir()
    (store / "drawn-1.dist-info" / "METADATA").write_text("Name: drawn\nVersion: 1\n", "utf-8")
    if linked == "the environment":
        site.symlink_to(store)
    else:
        site.mkdir()
        (site / "drawn-1.dist-info").symlink_to(store / "drawn-1.dist-info")
        if linked == "a folder":
            (site / "drawn").symlink_to(store / "drawn")
        else:
            (site / "drawn").mkdir()
            (site / "drawn" / "__init__.py").symlink_to(store / "drawn" / "__init__.py")
    monkeypatch.syspath_prepend(site)
    assert imported_instead("drawn", "drawn") == ""
    mine = tmp_path / "mine" / "drawn.py"
    mine.parent.mkdir()
    mine.touch()
    monkeypatch.syspath_prepend(mine.parent)
    assert imported_instead("drawn", "drawn") == str(mine)


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
