"""The folder of a report: filled out of sight, then moved into place whole."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnviz.errors import OutputError
from cnnviz.reports.own_files import MANIFEST, is_own
from cnnviz.results.files import DUST, check_can_write_in, check_parent
from cnnviz.results.given_files import given_bytes, given_sha256
from cnnviz.results.termination import cleared_on_sigterm

FORMAT = "cnnviz report"


def check_destination(directory: str | Path, *, force: bool = False) -> Path:
    """Return the real path of the folder that a report will fill, or say why it cannot.

    Call it before a long computation: `Report.save` would only find out afterwards.

    Parameters
    ----------
    directory : str or Path
        The folder to be. The folder above it must exist.
    force : bool
        Whether a report that is already there may be replaced.

    Raises
    ------
    OutputError
        If something is there that may not be replaced, or the folder cannot be made.
    """
    from cnnviz.images.paths import expand
    from cnnviz.results.suffixes import check_folder_name

    target = expand(directory).resolve()
    check_folder_name(target)
    check_parent(target, " the report")
    check_can_write_in(target.parent)
    if target.exists():
        _check_replaceable(target, force)
    return target


def _check_replaceable(target: Path, force: bool) -> None:
    if not target.is_dir():
        raise OutputError(f"{str(target)!r} is a file.", "Name a folder for the report.")
    if target == Path.cwd():
        raise OutputError(
            "A report cannot replace the folder you are working in.",
            "Name a folder inside it, such as 'report'.",
        )
    # The first tells: what is named by mistake may be a whole disk, and is not to be walked.
    if next(_present(target), None) is None:
        return
    listed = _listed(target)
    if listed is None:
        raise OutputError(
            f"The folder {str(target)!r} is not empty and is not a cnnviz report.",
            "Name another folder: only a report is ever replaced.",
        )
    if not force:
        raise OutputError(
            f"There already is a report in {str(target)!r}.",
            "Give force=True to replace it, or name another folder.",
            option="Add --force to replace it, or name another folder.",
        )
    manifest = target / MANIFEST
    strangers = sorted(
        path.relative_to(target).as_posix()
        for path in _present(target)
        if not is_own(path, target) or (path != manifest and _digest(path) != listed.get(path))
    )
    if strangers:
        raise OutputError(
            f"The report in {str(target)!r} is kept: {strangers[0]!r} in it is not part of it, or "
            "has been changed since.",
            "Move that file elsewhere, or name another folder.",
        )


def _present(target: Path) -> Iterator[Path]:
    """Yield the files in a folder, and all links, but for what desktops leave there."""
    for path in target.rglob("*"):
        if (path.is_symlink() or not path.is_dir()) and path.name not in DUST:
            yield path


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file: only what is as it was written is replaced."""
    if path.is_symlink() or not path.is_file():
        return "no file that was written here"
    return given_sha256(path)


def _listed(target: Path) -> dict[Path, str] | None:
    """Return the digests of the files that a report lists, or None where there is no report."""
    try:
        manifest: Any = json.loads(given_bytes(target / MANIFEST))
        if manifest["format"] != FORMAT:
            return None
        return {target / entry["path"]: str(entry["sha256"]) for entry in manifest["files"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


@contextmanager
def staged(directory: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Hand out an empty folder beside `directory`, and move it there if the body succeeds.

    Whatever ends the body early, Ctrl-C included, leaves nothing behind and an older report as it
    was.

    Raises
    ------
    OutputError
        As `check_destination`, or if writing fails.
    """
    with cleared_on_sigterm():
        yield from _staged(directory, force)


def _staged(directory: str | Path, force: bool) -> Iterator[Path]:
    target = check_destination(directory, force=force)
    staging: Path | None = None
    try:
        staging = _hidden_beside(target)
        staging.mkdir()
        yield staging
        check_destination(directory, force=force)
        _move_into_place(staging, target)
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to {str(target)!r}: {error.strerror or error}.",
            "Check the free space and the permissions, or name another place.",
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _move_into_place(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    old = _hidden_beside(target)
    target.rename(old)
    try:
        staging.rename(target)
    except BaseException:
        if not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _hidden_beside(target: Path) -> Path:
    # Not tempfile.mkdtemp: it makes folders that nobody else may read.
    return target.parent / f".{target.name[:40]}-{secrets.token_hex(4)}"
