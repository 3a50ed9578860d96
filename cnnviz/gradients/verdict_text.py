"""A verdict in words, with the evidence beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.gradients.paths import NAMED
from cnnviz.gradients.verdicts import EDGES, GradientVerdict, band
from cnnviz.results.text import joined, layer_said, listed, minus, power_of_ten

_LEARNED = {
    "blocked": ("0 of 6", "0 of 6"),
    "vanished": ("0 of 24", "4 of 24"),
    "vanishing": ("0 of 8", "6 of 8"),
    "low": ("1 of 8", "6 of 8"),
    "healthy": ("30 of 34", "33 of 34"),
    "high": ("8 of 11", "10 of 11"),
    "exploding": ("5 of 7", "3 of 7"),
    "exploded": ("0 of 6", "0 of 6"),
}
"""How many of the networks that were probed and then trained learned, with SGD and with Adam (80
steps, 104 networks)."""


def pairs(verdict: GradientVerdict) -> str:
    """Return D in words: "D = -4.1"."""
    if math.isnan(verdict.decades):
        return "D unknown"
    if math.isinf(verdict.decades):
        return "nothing arrives" if verdict.decades < 0 else "nothing to compare with"
    inside = verdict.branch_decades
    size = "nothing arrives" if math.isinf(inside) else _unsigned_zero(inside, 1)
    branch = f", {size} in a branch" if verdict.branch else ""
    return f"D = {_unsigned_zero(verdict.decades, 1)}{branch}"


def learned(verdict: GradientVerdict) -> str:
    """Say how networks with such a gradient fared in training; "" where that was not measured."""
    label = verdict.label
    if label == "watch":
        label = "low" if verdict.decades < 0 else "high"
    if label not in _LEARNED or verdict.edges != EDGES:
        return ""
    if band(verdict.decades) != verdict.label and math.isfinite(verdict.decades):
        return ""  # To be watched for another reason than its band.
    plain, adam = _LEARNED[label]
    rescue = " Adam may rescue this one." if label in ("vanishing", "low") else ""
    return (
        f"Of networks in this band, {plain} learned with SGD and {adam} with Adam in 80 steps."
        f"{rescue}"
    )


def in_words(point: str) -> str:
    """Return the name of a point for a sentence: a join with what it lies in.

    >>> in_words("layer1.0: add"), in_words("features.3: cat"), in_words("37")
    ('the add in layer1.0', 'the concatenation in features.3', 'layer 37')
    """
    place, of, join = point.partition(": ")
    join = "concatenation" if join == "cat" else join
    return f"the {join} in {layer_said(place)}" if of else layer_said(point)


def evidence(name: str, verdict: GradientVerdict, points: Sequence[str]) -> str:
    """Say in a sentence what the verdict is and what it is taken from."""
    if verdict.bad_layer:
        return f"{name}: not finite. The first NaN or infinity is at {in_words(verdict.bad_layer)}."
    first, last = in_words(points[verdict.first]), in_words(points[verdict.reference])
    if verdict.unfollowed:
        seen = joined([*map(layer_said, verdict.unfollowed)])
        return f"{name}: not measured. The gradient could not be followed through {seen}."
    if verdict.cut and verdict.label == "blocked":
        return f"{name}: blocked. {without_gradient(verdict, points)}"
    if verdict.first == verdict.reference and not (math.isinf(verdict.decades) and verdict.hidden):
        hidden = "one hidden layer" if verdict.hidden else "no hidden layer"
        return f"{name}: {verdict.label}. It has {hidden}, so no depth to lose it in."
    if math.isinf(verdict.decades):
        what = "No gradient arrives"
        if "zero-gradient" in verdict.findings and verdict.first != verdict.reference:
            return f"{name}: {verdict.label}. {what} at any layer before {last}."
        return f"{name}: {verdict.label}. {what} at {first}{_break(verdict, points)}."
    step = "" if math.isnan(verdict.per_layer) else _unsigned_zero(verdict.per_layer, 2)
    slope = f", {step} a step" if step else ""
    told = f"(D = {_unsigned_zero(verdict.decades, 1)} decades{slope}){_break(verdict, points)}."
    if 10.0 ** abs(verdict.decades) < 1.05:
        return f"{name}: {verdict.label}. The gradient at {first} is as large as at {last} {told}"
    size = _factor(verdict.decades)
    way = "larger" if verdict.decades > 0 else "smaller"
    return (
        f"{name}: {verdict.label}. The gradient at {first} is {size} times {way} than at {last} "
        f"{told}"
    )


def _factor(decades: float) -> str:
    factor = 10.0 ** abs(decades)
    return f"{factor:,.{1 if factor < 100.0 else 0}f}" if factor < 1e6 else power_of_ten(factor)


def _unsigned_zero(value: float, places: int) -> str:
    """Return a number with its sign, where there is anything left of it."""
    said = f"{value:+.{places}f}"
    return minus(said) if float(said) else said[1:]


def without_gradient(verdict: GradientVerdict, points: Sequence[str]) -> str:
    """Name the layers that no gradient comes back to, and say why that is."""
    named = listed([in_words(points[place]) for place in verdict.cut], NAMED)
    return (
        f"No gradient arrives at {named}: what comes out is detached, computed under no_grad, or "
        "used in a way that has no gradient."
    )


def told_cuts(verdict: GradientVerdict, points: Sequence[str], *, boxes: bool) -> list[str]:
    """Say which ways through the network the verdict is not about, since no gradient takes them.

    Parameters
    ----------
    verdict : GradientVerdict
        The verdict.
    points : sequence of str
        The names of the points.
    boxes : bool
        Whether the network is a detector.
    """
    told = []
    if verdict.cut and verdict.label != "blocked":
        told.append(without_gradient(verdict, points))
        if boxes:
            told.append(
                "The proposals of a two-stage detector are detached by design: what finds them is "
                "trained by a loss of its own."
            )
    if verdict.detached:
        named = listed([*map(layer_said, verdict.detached)], NAMED)
        told.append(
            f"What comes from {named} also goes on detached, under no_grad, as an index or as a "
            "comparison, and the output depends on it without a gradient."
        )
    if told:
        told.append("The verdict is of the paths that a gradient takes, and of no other.")
    return told


def told_branch(verdict: GradientVerdict, points: Sequence[str]) -> str:
    """Say of the worst branch that D is not measured along what becomes of the gradient in it."""
    first, last = (in_words(points[place]) for place in verdict.branch)
    where = f"from {first} to {last}" if first != last else f"at {first}"
    within = f"Beside the ways that D is measured along, {where}"
    if math.isinf(verdict.branch_decades):
        return (
            f"{within}, no gradient arrives: what lies there does not learn from these images, "
            "whatever the optimizer. The network as a whole may yet train without it."
        )
    smaller = verdict.branch_decades < 0
    slow = "The layers there may hardly learn with SGD; Adam may rescue them. " if smaller else ""
    return (
        f"{within}, the gradient becomes {_factor(verdict.branch_decades)} times "
        f"{'smaller' if smaller else 'larger'} on its way back "
        f"(D = {_unsigned_zero(verdict.branch_decades, 1)} there). {slow}The network as a whole "
        "may yet train."
    )


def _break(verdict: GradientVerdict, points: Sequence[str]) -> str:
    if verdict.breaks_at is None or verdict.label == "healthy":
        return ""
    place = in_words(points[verdict.breaks_at])
    if verdict.sudden:
        return f"; it breaks before {place}, in one step"
    return f"; it leaves the healthy band before {place}, step by step"
