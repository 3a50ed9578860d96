"""From what a probe measured to a verdict: the statistic, its bands, and where the gradient breaks.

The statistic is D, the decades by which the gradient at the first layer is larger than at the last
point before the logits. Its bands were found by training a hundred networks that had been probed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnnviz.gradients.activation_calls import matched_gain
from cnnviz.gradients.probe_result import (
    ActivationUnits,
    GradientProbe,
    ProbedLayer,
    main_activation,
)

EDGES = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)
BANDS = ("vanished", "vanishing", "watch", "healthy", "watch", "exploding", "exploded")
NORMALISED_ALLOWANCE = 1.0
"""Decades that the upper edges rise by where layers are normalised: a step of SGD then counts by
the angle it turns weights by, and weights that are pulled harder grow and turn less (Arora et al.
2019)."""
SKIP_ALLOWANCE = 1.0
"""Decades that they rise by besides where normalised layers lie in branches around skips: there the
gradient grows with a power of the depth and not exponentially (Yang and Schoenholz 2017)."""

ADDITIVE = frozenset(("add", "sub", "subtract", "rsub", "lerp", "addcmul", "sum"))
"""What the joins are called that a skip can be added by."""

DEAD_LAYER, DEAD_NETWORK = 0.95, 0.75
"""Shares of dead channels, in any one layer and on average, from which a network has dead units.
About half is usual in narrow ReLU chains, in which deep features of all images look alike."""
SATURATED_LAYER, SATURATED_NETWORK = 0.9, 0.5
"""Shares of positions on the flat sides, in any one activation and on average."""
STEEP = -0.3
"""Decades per layer from which a chain of bounded activations cannot be deepened."""
DEEP = 4
"""Points in a branch or tower from which it is judged by itself. Its last point is not compared: a
branch may begin at zero there by design."""
_UNDERFLOW = 1e-30
_HOMOGENEOUS = frozenset(("relu", "leaky_relu", "prelu", "relu6"))


@dataclass(frozen=True)
class GradientVerdict:
    """What a probe means.

    Attributes
    ----------
    label : str
        "non-finite", "not measured", "blocked", or one of `BANDS`.
    decades : float
        D; minus infinity where nothing arrives, NaN where there is nothing to compare.
    per_layer : float
        D for each step between the two, counting the points that no path goes around.
    edges : tuple of float
        The edges of the bands for this network.
    first, reference : int
        The places in `GradientProbe.points` that D compares.
    breaks_at : int or None
        The place after which, on the way back, the gradient has left the band of the healthy.
    sudden : bool
        Whether most of it is lost, or gained, at that one place.
    findings : tuple of str
        "dead", "saturated", "zero-gradient", "steep", "branch": the gradient vanishes or explodes
        within a branch or tower that D is not measured along.
    bad_layer : str
        The first layer, or weight, that has a NaN or an infinity.
    rescaled : tuple of str
        Layers whose scale the next layer undoes; D was taken without it.
    hidden : int
        How many layers the deepest way has before its last.
    cut : tuple of int
        The places of layers that no gradient comes back to, though the output depends on them.
    unfollowed : tuple of str
        What could not be looked into: the verdict is "not measured" where there is any.
    detached : tuple of str
        What else the output depends on in a way that no gradient comes back: layers, which it comes
        back to in another way, or "the image".
    branch : tuple of int
        The places that D is taken of within the worst branch or tower that is not healthy; empty
        for none.
    branch_decades : float
        D between these two; NaN for none.
    """

    label: str
    decades: float
    per_layer: float
    edges: tuple[float, ...]
    first: int
    reference: int
    breaks_at: int | None
    sudden: bool
    findings: tuple[str, ...]
    bad_layer: str
    rescaled: tuple[str, ...]
    hidden: int = 0
    cut: tuple[int, ...] = ()
    unfollowed: tuple[str, ...] = ()
    detached: tuple[str, ...] = ()
    branch: tuple[int, ...] = ()
    branch_decades: float = float("nan")

    @property
    def side(self) -> str:
        """What kind of fault it is: "vanishing", "exploding", "non-finite" or "none"."""
        if self.label in ("blocked", "vanished", "vanishing"):
            return "vanishing"
        if self.label in ("exploding", "exploded"):
            return "exploding"
        return "non-finite" if self.label == "non-finite" else "none"


def edges_for(found: GradientProbe) -> tuple[float, ...]:
    """Return the edges of the bands that hold for a network."""
    allowance = NORMALISED_ALLOWANCE * is_normalised(found)
    allowance += SKIP_ALLOWANCE * (is_normalised(found) and has_skips(found))
    return raised_edges(allowance)


def raised_edges(allowance: float) -> tuple[float, ...]:
    """Return the edges of the bands, the upper ones raised by some decades."""
    return tuple(edge + allowance * (edge > 0.0) for edge in EDGES)


def is_normalised(found: GradientProbe) -> bool:
    """Tell whether most layers before the last have a normalisation, before or after them."""
    inner = len(found.layers) - 1
    return inner > 0 and found.normalisations * 2 > inner


def has_skips(found: GradientProbe) -> bool:
    """Tell whether most layers lie in branches that sums lead around; other towers do not count."""
    merges = any(point.kind in ADDITIVE for point in found.points if not point.beside)
    own = [layer for layer in found.layers if not layer.beside]
    branched = sum(not layer.on_trunk for layer in own)
    return merges and branched * 2 > len(own)


def band(decades: float, edges: tuple[float, ...] = EDGES) -> str:
    """Return the name of the band that D lies in."""
    return BANDS[int(np.searchsorted(edges, decades, side="right"))]


def judge(found: GradientProbe) -> GradientVerdict:
    """Return the verdict on a probe."""
    points, edges = found.points, edges_for(found)
    first, reference = _first(found), _reference(found)
    sizes, rescaled = _sizes(found, first, reference)
    decades = _decades(sizes[first], sizes[reference])
    steps = sum(points[k].on_trunk for k in range(first, reference))
    per_layer = decades / steps if steps and math.isfinite(decades) else float("nan")
    bad = _bad_layer(found)
    passed = max(steps, sum(first <= k < reference for k in found.path), 1)
    branch, branch_decades = _worst_branch(found, edges)
    findings = _findings(found, decades, decades / passed, reference)
    findings += ("branch",) if branch and _is_lost(branch_decades, edges) else ()
    place, sudden = _breaks(points, sizes, first, reference, edges)
    label = _label(decades, edges, sizes, watch="steep" in findings or bool(branch))
    return GradientVerdict(
        label="non-finite" if bad else "not measured" if found.unfollowed else label,
        decades=float("nan") if found.unfollowed else decades,
        per_layer=float("nan") if found.unfollowed else per_layer,
        edges=edges,
        first=first,
        reference=reference,
        breaks_at=None if bad or found.unfollowed else place,
        sudden=sudden,
        findings=findings,
        bad_layer=bad,
        rescaled=rescaled,
        hidden=max(len(found.path) - 1, 0),
        cut=found.cut,
        unfollowed=found.unfollowed,
        detached=found.detached,
        branch=branch,
        branch_decades=branch_decades,
    )


def _worst_branch(found: GradientProbe, edges: tuple[float, ...]) -> tuple[tuple[int, ...], float]:
    """Return where D is farthest out of the healthy band within a branch or tower, and D there."""
    worst: tuple[tuple[int, ...], float] = ((), float("nan"))
    for region in found.regions:
        last, decades = _within(found, region)
        unhealthy = not math.isnan(decades) and band(decades, edges) != "healthy"
        rank = _is_lost(decades, edges), abs(decades)
        if unhealthy and (not worst[0] or rank > (_is_lost(worst[1], edges), abs(worst[1]))):
            worst = (region[0], last), decades
    return worst


def _is_lost(decades: float, edges: tuple[float, ...]) -> bool:
    """Whether a gradient vanishes or explodes, and is not one to watch."""
    return band(decades, edges) in (*BANDS[:2], *BANDS[-2:])


def _within(found: GradientProbe, region: tuple[int, ...]) -> tuple[int, float]:
    """Return the place that the first of a region is compared with, and D; NaN for nothing to say.

    Where nothing arrives, an activation that lets nothing back through keeps it so for good.
    Weights of zero do not, nor does what multiplies the end of a branch by zero: they change at the
    first step, and what lies before them at the next, as is meant where a branch begins at zero.
    """
    points = found.points
    silent = next((n for n, k in enumerate(region) if points[k].arriving != 0.0), len(region))
    closed = {unit.after for unit in found.units if unit.closed}
    if silent and region[silent - 1] in closed:
        return region[silent - 1], float("-inf")
    waits = silent >= len(region) - 1 or points[region[silent]].weight_norm == 0.0
    if len(region) < DEEP or (silent and waits):
        return region[-2], float("nan")
    return region[-2], _decades(points[region[0]].arriving, points[region[-2]].arriving)


def _first(found: GradientProbe) -> int:
    """Return the first layer on the deepest way; of all where none leads through."""
    layers = [place for place, point in enumerate(found.points) if point.is_layer]
    return found.path[0] if found.path else layers[0]


def _reference(found: GradientProbe) -> int:
    """Return the last point before the last layer that no way from the first goes around.

    What joins the way with other towers is none: the gradient there is that of both.
    """
    first = _first(found)
    last = found.path[-1] if found.path else first
    points = found.points
    before = [
        place
        for place in range(first + 1, last)
        if points[place].on_trunk and not points[place].beside
    ]
    if before or len(found.path) < 3:
        # With one hidden layer there is no depth to lose a gradient in.
        return before[-1] if before else first
    return found.path[-2]


def _decades(first: float, reference: float) -> float:
    if not (math.isfinite(first) and math.isfinite(reference)):
        return float("nan")
    if reference == 0.0:
        return float("-inf") if first == 0.0 else float("inf")
    return math.log10(first / reference) if first > 0.0 else float("-inf")


def _sizes(found: GradientProbe, first: int, reference: int) -> tuple[list[float], tuple[str, ...]]:
    """Return the gradient at each point, without what a rescaling of an end layer does to it.

    In a network of rectifiers a layer's weights can be multiplied and the next layer's divided by
    the same number, and nothing else changes but the gradient between the two, which shrinks by it.
    Where the weights of an end layer are off by a large factor that the next layer's undo, that
    factor is taken out.
    """
    points, sizes = found.points, [point.arriving for point in found.points]
    chain = [k for k in range(first, len(points)) if points[k].is_layer and not points[k].beside]
    hidden = [k for k in chain if k <= reference]
    rigid = any(not points[k].on_trunk or points[k].normalised for k in hidden)
    kinds = {unit.kind for unit in found.units}
    gains = [points[k].typical_gain for k in chain]
    if len(hidden) < 2 or rigid or not kinds <= _HOMOGENEOUS or not min(gains) > 0.0:
        return sizes, ()
    inner = [points[k].typical_gain for k in hidden]
    usual = float(np.median(inner)) if len(inner) > 2 else matched_gain(main_activation(found))
    excess = np.log10(np.array(gains) / usual)
    named = []
    for end in (0, len(hidden) - 1):
        own, next_one = excess[end], excess[end + 1] if end + 1 < len(excess) else 0.0
        if abs(own) > 0.7 and abs(own + next_one) < 0.15 + 0.35 * abs(own):
            sizes[hidden[end]] *= 10.0**own
            named.append(points[hidden[end]].label)
    return sizes, tuple(named)


def _bad_layer(found: GradientProbe) -> str:
    if found.bad_weights:
        return found.bad_weights[0]
    forward = [point for point in found.points if not math.isfinite(point.activation_norm)]
    if forward:
        return forward[0].label
    # On the way back the deepest layer is the first.
    backward = [point for point in found.points if point.nonfinite]
    return backward[-1].label if backward else ""


def _findings(
    found: GradientProbe, decades: float, slope: float, reference: int
) -> tuple[str, ...]:
    findings = []
    mortal = [unit for unit in found.units if unit.dead is not None]
    worst = max((unit.dead_fraction for unit in mortal), default=0.0)
    average = sum(unit.dead_fraction for unit in mortal) / max(len(mortal), 1)
    if worst >= DEAD_LAYER or average >= DEAD_NETWORK:
        findings.append("dead")
    flat = [unit.saturated for unit in found.units if not math.isnan(unit.saturated)]
    much = flat and (max(flat) >= SATURATED_LAYER or np.mean(flat) >= SATURATED_NETWORK)
    # Steep weights make tanh flat in places and gradients explode: flatness alone is no fault.
    if much and decades < EDGES[2]:
        findings.append("saturated")
    inner = [point for point in found.points[:reference] if point.is_layer]
    if all(point.arriving == 0.0 for point in inner) and decades == float("-inf"):
        findings.append("zero-gradient")
    if math.isfinite(slope) and slope <= STEEP and _is_bounded(found.units):
        findings.append("steep")
    return tuple(findings)


def _is_bounded(units: tuple[ActivationUnits, ...]) -> bool:
    kinds = [unit.kind for unit in units]
    return sum(kind in ("sigmoid", "tanh", "hardsigmoid", "hardtanh") for kind in kinds) * 2 > len(
        kinds
    )


def _label(decades: float, edges: tuple[float, ...], sizes: list[float], *, watch: bool) -> str:
    if math.isnan(decades):
        return "non-finite"
    if decades == float("-inf"):
        arrived = [size for size in sizes if size > 0.0]
        faded = bool(arrived) and min(arrived) < _UNDERFLOW * max(arrived)
        # What fades below the smallest number of its type was not cut off anywhere.
        return "vanished" if faded else "blocked"
    label = band(decades, edges)
    return "watch" if label == "healthy" and watch else label


def _breaks(
    points: tuple[ProbedLayer, ...],
    sizes: list[float],
    first: int,
    reference: int,
    edges: tuple[float, ...],
) -> tuple[int | None, bool]:
    """Return the place after which the gradient is lost, and whether that is one large step."""
    chain = [k for k in range(first, reference + 1) if points[k].on_trunk or k == first]
    if not math.isfinite(sizes[reference]) or len(chain) < 2:
        return None, False
    tiny = 1e-300
    decades = [math.log10(max(sizes[k], tiny) / max(sizes[reference], tiny)) for k in chain]
    total = decades[0]
    if edges[2] <= total <= edges[3]:
        return None, False
    steps = np.diff(decades)  # What one step towards the output wins back.
    worst = int(np.argmax(steps)) if total < 0 else int(np.argmin(steps))
    if abs(steps[worst]) > max(0.5 * abs(total), 1.0):
        return chain[worst + 1], True
    limit = edges[2] if total < 0 else edges[3]
    for place in range(len(chain) - 1, 0, -1):
        beyond = decades[place - 1] < limit if total < 0 else decades[place - 1] > limit
        if beyond:
            return chain[place], False
    return None, False
