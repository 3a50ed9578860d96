"""What the measures say of a method, in sentences, by thresholds that are written down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnviz.heatmaps.checks.measure import Measure

LEVEL = 0.1
"""A map counts as better than random where random maps do as well less often than this, or just as
often: the map of a single photo must beat all of its nine."""
MARGIN = 0.2
"""How much more likeness than the plain gradient a map may keep while the weights are redrawn.

Measured map by map on 40 held-out scenes with shapes-plain and 7 photos with SqueezeNet 1.0:
guided backpropagation keeps 0.23 to 0.64 more than the gradient, and Grad-CAM always less."""
MOST = 0.6
"""How much likeness no map may keep, whatever the gradient does."""


@dataclass(frozen=True)
class CheckVerdict:
    """One sentence on a method, and whether it speaks for the method.

    Attributes
    ----------
    check : {"random", "randomisation"}
        What was checked.
    passed : bool
        Whether the method passed.
    sentence : str
        What was found.
    """

    check: str
    passed: bool
    sentence: str


def against_random(title: str, gain: Measure) -> CheckVerdict:
    """Say whether maps do better at insertion and deletion than random maps.

    Parameters
    ----------
    title : str
        The method's name.
    gain : Measure
        Insertion minus deletion, from `cnnviz.heatmaps.checks.deletion_insertion.Curves.measures`.
    """
    passed = gain.chance <= LEVEL
    figures = (
        f"insertion minus deletion is {gain.mean:.2f} against {gain.random_mean:.2f}, and random "
        f"maps do as well with probability {gain.chance:.2g}"
    )
    found = "finds the evidence" if passed else "does no better than a random map"
    if not passed and gain.mean > gain.random_mean:
        found = "does better than the average random map, but not surely"
    than = " better than random maps" if passed else ""
    return CheckVerdict("random", passed, f"{title} {found}{than}: {figures}.")


def similarity_limit(gradient: float) -> float:
    """Return how much likeness a map may keep beside a plain gradient that keeps so much."""
    return min((max(gradient, 0.0) if np.isfinite(gradient) else 0.0) + MARGIN, MOST)


def against_randomisation(title: str, likeness: Measure, gradient: Measure) -> CheckVerdict:
    """Say whether maps change when the weights of the upper half of the network are redrawn.

    The yardstick is the plain gradient of the same images under the same weights. It is what the
    network computes and nothing else, and keeps some likeness because the lower layers still find
    the same edges; how much differs from network to network.

    Parameters
    ----------
    title : str
        The method's name.
    likeness, gradient : Measure
        The likeness kept, and that of the plain gradient, from
        `cnnviz.heatmaps.checks.randomisation.Randomisation.measures`.
    """
    if not np.isfinite(likeness.mean):
        return CheckVerdict(
            "randomisation",
            False,
            f"{title} marks nothing that could change with the weights: its maps have one value.",
        )
    limit = similarity_limit(gradient.mean)
    passed = likeness.mean < limit
    how = (
        "while the upper half of the layers forget what they learned, the maps keep a likeness of "
        f"{likeness.mean:.2f} to what they were (1 is unchanged, 0 is random; the plain gradient "
        f"keeps {gradient.mean:.2f}, and the limit is {limit:.2f})"
    )
    if passed:
        return CheckVerdict(
            "randomisation", True, f"{title} shows what the network learned: {how}."
        )
    return CheckVerdict(
        "randomisation",
        False,
        f"{title} hardly changes when the weights are randomised, so it shows the photo more than "
        f"the network: {how}.",
    )
