"""`cnnviz errors`: the wrong answers of a classifier, worst first, on a page to leaf through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz_cli import options
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import note, one_line, print_result, print_table, progress_bar, say
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.evaluation import ErrorAnalysis

SUMMARY = "Find where a classifier is wrong: the worst answers explained, and what is mixed up."
HELP = """Find the wrong answers of a classifier over labelled images, worst first.

Writes a folder with a page to leaf through and filter, errors.csv with every wrong answer,
classes.csv with recall and precision of each class, and errors.json. With --json or --csv, and
without --out, nothing is written and nothing explained. The last line of stdout is the path of the
page to open."""
_OUT = "cnnviz-errors"
_SHOWN = 10

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="DATA",
        help="Labelled images: a folder with a folder for each class, a pattern such as "
        "'val/*/*.jpg', a CSV file with the columns path and label, tar shards, or 'shapes', which "
        "a network for it takes without any.",
        show_default=False,
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="CLASS",
        help="Only wrong answers about this class, as what is right or as what is answered; may be "
        "given several times.",
        show_default=False,
    ),
]
Pair = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="TRUTH ANSWER",
        help="Only images of the one class that were taken for the other.",
        show_default=False,
    ),
]
Confident = Annotated[
    float,
    typer.Option(
        min=0.0, max=1.0, help="Only wrong answers that the network is at least so sure of."
    ),
]
Worst = Annotated[
    int, typer.Option("--worst", min=0, help="How many of the worst answers are explained.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help=f"The folder to make; {_OUT} without it.",
        rich_help_panel=options.OUTPUT,
    ),
]
AsCsv = Annotated[
    bool,
    typer.Option(
        "--csv", help="Print the wrong answers to stdout as CSV.", rich_help_panel=options.OUTPUT
    ),
]


def build() -> Callable[..., Any]:
    """Return the command, with the orders that there are in its help."""
    from cnnviz.evaluation.mistakes.result import ORDERS
    from cnnviz.evaluation.mistakes.run import EXPLAINED

    said = "; ".join(f"{name}: {words}" for name, words in ORDERS.items())
    order = Annotated[str, typer.Option(metavar="ORDER", help=f"What is worst. {said}.")]
    parameters = [
        shared("data", Data, None),
        shared("count", options.count_of("all of them"), None),
        shared("workers", options.Workers, None),
        shared("classes", Classes, None),
        shared("pair", Pair, None),
        shared("confident", Confident, 0.0),
        shared("order", order, "confidence"),
        shared("worst", Worst, EXPLAINED),
        *options.NETWORK_AND_WEIGHTS,
        shared("out", Out, None),
        shared("force", options.Force, False),
        shared("as_json", options.AsJson, False),
        shared("as_csv", AsCsv, False),
        shared("quiet", options.Quiet, False),
    ]
    return with_signature(_run, parameters, HELP)


def _run(values: dict[str, Any]) -> None:
    from cnnviz.datasets import open_dataset
    from cnnviz.evaluation import error_analysis
    from cnnviz.reports import error_report

    out = options.report_folder(values, _OUT)
    if values["data"] is not None:
        open_dataset(values["data"], 1)  # what there is not is refused before the network is loaded
    guesses = Guesses()
    with progress_bar(values["quiet"]) as progress:
        progress(0, 1, "loading the network")
        model = guesses.of(options.model_of(values))
        found = error_analysis(
            model,
            options.data_or_shapes(None, values["data"], model),
            count=values["count"],
            classes=values["classes"],
            pair=values["pair"],
            confident=values["confident"],
            order=values["order"],
            explain=0 if out is None else values["worst"],
            workers=values["workers"],
            progress=guesses.at_first_step(progress),
        )
        page = None
        if out is not None:
            saved = error_report(found, progress=progress).save(out, force=values["force"])
            page = saved.page
    guesses.tell()
    for remark in found.provenance.notes:
        if remark != model.doubt:  # which was told already
            note(remark)
    if values["as_json"]:
        print_result(found, None if out is None else out / "errors.json")
    elif values["as_csv"]:
        typer.echo(found.table().to_csv(), nl=False)
    else:
        _show(found)
        typer.echo(page)


def _show(found: ErrorAnalysis) -> None:
    from cnnviz.results.text import percent

    rows = [
        [one.image, one.truth, one.answer, percent(one.confidence), percent(one.truth_probability)]
        for one in found.mistakes[:_SHOWN]
    ]
    if rows:
        more = len(found.mistakes) - len(rows)
        print_table(
            [
                "image",
                "right answer",
                "network's answer",
                "probability of its answer",
                "probability of the right one",
            ],
            rows,
            caption=f"{more:,} more are in errors.csv." if more > 0 else "",
        )
    say(one_line(found.summary()))
