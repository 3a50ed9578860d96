"""What the network answers, and how sure it is."""

from __future__ import annotations

import math

from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.text import percent
from cnnviz.views.predictions import Predictions, predictions

SHOWN = 10


def build(context: Context) -> Section:
    """Show the likeliest classes as bars and as a table."""
    subject = context.image
    result = predictions(subject.capture, SHOWN)
    return Section(
        key="predictions",
        title=context.title,
        anchor=context.anchor("predictions"),
        lead=(_verdict(result, context),),
        pictures=(
            Picture.of(result, f"{subject.slug}-predictions", "The likeliest classes", wide=False),
        ),
        tables=(_table(result),),
        subject=subject.slug,
    )


def _verdict(result: Predictions, context: Context) -> str:
    best = result.names[0][0]
    said = f"{context.model.name} answers {best} with {percent(float(result.probabilities[0, 0]))}"
    if result.classes.shape[1] > 1:
        second = percent(float(result.probabilities[0, 1]))
        said += f", ahead of {result.names[0][1]} with {second}"
    bits, most = float(result.entropy[0]), math.log2(max(result.total, 2))
    if not context.introduces:
        return f"{said}; {bits:.2f} bits of entropy."
    return (
        f"{said}. The whole answer is spread as widely as an even choice among "
        f"{_effective(2.0**bits)} ({bits:.2f} bits of entropy; a blind guess among "
        f"{result.total} classes has {most:.2f})."
    )


def _effective(number: float) -> str:
    return f"{number:.1f} classes" if number < 9.95 else f"{number:.0f} classes"


def _table(result: Predictions) -> Table:
    rows = zip(
        result.names[0], result.classes[0], result.probabilities[0], result.logits[0], strict=True
    )
    return Table(
        title="The answer in numbers",
        caption=(
            "The logit is the network's raw output; a difference of 1 between two of them is a "
            "factor of 2.7 between their probabilities."
            if result.rule == "softmax"
            else "The logit is the network's raw output."
        ),
        columns=(
            TableColumn("Rank", numeric=True),
            TableColumn("Class"),
            TableColumn("Index", numeric=True),
            TableColumn("Probability", numeric=True),
            TableColumn("Logit", numeric=True),
        ),
        rows=tuple(
            (str(rank), name, str(index), percent(float(probability)), f"{logit:.2f}")
            for rank, (name, index, probability, logit) in enumerate(rows, 1)
        ),
        folded=True,
    )
