"""What the commands over labelled images share: options, and a page or numbers of what is found."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cnnviz.errors import OutputError, UsageError
from cnnviz_cli import junit_option, network_options, output_options, photo_options
from cnnviz_cli.chosen_data import check_data
from cnnviz_cli.lazy import shared
from cnnviz_cli.report_options import Force
from cnnviz_cli.several_processes import done_together
from cnnviz_cli.terminal import end_on_failure, note, print_result, progress_bar, say
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.evaluation.answers.result import CountedAnswers
    from cnnviz.reports.document import Report
    from cnnviz.results.picture_style import PictureStyle

Counted = TypeVar("Counted", bound="CountedAnswers")

Data = Annotated[
    str | None,
    photo_options.data_of(
        "Labelled images",
        ", which a network for it takes without any. A folder has a folder for each class. Of "
        "signals and volumes a folder, a pattern or a CSV file of .npy, .npz, .pt or .wav files.",
    ),
]


Figure = Annotated[
    Path | None,
    typer.Option(
        "--figure",
        metavar="FILE",
        help="A file to write the picture to as well, for a paper or a slide, .pdf, .svg or .png: "
        "in the size and letters that the options below ask for.",
        rich_help_panel=output_options.OUTPUT,
        show_default=False,
    ),
]


def parameters(
    own: Sequence[inspect.Parameter], folder: str, rows: str
) -> tuple[inspect.Parameter, ...]:
    """Return the options of such a command.

    Parameters
    ----------
    own : sequence of Parameter
        Those that it does not share.
    folder : str
        The folder that it makes without --out.
    rows : str
        What --csv prints.
    """
    out = typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help=f"The folder to make; {folder} without it.",
        rich_help_panel=output_options.OUTPUT,
    )
    as_csv = typer.Option(
        "--csv",
        help=f"Print {rows} to stdout as CSV.",
        rich_help_panel=output_options.OUTPUT,
    )
    return (
        shared("data", Data, None),
        *photo_options.LONG_RUN.values(),
        *own,
        *network_options.NETWORK_AND_WEIGHTS,
        shared("out", Annotated[Path | None, out], None),
        shared("force", Force, False),
        shared("figure", Figure, None),
        *output_options.PICTURE,
        shared("as_json", output_options.AsJson, False),
        shared("as_csv", Annotated[bool, as_csv], False),
        shared("quiet", output_options.Quiet, False),
    )


def run(
    values: dict[str, Any],
    library: Callable[[], tuple[Callable[..., Counted], Callable[..., Report]]],
    show: Callable[[Counted], None],
    *,
    folder: str,
    numbers: str,
    explain: int,
    command: str = "",
    **asked: Any,
) -> None:
    """Find what a command is about, and write its page or print its numbers.

    Parameters
    ----------
    values : dict
        The values of the options.
    library : callable
        Imports the function of the library, which takes `asked`, and what makes a report of what
        it found.
    show : callable
        Prints what was found for a person.
    folder : str
        The folder that is made without --out.
    numbers : str
        The JSON file in it.
    explain : int
        How many wrong answers are explained on the page.
    command : str
        What its test cases are called after, where it has any.
    **asked
        What else the function is asked for.

    Raises
    ------
    UsageError
        If both --json and --csv are given, or a style of a figure that is not written or cannot be.
    OutputError
        If the folder cannot be made, or holds what may not be replaced, or the figure cannot be
        written.
    """
    with done_together() as tells:
        out = _folder(values, folder) if tells else None
        figure, style = _figure(values, out)
        tests = junit_option.checked_place(
            values.get("junit"), out, asked=bool(values.get("fail_on"))
        )
        check_data(None, values["data"], values["count"])
        find, report = library()
        guesses = Guesses()
        with progress_bar(values["quiet"]) as progress:
            progress(0, 1, "loading the network")
            model = guesses.of(network_options.model_of(values))
            found = find(
                model,
                photo_options.data_or_shapes(None, values["data"], model),
                count=values["count"],
                explain=0 if out is None else explain,
                workers=values["workers"],
                shard=values["shard"],
                state=values["state"],
                progress=guesses.at_first_step(progress),
                **asked,
            )
            page = None
            if out is not None:
                page = report(found, progress=progress).save(out, force=values["force"]).page
            if figure is not None and tells:
                output_options.write_styled(found, figure, style)
                say(f"The figure is {str(figure)!r}.")
            if tests is not None and tells:
                junit_option.write(tests, command, found)
        guesses.tell()
        for remark in found.remarks():
            if remark != model.doubt:  # which was told already
                note(remark)
        _print(found, values, None if out is None else out / numbers, show, page)
        end_on_failure(found)


def _print(
    found: Counted,
    values: dict[str, Any],
    written: Path | None,
    show: Callable[[Counted], None],
    page: Path | None,
) -> None:
    """Print the numbers as they are asked for, or else for a person, with the page's place."""
    if values["as_json"]:
        print_result(found, written)
    elif values["as_csv"]:
        typer.echo(found.table().to_csv(), nl=False)
    else:
        show(found)
        typer.echo(page)


def _folder(values: dict[str, Any], otherwise: str) -> Path | None:
    """Return the folder for the page; None where the command only prints, --json or --csv."""
    from cnnviz.reports import check_destination

    printed = values["as_json"] or values["as_csv"]
    if values["as_json"] and values["as_csv"]:
        raise UsageError("Both --json and --csv are given.", "Give one of the two.")
    out: Path | None = values["out"] or (None if printed else Path(otherwise))
    if out is not None:
        check_destination(out, force=values["force"])
    return out


def _figure(values: dict[str, Any], out: Path | None) -> tuple[Path | None, PictureStyle]:
    """Return the file of the figure, if one is asked for, and its style; refuse what cannot be."""
    from cnnviz.images.paths import expand
    from cnnviz.results.files import check_before_work
    from cnnviz.results.picture_style import PICTURE_SUFFIXES, PictureStyle
    from cnnviz.results.suffixes import check_suffix

    style = output_options.style_of(values)
    if values["figure"] is None:
        if style != PictureStyle():
            raise UsageError(
                "Size, dpi, letters and title are those of a figure for a paper, beside the page.",
                "Name its file with --figure, such as --figure measures.pdf.",
            )
        return None, style
    figure = expand(values["figure"])
    check_suffix(figure, PICTURE_SUFFIXES)
    if out is not None and out.resolve() in figure.resolve().parents:
        raise OutputError(
            f"{str(figure)!r} would lie in the folder of the page, which is replaced as a whole.",
            "Name a file outside of it with --figure.",
        )
    check_before_work(figure)
    return figure, style
