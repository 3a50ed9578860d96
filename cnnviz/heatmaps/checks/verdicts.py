"""What the measures say of a method, in sentences, by thresholds that are written down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import minus, plural

LEVEL = 0.05
"""A map counts as better than random where random maps do as well with this probability or less:
the map of a single photo must beat all of its nineteen."""
DIGITS = 2
"""The digits of a difference that are told, and below which it is none."""
MARGIN = 0.2
"""How much more similarity than the plain gradient a map may keep while the weights are redrawn.

Measured map by map on 40 held-out scenes with shapes-plain and 7 photos with SqueezeNet 1.0:
guided backpropagation keeps 0.23 to 0.64 more than the gradient, and Grad-CAM always less."""
MOST = 0.6
"""How much similarity no map may keep, whatever the gradient does."""
_UNCHANGED = 1.0 - 1e-6
"""From which mean similarity on every map stayed what it was, up to rounding."""


@dataclass(frozen=True)
class CheckVerdict:
    """One sentence on a method, and whether it speaks for the method.

    Attributes
    ----------
    check : {"random", "randomisation"}
        What was checked: the name of a `Check`.
    passed : bool or None
        Whether the method passed; None where what was measured does not tell.
    sentence : str
        What was found.
    """

    check: str
    passed: bool | None
    sentence: str


class Figures(Protocol):
    """What a check reads of a measure, be it of some maps or of a whole table."""

    @property
    def mean(self) -> float:
        """The mean over the images."""

    @property
    def low(self) -> float:
        """The low end of the 95% interval of the mean."""

    @property
    def high(self) -> float:
        """The high end of it."""

    @property
    def random_mean(self) -> float:
        """The mean over the random maps of the same images."""

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
    failed_by, unknown_by : str
        What stands before a list of the methods that failed, or of which it is not known.
    reading : str
        How to read the figures of `line`, in sentences; a template for `Space.words`.
    """

    name: ClassVar[str]
    measure: ClassVar[str]
    passed: ClassVar[str]
    failed: ClassVar[str]
    failed_by: ClassVar[str]
    unknown_by: ClassVar[str] = ""
    reading: ClassVar[str]

    @abstractmethod
    def passes(self, find: Callable[[str], Figures]) -> bool:
        """Return whether a method passes."""

    def judge(self, find: Callable[[str], Figures]) -> bool | None:
        """Return whether a method passes; None where the figures do not tell."""
        return self.passes(find)

    @abstractmethod
    def sentence(self, title: str, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say what was found of a method, with its figures."""

    @abstractmethod
    def line(self, find: Callable[[str], Measure]) -> str:
        """Return the figures in a short line."""

    @abstractmethod
    def failed_line(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say in a short line why a method failed."""

    def said(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say in a few words whether a method passes."""
        return self.passed if self.passes(find) else self.failed

    def limit(self, find: Callable[[str], Figures]) -> float | None:
        """Return the value that the measure must stay below; None where it has no such limit."""
        return None

    def verdict(
        self, title: str, find: Callable[[str], Measure], space: Space = IMAGE
    ) -> CheckVerdict:
        """Judge a method.

        Parameters
        ----------
        title : str
            The method's name.
        find : callable
            ``find(key)`` returns a measure of its maps.
        space : Space
            What the maps lie over.
        """
        return CheckVerdict(self.name, self.judge(find), self.sentence(title, find, space))


class AgainstRandom(Check):
    """Whether maps do better at insertion and deletion than random maps.

    The measure is insertion minus deletion, from
    `cnnviz.heatmaps.checks.deletion_insertion.Curves.measures`.
    """

    name = "random"
    measure = "gain"
    passed = "better than random"
    failed = "no different from random"
    failed_by = f"No better than random maps, as far as those drawn can tell (level {LEVEL:g})"
    reading = (
        "Insertion minus deletion tells how fast the answer comes and goes with the {places} that "
        "the map marks; more is better, and a random map of the same kind is the measure."
    )

    def passes(self, find: Callable[[str], Figures]) -> bool:
        """Return whether the maps do better by more than nothing, and random maps seldom do so."""
        gain = find(self.measure)
        ahead = round(gain.mean - gain.random_mean, DIGITS) > 0.0
        return bool(ahead and gain.chance <= LEVEL)

    def said(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say in a few words how the maps do beside random ones, and how many can tell."""
        gain = find(self.measure)
        if self.passes(find):
            return self.passed
        worse = "worse than random" if _worse(gain) else self.failed
        return f"{worse} as far as {_counted(gain, space)} can tell"

    def sentence(self, title: str, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say how the maps do beside random ones, and what that rests on."""
        gain = find(self.measure)
        figures = minus(
            f"insertion minus deletion is {gain.mean:z.{DIGITS}f} against "
            f"{gain.random_mean:z.{DIGITS}f}, and random maps do as well with probability "
        )
        figures += f"{gain.chance:.2g}"
        if self.passes(find):
            return f"{title} finds the evidence better than random maps: {figures}."
        what = "does worse than" if _worse(gain) else "is no different from"
        return (
            f"{title} {what} random maps, as far as {_counted(gain, space)} can tell: {figures}; "
            f"{_asked(gain)}."
        )

    def line(self, find: Callable[[str], Measure]) -> str:
        """Return the gain of the maps and of the random maps."""
        gain = find(self.measure)
        own, random = (f"{mean:z.{DIGITS}f}" for mean in (gain.mean, gain.random_mean))
        return minus(f"insertion - deletion {own}, random {random}")

    def failed_line(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say that random maps do as well too often to tell them apart."""
        gain = find(self.measure)
        return f"{self.said(find, space)} (probability {gain.chance:.2g})"


def _counted(gain: Measure, space: Space) -> str:
    """Return how many random maps there are, in words."""
    each = f" for each {space.noun}" if len(gain.values) > 1 else ""
    return f"{plural(gain.random.shape[1], 'random map')}{each}"


def _worse(gain: Measure) -> bool:
    """Return whether maps do worse by more than nothing, and random maps seldom do so."""
    behind = round(gain.random_mean - gain.mean, DIGITS) > 0.0
    return bool(behind and gain.other_chance <= LEVEL)


def _asked(gain: Measure) -> str:
    """Say what it takes for maps to count as better, where it can be had."""
    if gain.least_chance > LEVEL:
        return (
            f"even maps that beat all of these would do so with probability "
            f"{gain.least_chance:.2g}, and better takes {LEVEL:g} or less"
        )
    least = 10.0**-DIGITS
    return f"better takes {LEVEL:g} or less, and a difference of {least:g} or more"


class AgainstRandomisation(Check):
    """Whether maps change when the weights of the upper half of the network are redrawn.

    The yardstick is the plain gradient of the same images under the same weights. It is what the
    network computes and nothing else, and keeps some similarity because the lower layers still find
    the same edges; how much differs from network to network. Both measures are from
    `cnnviz.heatmaps.checks.randomisation.Randomisation.measures`.
    """

    name = "randomisation"
    measure = "similarity_kept"
    yardstick: ClassVar[str] = "gradient_similarity"
    passed = "changes with the weights"
    failed = "does not change with the weights"
    failed_by = "Hardly changed when the weights are randomised"
    unknown_by = (
        "Not known from these images whether it changes when the weights are randomised, since the "
        "interval holds the limit"
    )
    reading = (
        "The similarity kept tells how much of the map stays when the weights of the upper half of "
        "the network are redrawn; a map that depends on the weights keeps little."
    )

    def passes(self, find: Callable[[str], Figures]) -> bool:
        """Return whether the maps keep little enough similarity; a map of one value keeps none."""
        return find(self.measure).mean < self.limit(find)

    def judge(self, find: Callable[[str], Figures]) -> bool | None:
        """Return the same; None where the interval over the images reaches over the limit.

        Where every map stayed what it was, an interval has nothing to tell: equal values say little
        of other images, and these show that the method does without the weights.
        """
        kept, limit = find(self.measure), self.limit(find)
        if kept.mean >= _UNCHANGED:
            return False
        return None if kept.low < limit <= kept.high else self.passes(find)

    def said(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say in a few words whether the maps change, or that it is not known."""
        if self.judge(find) is None:
            return "not known whether it changes with the weights"
        return super().said(find, space)

    def limit(self, find: Callable[[str], Figures]) -> float:
        """Return how much similarity the maps may keep, beside what the plain gradient keeps."""
        return similarity_limit(find(self.yardstick).mean)

    def sentence(self, title: str, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say how much similarity the maps keep."""
        kept, gradient = find(self.measure), find(self.yardstick).mean
        similarity = kept.mean
        if not np.isfinite(similarity):
            return (
                f"{title} marks nothing that could change with the weights: its maps have one "
                "value."
            )
        how = minus(
            "with the upper half of the layers redrawn at random, the maps keep a "
            f"similarity of {similarity:.2f} to what they were (1 is unchanged, 0 is random; the "
            f"plain gradient keeps {gradient:.2f}, and the limit is {self.limit(find):.2f})"
        )
        if self.judge(find) is None:
            return (
                f"Whether {title} depends on the weights is not known: {how}, and the 95% "
                f"interval of that similarity, {minus(f'{kept.low:.2f} to {kept.high:.2f}')}, "
                "holds the limit."
            )
        if self.passes(find):
            return f"{title} depends on the weights of the network: {how}."
        return (
            f"{title} hardly changes when the weights are randomised, so it shows the "
            f"{space.shown} more than the network: {how}."
        )

    def line(self, find: Callable[[str], Measure]) -> str:
        """Return the similarity kept."""
        return f"similarity kept {minus(f'{find(self.measure).mean:.2f}')}"

    def failed_line(self, find: Callable[[str], Measure], space: Space = IMAGE) -> str:
        """Say that the maps hardly change."""
        return "hardly changes when the weights are randomised"


def similarity_limit(gradient: float) -> float:
    """Return how much similarity a map may keep beside a plain gradient that keeps so much."""
    return min((max(gradient, 0.0) if np.isfinite(gradient) else 0.0) + MARGIN, MOST)
