"""What the command line says, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from cnnviz.bounds import read_whole
from cnnviz.errors import without_long_words

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from cnnviz.results.checks import Checked
    from cnnviz.results.progress import Progress
    from cnnviz.results.result import Result


_WIDTHS = range(10, 10_000)
"""The columns of a terminal that are taken for what they say."""
NOT_MEASURED = 3
"""The exit code where --fail-on has no answer, because something could not be measured."""


def one_line(text: str) -> str:
    """Return `text` without line breaks and other control characters."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def nowhere() -> TextIO:
    """Return a stream that takes what nobody is to see."""
    return Path(os.devnull).open("w", encoding="utf-8")


def say(text: str) -> None:
    """Print one line for people to stderr; where its disk is full, what was found counts still."""
    try:
        typer.echo(text, err=True)
    except BrokenPipeError:
        raise
    except OSError:
        sys.stderr = nowhere()


def use_no_odd_width() -> None:
    """Let the terminal say its width where COLUMNS says none that a text can be set in.

    At 0 nothing at all is printed, not even errors; lines of millions of letters take minutes.
    """
    told = os.environ.get("COLUMNS")
    if told is not None and read_whole(told) not in _WIDTHS:
        del os.environ["COLUMNS"]


def note(text: str) -> None:
    """Print a remark for people on one line of stderr."""
    say(one_line(f"Note: {text}"))


def say_error(what: str, remedy: str = "") -> None:
    """Print what is wrong on one line of stderr, and what to do about it on the next."""
    begins = typer.style("Error: ", fg=typer.colors.RED, bold=True)
    try:
        say(begins + one_line(without_long_words(what)))
        if remedy:
            say(one_line(remedy))
    except BrokenPipeError:  # the exit code says it as well
        sys.stderr = nowhere()


def print_json(data: Any) -> None:
    """Print plain data as JSON to stdout."""
    from cnnviz.results.json_values import pretty

    typer.echo(pretty(data), nl=False)


def print_result(result: Result, written: Path | None) -> None:
    """Print a result as JSON to stdout, and say where its large arrays are.

    Parameters
    ----------
    result : Result
        What was found.
    written : Path, optional
        The file that it was saved as. A ``.json`` or ``.npz`` has the large arrays with it.
    """
    from cnnviz.results.json_values import references
    from cnnviz.results.text import plural

    with_arrays = written is not None and written.suffix.lower() in (".json", ".npz")
    npz = written.with_suffix(".npz") if written is not None and with_arrays else None
    found = result.to_json(npz if npz is not None and npz.is_file() else None)
    print_json(found)
    outside = sum(one["file"] is None for one in references(found))
    if outside:
        note(
            f"This JSON has the shape and range of {plural(outside, 'large array')}; with "
            "--out NAME.json the values are written, to NAME.npz beside it."
        )


def end_on_failure(result: Result | Checked) -> None:
    """End with the exit code of a result that was asked to fail on what it found, where it does."""
    if getattr(result, "unanswered", False):
        unknown = [one for one in getattr(result, "checks", ()) if one.state == "not measured"]
        names = ", ".join(dict.fromkeys(one.name for one in unknown))
        say(one_line(f"Not measured, so that there is no saying: {names or '--fail-on'}."))
    failed = getattr(result, "failed", ())
    if failed:
        # A check in continuous integration.
        say(one_line(f"Failed on: {', '.join(failed)}."))
        raise typer.Exit(1)
    if getattr(result, "unanswered", False):
        raise typer.Exit(NOT_MEASURED)


def is_interactive() -> bool:
    """Whether a person is watching stderr."""
    return sys.stderr.isatty()


def _console(*, err: bool) -> Console:
    from rich.console import Console

    # A table that goes to a file or a pipe keeps its columns whole, however many there are.
    stream = sys.stderr if err else sys.stdout
    return Console(stderr=err, highlight=False, width=None if stream.isatty() else 200)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", caption: str = ""
) -> None:
    """Print rows under headings to stdout; columns of numbers are set flush right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        caption=Text(caption) if caption else None,
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    for index, heading in enumerate(columns):
        cells = [str(row[index]) for row in rows]
        side: JustifyMethod = "right" if all(map(_is_number, cells)) and cells else "left"
        table.add_column(Text(heading), justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    _console(err=False).print(table)


def print_names(names: Sequence[str]) -> None:
    """Print names to stdout: in columns for a person, one on a line for a program."""
    if not sys.stdout.isatty():
        typer.echo("\n".join(f"  {name}" for name in names))
        return
    from rich.columns import Columns
    from rich.padding import Padding
    from rich.text import Text

    columns = Columns([Text(name) for name in names], column_first=True, padding=(0, 2))
    _console(err=False).print(Padding(columns, (0, 0, 0, 2)))


def _is_number(cell: str) -> bool:
    bare = cell.removesuffix("%").strip().replace(",", "").replace("\u202f", "")
    head = bare.split(" ")[0]
    return head in {"", "-", "–", "—"} or head.lstrip("+-−").replace(".", "", 1).isdigit()


@contextmanager
def working(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done for as long as it lasts; hidden by `quiet` or without a terminal.

    What anybody prints meanwhile, such as the code of a user's network, goes to stderr.
    """
    with redirect_stdout(sys.stderr):
        if quiet or not is_interactive():
            yield lambda what: None
            return
        with _console(err=True).status("Starting") as status:
            yield lambda what: status.update(what)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """Show a bar for the whole of a job; hidden by `quiet` or without a terminal.

    What anybody prints meanwhile, such as the code of a user's network, goes to stderr.
    """
    with redirect_stdout(sys.stderr):
        if quiet or not is_interactive():
            yield lambda done, total, what: None
            return
        with _bar() as progress:
            yield progress


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bars(*columns, console=_console(err=True), transient=True) as bars:
        task = bars.add_task("Starting", total=None)

        def show(done: int, total: int, what: str) -> None:
            bars.update(task, completed=done, total=total, description=what)

        yield show


def quieten_other_packages() -> None:
    """Keep the warnings of other packages off the terminal; our own and -W stay in force."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module=r"cnnviz(_cli)?(\.|$)")
    # Its first run builds a cache of fonts and warns that this takes a moment.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
