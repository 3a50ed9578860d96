"""What the measures say of a method, in sentences, by thresholds that are written down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

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
        What was checked: the name of a `Check`.
    passed : bool
        Whether the method passed.
    sentence : str
        What was found.
    """

    check: str
    passed: bool
    sentence: str


class Figures(Protocol):
    """What a check reads of a measure, be it of some maps or of a whole table."""

    @property
    def mean(self) -> float:
        """The mean over the images."""

    @property
    def chance(self) -> float:
        """How probable it is that a random map does as well."""


class Check(ABC):
    """A threshold that a method passes or fails.

    Every method is given a function that returns a measure by its key.

    Attributes
    ----------
    name : str
        Its name in data.
    measure : str
        The key of the measure that is judged.
    passed, failed : str
        What is said of a method that passed or failed, in a few words.
    failed_by : str
        What stands before a list of the methods that failed.
    reading : str
        How to read the figures of `line`, in sentences.
    """

    name: ClassVar[str]
    measure: ClassVar[str]
    passed: ClassVar[str]
    failed: ClassVar[str]
    failed_by: ClassVar[str]
    reading: ClassVar[str]

    @abstractmethod
    def passes(self, find: Callable[[str], Figures]) -> bool:
        """Return whether a method passes."""

    @abstractmethod
    def sentence(self, title: str, find: Callable[[str], Measure]) -> str:
        """Say what was found of a method, with its figures."""

    @abstractmethod
    def line(self, find: Callable[[str], Measure]) -> str:
        """Return the figures in a short line."""

    @abstractmethod
    def failed_line(self, find: Callable[[str], Measure]) -> str:
        """Say in a short line why a method failed."""

    def limit(self, find: Callable[[str], Figures]) -> float | None:
        """Return the value that the measure must stay below; None where it has no such limit."""
        return None

    def verdict(self, title: str, find: Callable[[str], Measure]) -> CheckVerdict:
        """Judge a method.

        Parameters
        ----------
        title : str
            The method's name.
        find : callable
            ``find(key)`` returns a measure of its maps.
        """
        return CheckVerdict(self.name, self.passes(find), self.sentence(title, find))


class AgainstRandom(Check):
    """Whether maps do better at insertion and deletion than random maps.

    The measure is insertion minus deletion, from
    `cnnviz.heatmaps.checks.deletion_insertion.Curves.measures`.
    """

    name = "random"
    measure = "gain"
    passed = "better than random"
    failed = "no better than random"
    failed_by = "No better than random maps"
    reading = (
        "Insertion less deletion tells how fast the answer comes and goes with the pixels that the "
        "map marks; more is better, and a random map of the same kind is the measure."
    )

    def passes(self, find: Callable[[str], Figures]) -> bool:
        """Return whether random maps do as well seldom enough."""
        return find(self.measure).chance <= LEVEL

    def sentence(self, title: str, find: Callable[[str], Measure]) -> str:
        """Say how the maps do beside random ones."""
        gain = find(self.measure)
        passed = self.passes(find)
        figures = (
            f"insertion minus deletion is {gain.mean:.2f} against {gain.random_mean:.2f}, and "
            f"random maps do as well with probability {gain.chance:.2g}"
        )
        found = "finds the evidence" if passed else "does no better than a random map"
        if not passed and gain.mean > gain.random_mean:
            found = "does better than the average random map, but not surely"
        than = " better than random maps" if passed else ""
        return f"{title} {found}{than}: {figures}."

    def line(self, find: Callable[[str], Measure]) -> str:
        """Return the gain of the maps and of the random maps."""
        gain = find(self.measure)
        return f"insertion - deletion {gain.mean:.2f}, random {gain.random_mean:.2f}"

    def failed_line(self, find: Callable[[str], Measure]) -> str:
        """Say how probable it is that random maps do as well."""
        return f"random maps do as well with probability {find(self.measure).chance:.2g}"


class AgainstRandomisation(Check):
    """Whether maps change when the weights of the upper half of the network are redrawn.

    The yardstick is the plain gradient of the same images under the same weights. It is what the
    network computes and nothing else, and keeps some likeness because the lower layers still find
    the same edges; how much differs from network to network. Both measures are from
    `cnnviz.heatmaps.checks.randomisation.Randomisation.measures`.
    """

    name = "randomisation"
    measure = "likeness_kept"
    yardstick: ClassVar[str] = "gradient_likeness"
    passed = "changes with the weights"
    failed = "does not change with the weights"
    failed_by = "Hardly changed when the weights are randomised"
    reading = (
        "The likeness kept tells how much of the map stays when the upper half of the network "
        "forgets what it learned; a map of what the network learned keeps little."
    )

    def passes(self, find: Callable[[str], Figures]) -> bool:
        """Return whether the maps keep little enough likeness; a map of one value keeps none."""
        return find(self.measure).mean < self.limit(find)

    def limit(self, find: Callable[[str], Figures]) -> float:
        """Return how much likeness the maps may keep, beside what the plain gradient keeps."""
        return similarity_limit(find(self.yardstick).mean)

    def sentence(self, title: str, find: Callable[[str], Measure]) -> str:
        """Say how much likeness the maps keep."""
        likeness, gradient = find(self.measure).mean, find(self.yardstick).mean
        if not np.isfinite(likeness):
            return (
                f"{title} marks nothing that could change with the weights: its maps have one "
                "value."
            )
        how = (
            "while the upper half of the layers forget what they learned, the maps keep a likeness "
            f"of {likeness:.2f} to what they were (1 is unchanged, 0 is random; the plain gradient "
            f"keeps {gradient:.2f}, and the limit is {self.limit(find):.2f})"
        )
        if self.passes(find):
            return f"{title} shows what the network learned: {how}."
        return (
            f"{title} hardly changes when the weights are randomised, so it shows the photo more "
            f"than the network: {how}."
        )

    def line(self, find: Callable[[str], Measure]) -> str:
        """Return the likeness kept."""
        return f"likeness kept {find(self.measure).mean:.2f}"

    def failed_line(self, find: Callable[[str], Measure]) -> str:
        """Say that the maps hardly change."""
        return "hardly changes when the weights are randomised"


def similarity_limit(gradient: float) -> float:
    """Return how much likeness a map may keep beside a plain gradient that keeps so much."""
    return min((max(gradient, 0.0) if np.isfinite(gradient) else 0.0) + MARGIN, MOST)
