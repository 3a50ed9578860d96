"""Why a gradient does not arrive as it should: the likeliest cause, with its evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnnviz.gradients.activation_calls import matched_gain
from cnnviz.gradients.probe_result import ActivationUnits, GradientProbe, main_activation
from cnnviz.gradients.verdict_text import told_branch
from cnnviz.gradients.verdicts import GradientVerdict, band, has_skips, is_normalised
from cnnviz.results.text import layer_said, whole_percent

_OFF = 1.12
"""A factor per layer by which weights may differ from the matched gain without being the cause."""

_FOREIGN = 0.5
"""Decades by which gathered statistics may be off on average without being of other images."""


@dataclass(frozen=True)
class Cause:
    """The likeliest cause of a verdict.

    Attributes
    ----------
    key : str
        "none", "unmeasured", "cut", "weights", "batch-norm", "confident",
        "zero-weights", "dead", "saturation", "flat", "activation", "initialisation", "branches",
        "branch" or "depth".
    sentence : str
        The cause and the evidence for it.
    """

    key: str
    sentence: str


def relative_gain(found: GradientProbe) -> float:
    """Return the layers' gains over the matched one, as their geometric mean; NaN without any."""
    gains = [point.gain for point in found.layers[:-1] if point.gain > 0.0]
    if not gains:
        return float("nan")
    return float(np.exp(np.mean(np.log(gains)))) / matched_gain(main_activation(found))


def explain(
    found: GradientProbe,
    verdict: GradientVerdict,
    confident: bool = False,
) -> Cause:
    """Name the likeliest cause of a verdict.

    Parameters
    ----------
    found : GradientProbe
        What was measured.
    verdict : GradientVerdict
        What it means.
    confident : bool
        Whether the loss that was asked for is so small that nothing could be sent back.
    """
    if confident:
        return Cause(
            "confident",
            "The loss is nearly zero because the network is sure, so there is next to nothing to "
            "send back.",
        )
    if verdict.bad_layer in found.bad_weights and verdict.bad_layer:
        return Cause("weights", f"The weights {verdict.bad_layer} hold a NaN or an infinity.")
    if verdict.label == "not measured":
        return Cause("unmeasured", "So nothing is said of it, good or bad.")
    if verdict.label == "blocked" and verdict.cut:
        return Cause("cut", "A layer that no gradient arrives at does not learn.")
    if verdict.side == "none" and verdict.label == "healthy":
        return _of_units(found, verdict) or Cause("none", "Nothing is wrong.")
    if found.uncalibrated:
        return Cause(
            "batch-norm",
            "Batch norms have seen no data, or next to none, which in evaluation is another "
            "network.",
        )
    if verdict.branch and band(verdict.decades, verdict.edges) == "healthy":
        units = _of_units(found, verdict)
        told = told_branch(verdict, [point.label for point in found.points])
        return Cause("branch", f"{told} {units.sentence}" if units is not None else told)
    blocked = _flat(found, verdict) if verdict.label == "blocked" else None
    return (
        _of_units(found, verdict)
        or blocked
        or _of_statistics(found, verdict)
        or _of_structure(found, verdict)
    )


def _of_units(found: GradientProbe, verdict: GradientVerdict) -> Cause | None:
    hidden = [point for point in found.layers[:-1] if not math.isnan(point.weight_norm)]
    zeros = [point for point in hidden if point.weight_norm == 0.0]
    if hidden and len(zeros) == len(hidden) and verdict.label == "blocked":
        return Cause("zero-weights", "All weights are zero, so nothing passes in either direction.")
    if "dead" in verdict.findings:
        worst = max(found.units, key=lambda unit: unit.dead_fraction)
        count = 0 if worst.dead is None else int(worst.dead.sum())
        why = f" {worst.silenced.told(count)}" if worst.silenced is not None else ""
        return Cause(
            "dead",
            f"Units are dead: {whole_percent(worst.dead_fraction)} of the channels of "
            f"{_place(found, worst)} "
            f"pass no gradient at any position of any image.{why}",
        )
    if "saturated" in verdict.findings:
        flat = [unit for unit in found.units if not math.isnan(unit.saturated)]
        worst = max(flat, key=lambda unit: unit.saturated)
        return Cause(
            "saturation",
            f"Units are saturated: {whole_percent(worst.saturated)} of the positions of "
            f"{_place(found, worst)} lie on its flat sides.",
        )
    return None


def _of_statistics(found: GradientProbe, verdict: GradientVerdict) -> Cause | None:
    """Say whether normalisations divide by far more, or less, than these images call for."""
    divided = [
        math.log10(one.arriving / one.gradient_norm / one.activation_deviation)
        for one in found.layers
        if one.normalised and one.gradient_norm > 0.0 < one.arriving and one.activation_deviation
    ]
    factor = sum(divided) / max(len(divided), 1)
    explained = -sum(divided) / verdict.decades if verdict.decades else 0.0
    if not (abs(factor) > _FOREIGN and explained > 0.5):
        return None
    return Cause(
        "batch-norm",
        f"Normalisations divide by {_times(factor)} the deviation that these images have there: "
        "the statistics that were gathered are of other images, or of images prepared differently.",
    )


def _times(decades: float) -> str:
    factor = f"{10.0 ** abs(decades):,.{0 if abs(decades) > 1.0 else 1}f}"
    return f"{factor} times" if decades > 0.0 else f"1/{factor} of"


def _flat(found: GradientProbe, verdict: GradientVerdict) -> Cause:
    """Say where a gradient becomes exactly zero, which neither weights nor depth bring about."""
    own = [one for one in found.points[verdict.first :] if not one.beside and one.arriving == 0.0]
    after = (own[-1] if own else found.points[verdict.first]).label
    return Cause(
        "flat",
        f"What comes after {layer_said(after)} changes by nothing if it changes a little: it is "
        "rounded, compared, cut off or multiplied by zero there.",
    )


def _place(found: GradientProbe, unit: ActivationUnits) -> str:
    """Say which activation it is; one that is called as a function has no name of its own."""
    called = f"{layer_said(unit.name)}, the {unit.kind}" if unit.name else f"the {unit.kind}"
    return (
        f"{called} after {layer_said(found.points[unit.after].name)}" if unit.after >= 0 else called
    )


def _of_structure(found: GradientProbe, verdict: GradientVerdict) -> Cause:
    kind, gain = main_activation(found), relative_gain(found)
    normalised = is_normalised(found)
    shrinks = verdict.decades < 0.0
    if shrinks and kind in ("sigmoid", "hardsigmoid") and not normalised:
        slope = "1/4" if kind == "sigmoid" else "1/6"
        return Cause(
            "activation",
            f"{kind} has a slope of {slope} at most, so every layer takes most of the gradient.",
        )
    if (
        not normalised
        and not math.isnan(gain)
        and (gain < 1.0 / _OFF) == shrinks
        and not 1.0 / _OFF <= gain <= _OFF
    ):
        return Cause(
            "initialisation",
            f"Weights are on average {gain:.2f} times as large as {kind} needs for a signal to "
            "keep its size, and every layer multiplies by that.",
        )
    if has_skips(found) and not normalised and not shrinks:
        return Cause(
            "branches",
            "Each block adds a branch at full size to what its skip carries, and nothing "
            "normalises the sum, so that every block makes signal and gradient larger.",
        )
    if normalised and not shrinks:
        return Cause(
            "depth",
            f"{len(found.layers)} layers with normalisation and too few skips: each normalised "
            "layer makes the gradient a little larger on the way back (Yang et al. 2019).",
        )
    return Cause("depth", _of_depth(found, verdict))


def _of_depth(found: GradientProbe, verdict: GradientVerdict) -> str:
    """Say whether the gradient changes at one place or along the way, and in which direction."""
    shrinks = verdict.decades < 0.0
    if verdict.sudden:
        return f"One step makes the gradient {'smaller' if shrinks else 'larger'}, not the depth."
    around = "" if has_skips(found) else ", and no skip goes around them"
    change = "lost" if shrinks else "added"
    much = "Much is" if abs(verdict.per_layer) >= 0.5 else "A little is"
    return f"{much} {change} in each of {len(found.layers)} layers{around}."
