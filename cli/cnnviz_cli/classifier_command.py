"""`cnnviz evaluate-classifier`: how good a classifier is over labelled images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cnnviz import bounds
from cnnviz.bounds import EXPLAINED_ANSWERS, Within
from cnnviz_cli import labelled_command
from cnnviz_cli.junit_option import JUNIT
from cnnviz_cli.kept_help import kept
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import one_line, print_table, say

if TYPE_CHECKING:
    from cnnviz.evaluation import ClassifierEvaluation
    from cnnviz.reports import Report

SUMMARY = "Measure a classifier: error rates, confusions, ROC curves, calibration, with intervals."
HELP = """Measure a classifier over labelled images.

Writes a folder with a page, evaluation.json and evaluation.npz with every number and probability,
classes.csv with the measures of each class, errors.csv with every wrong answer, and the picture.
With --json or --csv, and without --out, nothing is written and nothing explained. The last line of
stdout is the path of the page to open."""
_OUT = "cnnviz-classifier"
_SHOWN = 12

Top = Annotated[
    list[int] | None,
    Within(1, 10**6),
    typer.Option(
        "--top",
        metavar="K",
        help="Tell how often the label is not among the K likeliest classes; may be given several "
        "times; 1 and 5 without it.",
        show_default=False,
    ),
]
Explain = Annotated[
    int,
    EXPLAINED_ANSWERS,
    typer.Option(help="How many of the surest wrong answers get heatmaps."),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Exit with 1 where this holds, such as 'error-rate>0.3', in quotes; may be given "
        "several times.",
        show_default=False,
    ),
]
Seed = Annotated[
    bounds.Seed,
    typer.Option(help="The seed of the calibration error that comes about by chance."),
]


class Said(msgspec.Struct, frozen=True):
    """The measures that there are, and how many wrong answers are explained without --explain."""

    measures: tuple[str, ...]
    explained: int


def said() -> Said:
    """Return what the help says of the library."""
    from cnnviz.evaluation.classifier.conditions import NAMES
    from cnnviz.evaluation.classifier.run import EXPLAINED

    return Said(tuple(NAMES), EXPLAINED)


def build() -> Callable[..., Any]:
    """Return the command, with the measures that there are in its help."""
    known = kept("evaluate-classifier", "cnnviz.evaluation", Said, said)
    own = [
        shared("top", Top, None),
        shared("explain", Explain, known.explained),
        shared("fail_on", FailOn, None),
        shared("seed", Seed, 0),
        JUNIT,
    ]
    parameters = labelled_command.parameters(own, _OUT, "the measures of each class")
    told = f"\n\n--fail-on takes a measure, < or >, and a number: {', '.join(known.measures)}."
    return with_signature(_run, parameters, HELP + told)


def _run(values: dict[str, Any]) -> None:
    if values["fail_on"]:
        from cnnviz.evaluation.classifier.conditions import read_conditions

        read_conditions(values["fail_on"])
    labelled_command.run(
        values,
        _library,
        _show,
        folder=_OUT,
        numbers="evaluation.json",
        explain=values["explain"],
        command="evaluate-classifier",
        top=values["top"],
        fail_on=values["fail_on"],
        seed=values["seed"],
    )


def _library() -> tuple[Callable[..., ClassifierEvaluation], Callable[..., Report]]:
    from cnnviz.evaluation import evaluate_classifier
    from cnnviz.reports import classifier_report

    return evaluate_classifier, classifier_report


def _show(found: ClassifierEvaluation) -> None:
    from cnnviz.results.text import three_digits

    of = {one.index: one for one in found.rankings}
    rows = [
        [
            one.name,
            f"{one.labelled:,}",
            str(one.recall),
            str(one.precision),
            of[one.index].auc.written(three_digits) if one.index in of else "–",
        ]
        for one in found.least_recalled[:_SHOWN]
    ]
    more = len(found.measures) - len(rows)
    print_table(
        ["class", "images", "recall", "precision", "area under ROC"],
        rows,
        caption=f"{more:,} more are in classes.csv." if more > 0 else "",
    )
    say(one_line(found.summary()))
