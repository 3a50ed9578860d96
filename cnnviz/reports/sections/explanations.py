"""How far the heatmaps may be believed: many methods side by side, each with its checks."""

from __future__ import annotations

from cnnviz.passes.shared_captures import shared_captures
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.views.explanations import Explanations, explanations


def build(context: Context) -> Section:
    """Show maps of many methods, each on a scale of its own, and name those that fail a check."""
    subject = context.image
    target = subject.capture.resolved_targets[0].asked
    batch = subject.capture.batch
    with shared_captures(context.model, batch.tensor, [subject.capture]):
        result = explanations(context.model, batch, target=target)
    return Section(
        key="explanations",
        title=context.title,
        anchor=context.anchor("explanations"),
        lead=(_lead(result),),
        pictures=(
            Picture.of(
                result,
                f"{subject.slug}-explanations",
                f"{len(result.heatmaps)} methods, one answer",
            ),
        ),
        tables=(_table(result),),
        notes=result.verdicts,
        doubts=result.doubts,
        subject=subject.slug,
    )


def _lead(result: Explanations) -> str:
    return (
        "A heatmap is a claim about the network, and methods disagree. Here are "
        f"{len(result.heatmaps)} maps of the same answer, {result.target}. Each is measured beside "
        "random maps of its own kind, and made again while the network forgets what it learned, "
        "layer by layer from the top. What does no better than chance, or stays as it was, is "
        "not evidence."
    )


def _table(result: Explanations) -> Table:
    measures = result.checks[0].measures
    return Table(
        title="Every measure",
        caption="Each figure stands before that of random maps of the same kind.",
        columns=(
            TableColumn("Method"),
            *(TableColumn(one.title, numeric=True) for one in measures),
        ),
        rows=tuple(
            (check.title, *(f"{one.mean:.2f} / {one.random_mean:.2f}" for one in check.measures))
            for check in result.checks
        ),
        folded=True,
    )
