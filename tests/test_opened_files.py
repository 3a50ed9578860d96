"""Whatever opens a file that somebody names does it in one place, which waits for no pipe."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnviz.results import given_files
from cnnviz.results.given_files import given_bytes, given_sha256, given_text, open_given

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("cnnviz", "cli/cnnviz_cli", "gallery/cnnviz_gallery")
READS = {"read_text", "read_bytes"}
OPENS = {
    ("np", "load"),
    ("torch", "load"),
    ("export", "load"),
    ("Image", "open"),
    ("wave", "open"),
    ("tarfile", "open"),
    ("zipfile", "ZipFile"),
    ("zipfile", "is_zipfile"),
    ("ET", "parse"),
}
_NAMES = "|".join(sorted({"open", "load_file", *READS, *(name for _, name in OPENS)}))
MAY_OPEN = re.compile(rf"\b(?:{_NAMES})\(")
WRITES = {"w", "wb", "a", "x"}
OWN = "a file, or bytes, that cnnviz itself has just written"
PACKAGED = "a file of an installed package"
CHECKED = "looked at first with check_ordinary, or handed what open_given has opened"
ELSEWHERE = {
    "cli/cnnviz_cli/kept_stdout.py": "files of the system, such as /dev/null",
    "cli/cnnviz_cli/kept_help.py": PACKAGED,
    "cnnviz/course/slid_over.py": CHECKED,
    "cnnviz/datasets/files.py": CHECKED,
    "cnnviz/datasets/mask_files.py": CHECKED,
    "cnnviz/datasets/tar_members.py": CHECKED,
    "cnnviz/images/decoding.py": CHECKED,
    "cnnviz/images/number_files.py": CHECKED,
    "cnnviz/installation/devices.py": "files of the system, such as /proc",
    "cnnviz/installation/packages.py": PACKAGED,
    "cnnviz/installation/shadowing.py": PACKAGED,
    "cnnviz/lectures/slides.py": OWN,
    "cnnviz/models/checkpoints.py": CHECKED,
    "cnnviz/models/exported_programs.py": CHECKED,
    "cnnviz/models/files.py": "a function of cnnviz that is called so",
    "cnnviz/models/torchscript_files.py": "only where it is an ordinary file",
    "cnnviz/pages/html_assets.py": PACKAGED,
    "cnnviz/pages/scripts.py": PACKAGED,
    "cnnviz/passes/malloc.py": "files of the system, such as /proc",
    "cnnviz/reports/document.py": OWN,
    "cnnviz/reports/own_files.py": CHECKED,
    "cnnviz/reports/pictures.py": OWN,
    "cnnviz/results/animation.py": OWN,
    "cnnviz/results/files.py": "opened to be written",
    "cnnviz/results/given_files.py": "the place itself",
    "cnnviz/results/process_locks.py": "what its caller has just opened to be written",
    "cnnviz/results/result.py": OWN,
    "cnnviz/results/resume_store.py": CHECKED,
    "cnnviz/testing/laws.py": OWN,
    "cnnviz/testing/trial.py": OWN,
    "cnnviz/units/visualization/store.py": OWN,
    "cnnviz/views/plugins.py": PACKAGED,
    "gallery/cnnviz_gallery/scan/scan_result.py": CHECKED,
    "gallery/cnnviz_gallery/site/publish.py": OWN,
    "gallery/cnnviz_gallery/site/sprites.py": "bytes that were read before",
}
"""Files that open something themselves, and why they may."""


def opened(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that open something to be read, and how."""
    text = file.read_text("utf-8")
    if not MAY_OPEN.search(text):
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in ("open", "load_file"):
            yield node.lineno, called.id
        if not isinstance(called, ast.Attribute):
            continue
        over = called.value
        owner = over.id if isinstance(over, ast.Name) else getattr(over, "attr", "")
        written = [one.value for one in node.args if isinstance(one, ast.Constant)]
        plain = called.attr == "open" and not WRITES & set(written)
        if plain or called.attr in READS or (owner, called.attr) in OPENS:
            yield node.lineno, ast.unparse(node)


def test_no_file_is_opened_anywhere_else() -> None:
    found = {
        str(file.relative_to(ROOT).as_posix()): f"line {line}: {how}"
        for source in SOURCES
        for file in (ROOT / source).rglob("*.py")
        for line, how in opened(file)
    }
    assert {file: how for file, how in found.items() if file not in ELSEWHERE} == {}
    assert [file for file in ELSEWHERE if file not in found] == []


def test_what_was_looked_at_is_looked_at_where_it_is_opened() -> None:
    for file, why in ELSEWHERE.items():
        if why == CHECKED and file != "cnnviz/images/decoding.py":
            text = (ROOT / file).read_text("utf-8")
            assert "open_given(" in text or "check_ordinary(" in text, file


@pytest.mark.parametrize("read", [open_given, given_bytes, given_text, given_sha256])
def test_what_is_no_ordinary_file_is_refused_and_not_waited_for(read, tmp_path: Path) -> None:
    pipe, link, loop = (tmp_path / name for name in ("pipe", "link", "loop"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
        link.symlink_to(pipe)
        for path in (pipe, link):
            with pytest.raises(OSError, match="not an ordinary file"):
                read(path)
    loop.symlink_to(loop)
    for path in (Path("/dev/zero"), Path(os.devnull), loop, tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError, match=r"."):
            read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_has_become_a_pipe_meanwhile_is_not_waited_for(tmp_path: Path, monkeypatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(given_files, "check_ordinary", lambda path: None)
    with pytest.raises(OSError, match="not an ordinary file"):
        open_given(tmp_path / "pipe")


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "hole"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # a terabyte that takes no place
    with pytest.raises(OSError, match="it has more than 16 MB"):
        given_text(path)
    with pytest.raises(OSError, match="it has more than 4 GB"):
        given_bytes(path)
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree")
    assert given_text(path) == "one\ntwo\nthree"
    assert given_bytes(path, path.stat().st_size).startswith(b"\xef\xbb\xbf")
