"""How `gradient_flow` measures: the gradient sent back, the verdict, its cause and remedies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from cnnviz.errors import ModelError
from cnnviz.gradients import objectives
from cnnviz.gradients.causes import Cause, explain
from cnnviz.gradients.probe import probe
from cnnviz.gradients.probe_result import GradientProbe
from cnnviz.gradients.remedies import Remedy, try_remedies
from cnnviz.gradients.verdict_text import told_cuts
from cnnviz.gradients.verdicts import GradientVerdict, is_normalised, judge
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_that_fit
from cnnviz.passes.memory_shortage import in_smaller_batches, is_short
from cnnviz.results.progress import Progress
from cnnviz.views._gradient_flow_notes import told_verdict

CONFIDENT = 1e-6
"""A gradient of the loss at the logits, the RMS over the batch, that is no signal any more."""


@dataclass(frozen=True)
class Measured:
    """A gradient that was sent back, what it was judged to be, and of which inputs, [N, ...]."""

    found: GradientProbe
    verdict: GradientVerdict
    cause: Cause
    remedies: tuple[Remedy, ...]
    inputs: torch.Tensor
    notes: tuple[str, ...]


def _found(
    model: Model,
    inputs: torch.Tensor,
    objective: objectives.Objective,
    truth: torch.Tensor | None,
) -> tuple[GradientProbe, str]:
    """Return what the probe finds, and why of the first image alone, if so; empty otherwise."""
    count, label = len(inputs), None if truth is None else truth[:1]
    try:
        found = probe(model, inputs, objective, truth)
    except ModelError as error:
        if count == 1 or is_short(error):
            raise
        try:
            alone = probe(model, inputs[:1], objective, label)
        except ModelError:
            raise error from None
        return alone, f"The network takes one image at a time, and not {count}"
    calls = Counter(point.name for point in found.points if point.is_layer)
    if count > 1 and not any(times % count for times in calls.values()):
        alone = probe(model, inputs[:1], objective, label)
        if sum(point.is_layer for point in alone.points) * count == calls.total():
            return alone, "The network runs images of a batch one after the other"
    return found, ""


def _uncancelled(model: Model, inputs: torch.Tensor, found: GradientProbe) -> GradientProbe | None:
    """Return what numbers find where signs that cancel let no gradient back; None otherwise."""
    if judge(found).label != "blocked":
        return None
    again = probe(model, inputs, objectives.UNCANCELLED)
    return None if judge(again).label == "blocked" else again


def _told_cancelled(found: GradientProbe, again: GradientProbe) -> str:
    return (
        f"Of {found.objective} nothing arrives, because the signs cancel out, as where all logits "
        f"are one value less thresholds: {again.objective} was sent back instead."
    )


@in_smaller_batches
def measure(
    model: Model,
    inputs: torch.Tensor,
    labels: Any,
    objective: objectives.Objective,
    remedies: bool,
    progress: Progress,
) -> Measured:
    """Send the gradient back, judge what arrives, and say why and what would help."""
    truth = objectives.as_labels(labels, model)
    notes = []
    # One gradient of all images together is what is asked for.
    fits = rows_that_fit(model, inputs, alone=False)
    if fits < len(inputs):
        notes.append(f"The first {fits} of {len(inputs)} images were used: more do not fit.")
        inputs, truth = inputs[:fits], None if truth is None else truth[:fits]
    progress(0, 1, "sending the gradient back")
    found, why = _found(model, inputs, objective, truth)
    if why:
        notes.append(f"{why}: the first alone was used, since the verdict is on one gradient.")
        inputs, truth = inputs[:1], None if truth is None else truth[:1]
    # The loss is a mean over the batch, and so is each image's share of its gradient.
    confident = objective == "loss" and found.output_gradient * len(inputs) < CONFIDENT
    if confident:
        notes.append(
            f"The loss sends back {found.output_gradient:.1g} at the logits, which is nothing: the "
            "network is sure of these labels. The verdict is on a random sign for each logit."
        )
        objective, truth = "auto", None
        found = probe(model, inputs)
    again = _uncancelled(model, inputs, found) if objective == "auto" else None
    if again is not None:
        notes.append(_told_cancelled(found, again))
        objective, found = objectives.UNCANCELLED, again
    verdict = judge(found)
    cause = explain(found, verdict, confident and verdict.side == "none")
    tried: tuple[Remedy, ...] = ()
    if remedies and cause.key not in ("none", "confident", "unmeasured", "cut", "flat"):
        of = {"objective": objective, "labels": truth, "normalised": is_normalised(found)}
        tried = try_remedies(model, inputs, found, verdict, cause, **of, progress=progress)
    points = [point.label for point in found.points]
    cuts = told_cuts(verdict, points, boxes=found.of_boxes)
    notes += [*found.notes, *cuts, *told_verdict(verdict, cause, points)]
    return Measured(found, verdict, cause, tried, inputs, tuple(notes))
