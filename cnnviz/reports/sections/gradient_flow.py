"""Does the gradient arrive: what comes back to each layer, and what that means."""

from __future__ import annotations

import math

import numpy as np

from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.text import minus, whole_percent
from cnnviz.views.gradient_flow import GradientFlow, gradient_flow


def build(context: Context) -> Section:
    """Send a gradient back from the logits of the first image, and judge what arrives."""
    batch = context.subjects[0].capture.batch if context.subjects else None
    # Remedies draw weights anew and probe again, which a quick report has no time for.
    result = gradient_flow(context.model, batch, remedies=False)
    lead = (
        "A layer learns from the gradient that arrives at it. A random sign was sent back from "
        "each logit; the picture shows how much of it each layer gets, beside the last one. "
        f"{result.summary()}"
    )
    advice = (
        f"What would mend it: cnnviz gradient-flow --model {context.model.name}"
        if result.cause.key != "none"
        else ""
    )
    return Section(
        key="gradient_flow",
        title=context.title,
        anchor=context.anchor("gradient_flow"),
        lead=(lead,),
        pictures=(Picture.of(result, "gradient-flow", f"The verdict: {result.verdict.label}"),),
        tables=(_table(result),),
        notes=tuple(filter(None, (advice,))),
    )


def _table(result: GradientFlow) -> Table:
    return Table(
        title="Layer by layer",
        caption=(
            "Norms are L2, the root mean square over the images. The figure of the weights is "
            "||dW|| ||W|| where a normalisation follows, and ||dW|| / ||W|| otherwise."
        ),
        columns=(
            TableColumn("Layer"),
            TableColumn("Kind"),
            TableColumn("Lies in"),
            TableColumn("Activation", numeric=True),
            TableColumn("Gradient", numeric=True),
            TableColumn("Decades", numeric=True),
            TableColumn("Weights", numeric=True),
            TableColumn("Dead", numeric=True),
        ),
        rows=tuple(_row(result, place) for place in range(len(result.points))),
        folded=True,
    )


def _row(result: GradientFlow, place: int) -> tuple[str, ...]:
    reference = result.arriving[result.verdict.reference]
    size, dead = result.arriving[place], result.dead_fractions[place]
    known = size > 0.0 and reference > 0.0 and math.isfinite(size / reference)
    return (
        result.points[place],
        result.kinds[place],
        "trunk" if result.on_trunk[place] else "branch",
        f"{result.activation_norms[place]:.3g}",
        f"{result.gradient_norms[place]:.3g}",
        minus(f"{math.log10(size / reference):+.2f}") if known else "none",
        _number(result.weight_figures[place]),
        "" if np.isnan(dead) else whole_percent(dead),
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"
