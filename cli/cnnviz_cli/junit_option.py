"""The option of commands with `--fail-on`: a file of JUnit's XML for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnviz.errors import OutputError, UsageError
from cnnviz_cli import output_options
from cnnviz_cli.lazy import shared

if TYPE_CHECKING:
    from cnnviz.gradients.monitor.run_checks import RunChecks
    from cnnviz.results.result import Result

Junit = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write what --fail-on names as test cases, in JUnit's XML, for the pages of "
        "GitLab, Jenkins and others.",
        rich_help_panel=output_options.OUTPUT,
    ),
]
JUNIT = shared("junit", Junit, None)


def checked_place(given: Path | None, out: Path | None, *, asked: bool) -> Path | None:
    """Return the file to write, or None; refuse what could not be written, before any work.

    Parameters
    ----------
    given : Path or None
        What --junit names.
    out : Path or None
        The file, or the folder, that --out names.
    asked : bool
        Whether --fail-on names anything.
    """
    from cnnviz.images.paths import expand
    from cnnviz.results.files import check_before_work

    if given is None:
        return None
    if not asked:
        raise UsageError(
            "--junit writes what --fail-on names, and --fail-on names nothing.",
            "Say what to test for, such as --fail-on vanishing,exploding,dead.",
        )
    place = expand(given)
    if out is not None and out.resolve() in (place.resolve(), *place.resolve().parents):
        raise OutputError(
            f"{str(place)!r} is, or lies in, what --out names.", "Name another file with --junit."
        )
    check_before_work(place)
    return place


def write(place: Path, command: str, result: Result | RunChecks) -> None:
    """Write the checks of a result as test cases of a command, and what is noted of it."""
    from cnnviz.results.checks import junit
    from cnnviz.results.files import write_atomically

    beside: tuple[Result, ...] = getattr(result, "others", ())
    notes = [note for one in (result, *beside) for note in one.remarks()]
    content = junit(command, getattr(result, "checks", ()), tuple(dict.fromkeys(notes)))
    write_atomically(place, lambda path: path.write_bytes(content))
