"""Folders that cnnviz reads and writes, what hides a package in them, and what opens a page."""

from __future__ import annotations

import os
import shutil
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from cnnviz.installation.finding import Finding
from cnnviz.installation.packages import REQUIRED
from cnnviz.installation.probes import Facts
from cnnviz.results.text import file_size, plural

PLACES = "folders"
SETTINGS = "settings"
_LEAST_SPACE = 10**9
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def place_findings() -> Iterator[Finding]:
    """Tell of the folders that results, temporary files and weights go to."""
    yield _writable(
        "this folder", Path.cwd(), "Go to a folder of your own, or name one with --out."
    )
    yield from _hiding(Path.cwd())
    temporary = Path(tempfile.gettempdir())
    yield _writable("temporary files", temporary, "Name another folder in TMPDIR.")
    yield from _weights()
    nothing = "there is none: results lie where you say, and nowhere else"
    yield Finding(PLACES, "cache of cnnviz", "ok", nothing)
    hub = Path(os.environ.get("HF_HOME") or _cache() / "huggingface")
    if hub.is_dir():
        yield Finding(PLACES, "cache of Hugging Face", "ok", f"{hub}, {file_size(_size(hub))}")


def setting_findings(matplotlib: Facts) -> Iterator[Finding]:
    """Tell what pictures are drawn with, and what shows a page."""
    if "error" not in matplotlib:
        told = f"{matplotlib['settings']}, backend {matplotlib['backend']}"
        yield Finding(SETTINGS, "settings of matplotlib", "ok", told)
        yield _font(matplotlib)
        cache = Path(matplotlib["cache"])
        if _made_for_this_run(cache):
            told = f"{cache}, which is lost: fonts are searched anew each time"
            remedy = "Name a folder that stays in MPLCONFIGDIR."
            yield Finding(SETTINGS, "cache of matplotlib", "note", told, remedy)
    yield from _browsers()


def _made_for_this_run(cache: Path) -> bool:
    """Tell whether a cache is what matplotlib makes, and deletes, where it may write nowhere."""
    temporary = Path(tempfile.gettempdir()).resolve()
    return cache.resolve().parent == temporary and cache.name.startswith("matplotlib-")


def _font(matplotlib: Facts) -> Finding:
    if not matplotlib["font"]:
        told = f"none of {matplotlib['family']} is installed; another one is taken"
        remedy = "Install it, or name another with font.family in the file matplotlibrc."
        return Finding(SETTINGS, "font of pictures", "note", told, remedy)
    return Finding(
        SETTINGS, "font of pictures", "ok", f"{matplotlib['family']}: {matplotlib['font']}"
    )


def _browsers() -> Iterator[Finding]:
    try:
        found = webbrowser.get().name
    except webbrowser.Error:
        found = ""
    told = f"{found} opens reports, galleries and the explorer"
    if not found:
        told = (
            "none is set up here. Reports, galleries and the explorer are files: open them on any "
            "machine with a browser, without a server or a connection"
        )
    yield Finding(SETTINGS, "browser", "ok", told)
    chromium = next(filter(None, map(shutil.which, _BROWSERS)), "")
    told = f"{chromium} runs them" if chromium else "no Chromium, so that they are left out"
    yield Finding(SETTINGS, "tests of pages in `make test`", "ok", told)


def _writable(subject: str, folder: Path, remedy: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"1")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        told = f"{folder} cannot be written to: {error.strerror or error}"
        return Finding(PLACES, subject, "broken", told, remedy)
    told = f"{folder}, {file_size(free)} free"
    if free < _LEAST_SPACE:
        return Finding(PLACES, subject, "note", told, "Make room: a gallery takes a gigabyte.")
    return Finding(PLACES, subject, "ok", told)


def _hiding(folder: Path) -> Iterator[Finding]:
    """Tell of files that a Python started here imports in place of a package."""
    names = {module for module, _ in REQUIRED.values()}
    hiding = sorted(
        path.name
        for path in folder.glob("*.py")
        if path.stem in names and not (folder / "__init__.py").exists()
    )
    if hiding:
        told = f"{', '.join(hiding)} is imported in place of the package of that name"
        yield Finding(PLACES, "names in this folder", "note", told, "Give the file another name.")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def weights_folder() -> Path:
    """Return where torch keeps downloaded weights, without asking it: it may not work."""
    home = os.environ.get("TORCH_HOME")
    return (Path(home).expanduser() if home else _cache() / "torch") / "hub" / "checkpoints"


def _weights() -> Iterator[Finding]:
    folder = weights_folder()
    subject = "downloaded weights"
    try:
        files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    except OSError as error:
        told = f"{folder} cannot be read: {error.strerror}"
        yield Finding(PLACES, subject, "broken", told, "Name another folder in TORCH_HOME.")
        return
    size = file_size(sum(path.stat().st_size for path in files))
    told = f"{folder}, {plural(len(files), 'file')}, {size}" if files else f"{folder}, none yet"
    if not os.access(_nearest(folder), os.W_OK):
        remedy = "Weights that are not there cannot be downloaded: name another in TORCH_HOME."
        yield Finding(PLACES, subject, "note", f"{told}; it cannot be written to", remedy)
    else:
        yield Finding(PLACES, subject, "ok", told)
    broken = [path for path in files if path.suffix == ".partial"]
    if broken:
        told = f"{plural(len(broken), 'file')} in {folder}, of downloads that were cut off"
        yield Finding(PLACES, "unfinished downloads", "note", told, "Delete the files *.partial.")


def _nearest(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
