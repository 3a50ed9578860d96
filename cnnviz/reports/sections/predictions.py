"""What the network answers, and how sure it is."""

from __future__ import annotations

import math

from cnnviz.models import OutputKind
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.text import plural
from cnnviz.views.predictions import PredictedBoxes, PredictedMaps, Predictions, predictions

SHOWN = 10


def build(context: Context) -> Section:
    """Show the first answers as bars and as a table."""
    subject = context.image
    result = predictions(subject.capture, SHOWN)
    if isinstance(result, PredictedBoxes):
        return _boxes(context, result)
    mapped = isinstance(result, PredictedMaps)
    return Section(
        key="predictions",
        title=context.title,
        anchor=context.anchor("predictions"),
        lead=(_verdict(result, context), *_unnamed(result.kind, context)),
        pictures=(
            Picture.of(
                result,
                f"{subject.slug}-predictions",
                _MAP_TITLE if mapped else _TITLES[result.kind],
                wide=mapped,
            ),
        ),
        tables=(_table(result),),
        subject=subject.slug,
    )


def _boxes(context: Context, result: PredictedBoxes) -> Section:
    """Show the boxes of the highest score over the photo, and all of these as a table."""
    subject, found = context.image, result.found[0]
    said = f"{context.model.name} finds nothing in it that scores above its threshold."
    if found:
        said = (
            f"{context.model.name} finds {plural(found, 'box', 'boxes')}; the one of the highest "
            f"score is {result.names[0][0]} with {result.said(0, 0)}."
        )
    title = "The boxes of the highest score" if found else "No box"
    return Section(
        key="predictions",
        title=context.title,
        anchor=context.anchor("predictions"),
        lead=(said, *_unnamed(OutputKind.BOXES, context)),
        pictures=(Picture.of(result, f"{subject.slug}-predictions", title, wide=False),),
        tables=(_box_table(result),) if found else (),
        subject=subject.slug,
    )


def _box_table(result: PredictedBoxes) -> Table:
    corners = ("Left", "Top", "Right", "Bottom")
    return Table(
        title="The boxes in numbers",
        caption="Corners are in pixels of the photo; give one with --box to have it explained.",
        columns=(
            TableColumn("Rank", numeric=True),
            TableColumn("Class"),
            TableColumn("Index", numeric=True),
            TableColumn("Score", numeric=True),
            *(TableColumn(name, numeric=True) for name in corners),
        ),
        rows=tuple(
            (
                str(rank + 1),
                result.names[0][rank],
                str(result.classes[0, rank]),
                result.said(0, rank),
                *(f"{value:.1f}" for value in result.boxes[0, rank]),
            )
            for rank in range(result.shown_of(0))
        ),
        folded=True,
    )


_TITLES = {
    OutputKind.CLASSES: "The likeliest classes",
    OutputKind.LABELS: "The likeliest labels",
    OutputKind.LOGIT: "The two answers",
    OutputKind.VALUE: "What it returns",
    OutputKind.EMBEDDING: "The largest components",
    OutputKind.CLASS_MAP: "The classes that most of the map shows",
}
_MAP_TITLE = "The most probable class at each position"
_NAMES = {
    OutputKind.LABELS: "Label",
    OutputKind.LOGIT: "Answer",
    OutputKind.VALUE: "Name",
    OutputKind.EMBEDDING: "Dimension",
}
_HEADINGS = {
    OutputKind.VALUE: "Value",
    OutputKind.EMBEDDING: "Component",
    OutputKind.CLASS_MAP: "Share of the map",
}


def _verdict(result: Predictions, context: Context) -> str:
    best, kind = result.names[0][0], result.kind
    if kind in (OutputKind.VALUE, OutputKind.EMBEDDING):
        what = f"{plural(result.total, 'number')}; {best} is {result.said(0, 0)}"
        they = "It is no probability" if result.total == 1 else "They are no probabilities"
        return f"{context.model.name} answers with {what}. {they}."
    said = f"{context.model.name} answers {best} with {result.said(0, 0)}"
    if kind == OutputKind.CLASS_MAP:
        said += " of the positions"
    if result.classes.shape[1] > 1:
        said += f", ahead of {result.names[0][1]} with {result.said(0, 1)}"
    if kind == OutputKind.CLASS_MAP:
        return f"{said}."
    if kind == OutputKind.LABELS:
        likely = int((result.probabilities[0] > 0.5).sum())
        return f"{said}; of the {len(result.names[0])} shown, {likely} are likelier than not."
    bits, most = float(result.entropy[0]), math.log2(max(result.total, 2))
    if not context.introduces:
        return f"{said}; {bits:.2f} bits of entropy."
    if kind == OutputKind.LOGIT:
        return f"{said}; {bits:.2f} bits of entropy, of which a blind guess has {most:.2f}."
    return (
        f"{said}. The whole answer is spread as widely as an even choice among "
        f"{_effective(2.0**bits)} ({bits:.2f} bits of entropy; a blind guess among "
        f"{result.total} classes has {most:.2f})."
    )


def _unnamed(kind: OutputKind, context: Context) -> tuple[str, ...]:
    """Say how to give names, where what is ranked has names and nobody said them."""
    known = context.model.categories is not None or not context.introduces
    if known or kind == OutputKind.EMBEDDING:
        return ()
    called = {
        OutputKind.LABELS: "The labels are numbered",
        OutputKind.LOGIT: "Its two sides are called negative and positive",
        OutputKind.VALUE: "What it returns is numbered",
    }.get(kind, "The classes are numbered")
    return (
        f"{called}, as nobody said their names: give them with --categories FILE, "
        "categories=, or a categories.txt beside the network's file or checkpoint.",
    )


def _effective(number: float) -> str:
    return f"{number:.1f} classes" if number < 9.95 else f"{number:.0f} classes"


def _table(result: Predictions) -> Table:
    rows = zip(result.names[0], result.classes[0], result.logits[0], strict=True)
    count = 4 if result.rule == "none" else 5
    return Table(
        title="The answer in numbers",
        caption=(
            "The logit is the network's raw output; a difference of 1 between two of them is a "
            "factor of 2.7 between their probabilities."
            if result.rule == "softmax"
            else "What the network returns."
            if result.rule == "none"
            else "The logit is the network's raw output."
        ),
        columns=(
            TableColumn("Rank", numeric=True),
            TableColumn(_NAMES.get(result.kind, "Class")),
            TableColumn("Index", numeric=True),
            TableColumn(_HEADINGS.get(result.kind, "Probability"), numeric=True),
            TableColumn("Logit", numeric=True),
        )[:count],
        rows=tuple(
            (str(rank), name, str(index), result.said(0, rank - 1), f"{logit:.2f}")[:count]
            for rank, (name, index, logit) in enumerate(rows, 1)
        ),
        folded=True,
    )
