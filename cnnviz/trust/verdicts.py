"""What the measures say of a method, in sentences, by thresholds that are written down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnviz.trust.measure import Measure

LEVEL = 0.1
"""A map counts as better than random where random maps do as well less often than this, or just as
often: the map of a single photo must beat all of its nine."""
UNCHANGED = 0.3
"""The likeness from which on a map counts as unchanged; see `Randomisation.kept`. It lies between
what guided backpropagation keeps and what the plain gradient and Grad-CAM do."""


@dataclass(frozen=True)
class Verdict:
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


def against_random(title: str, gain: Measure) -> Verdict:
    """Say whether maps do better at insertion and deletion than random maps.

    Parameters
    ----------
    title : str
        The method's name.
    gain : Measure
        Insertion minus deletion, from `cnnviz.trust.deletion_insertion.Curves.measures`.
    """
    passed = gain.chance <= LEVEL
    figures = (
        f"insertion minus deletion is {gain.mean:.2f} against {gain.random_mean:.2f}, and random "
        f"maps do as well with probability {gain.chance:.2g}"
    )
    found = "finds the evidence" if passed else "does no better than a random map"
    than = " better than random maps" if passed else ""
    return Verdict("random", passed, f"{title} {found}{than}: {figures}.")


def against_randomisation(title: str, likeness: Measure) -> Verdict:
    """Say whether maps change when the weights of the upper half of the network are redrawn.

    Parameters
    ----------
    title : str
        The method's name.
    likeness : Measure
        The likeness kept, from `cnnviz.trust.randomisation.Randomisation.measures`.
    """
    if not np.isfinite(likeness.mean):
        return Verdict(
            "randomisation",
            False,
            f"{title} marks nothing that could change with the weights: its maps have one value.",
        )
    passed = likeness.mean < UNCHANGED
    how = (
        f"while the upper half of its layers forget what they learned, the maps keep a likeness of "
        f"{likeness.mean:.2f} to what they were (1 is unchanged, 0 a random map, {UNCHANGED:g} the "
        "limit)"
    )
    if passed:
        return Verdict("randomisation", True, f"{title} shows what the network learned: {how}.")
    return Verdict(
        "randomisation",
        False,
        f"{title} hardly changes when the weights are randomised, so it shows the photo more than "
        f"the network: {how}.",
    )
