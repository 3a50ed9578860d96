"""`cnnviz errors`: the wrong answers of a classifier, worst first, on a page to leaf through."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cnnviz.bounds import EXPLAINED_ANSWERS, Within
from cnnviz_cli import labelled_command
from cnnviz_cli.kept_help import kept
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import one_line, print_table, say

if TYPE_CHECKING:
    from cnnviz.evaluation import ErrorAnalysis
    from cnnviz.reports import Report

SUMMARY = "Find where a classifier is wrong: the worst answers explained, and confusions."
HELP = """Find the wrong answers of a classifier over labelled images, worst first.

Writes a folder with a page to leaf through and filter, errors.csv with every wrong answer,
classes.csv with recall and precision of each class, and errors.json. With --json or --csv, and
without --out, nothing is written and nothing explained. The last line of stdout is the path of the
page to open."""
_OUT = "cnnviz-errors"
_SHOWN = 10

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
    Within(0.0, 1.0),
    typer.Option(help="Only wrong answers that the network is at least so sure of."),
]
Worst = Annotated[
    int,
    EXPLAINED_ANSWERS,
    typer.Option("--worst", help="How many of the worst answers are explained."),
]


class Said(msgspec.Struct, frozen=True):
    """The orders that there are, and how many wrong answers are explained without --worst."""

    orders: dict[str, str]
    explained: int


def said() -> Said:
    """Return what the help says of the library."""
    from cnnviz.evaluation.mistakes.result import ORDERS
    from cnnviz.evaluation.mistakes.run import EXPLAINED

    return Said({str(name): words for name, words in ORDERS.items()}, EXPLAINED)


def build() -> Callable[..., Any]:
    """Return the command, with the orders that there are in its help."""
    told = kept("errors", "cnnviz.evaluation", Said, said)
    orders = "; ".join(f"{name}: {words}" for name, words in told.orders.items())
    order = Annotated[str, typer.Option(metavar="ORDER", help=f"What is worst. {orders}.")]
    own = [
        shared("classes", Classes, None),
        shared("pair", Pair, None),
        shared("confident", Confident, 0.0),
        shared("order", order, "confidence"),
        shared("worst", Worst, told.explained),
    ]
    parameters = labelled_command.parameters(own, _OUT, "the wrong answers")
    return with_signature(_run, parameters, HELP)


def _run(values: dict[str, Any]) -> None:
    labelled_command.run(
        values,
        partial(_library, values["order"]),
        _show,
        folder=_OUT,
        numbers="errors.json",
        explain=values["worst"],
        classes=values["classes"],
        pair=values["pair"],
        confident=values["confident"],
        order=values["order"],
    )


def _library(order: str) -> tuple[Callable[..., ErrorAnalysis], Callable[..., Report]]:
    from cnnviz.evaluation import error_analysis
    from cnnviz.evaluation.mistakes.run import check_order
    from cnnviz.reports import error_report

    check_order(order)
    return error_analysis, error_report


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
                found.noun,
                "right answer",
                "network's answer",
                "probability of its answer",
                "probability of the right one",
            ],
            rows,
            caption=f"{more:,} more are in errors.csv." if more > 0 else "",
        )
    say(one_line(found.summary()))
