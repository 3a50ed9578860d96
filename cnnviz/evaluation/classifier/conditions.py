"""What a check in continuous integration may ask of an evaluation: ``error-rate>0.3``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.results.checks import Check, State

if TYPE_CHECKING:
    from cnnviz.evaluation.classifier.result import ClassifierEvaluation

_FORM = re.compile(r"\s*([a-z0-9][a-z0-9-]*)\s*(<|>)\s*([0-9.eE+-]+)\s*")
_TOP_K = re.compile(r"top-([0-9]+)-error")
_FIXED: dict[str, Callable[[ClassifierEvaluation], float]] = {
    "error-rate": lambda found: found.error_rate.value,
    "balanced-error-rate": lambda found: found.balanced_error_rate.value,
    "macro-f1": lambda found: found.macro_f1,
    "macro-auc": lambda found: found.macro_auc,
    "calibration-error": lambda found: found.calibration.error,
    "brier": lambda found: found.brier.score.value,
}
NAMES = (*_FIXED, "top-5-error")


@dataclass(frozen=True)
class Condition:
    """A measure and the limit that it is not to pass.

    Attributes
    ----------
    text : str
        The condition as it was given.
    measure : str
        The measure, by its name here.
    above : bool
        Whether it fails above the limit; below it otherwise.
    limit : float
        The limit.
    """

    text: str
    measure: str
    above: bool
    limit: float

    @property
    def k(self) -> int | None:
        """How many classes count, where the measure is the error of the top k."""
        found = _TOP_K.fullmatch(self.measure)
        return None if found is None else int(found[1])

    def value(self, found: ClassifierEvaluation) -> float:
        """Return the measure; NaN where it was not taken."""
        if self.k is None:
            return _FIXED[self.measure](found)
        return next((top.wrong.value for top in found.top_k if top.k == self.k), math.nan)

    def holds(self, found: ClassifierEvaluation) -> bool | None:
        """Return whether the measure is past the limit; None where it could not be taken."""
        value = self.value(found)
        if math.isnan(value):
            return None
        return value > self.limit if self.above else value < self.limit

    def check(self, found: ClassifierEvaluation, name: str) -> Check:
        """Return whether the condition holds, with what was measured of a network."""
        holds, value = self.holds(found), self.value(found)
        states: dict[bool | None, State] = {None: "not measured", True: "failed", False: "passed"}
        limit = f"it fails {'above' if self.above else 'below'} {self.limit:g}"
        measured = "was not measured" if holds is None else f"is {value:.6g}"
        text = f"The {self.measure} {measured}; {limit}. {found.summary()}"
        return Check(name, self.text, states[holds], text)


def read_conditions(given: str | Sequence[str] | None) -> tuple[Condition, ...]:
    """Return the conditions that were given.

    Raises
    ------
    UsageError
        If one is no measure, a sign and a number, or there is no such measure.
    """
    texts = [given] if isinstance(given, str) else list(given or ())
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return tuple(_read(part) for part in parts)


def _read(text: str) -> Condition:
    parts = _FORM.fullmatch(text)
    try:
        limit = float(parts[3]) if parts else math.nan
    except ValueError:
        limit = math.nan
    if parts is None or not math.isfinite(limit):
        raise UsageError(
            f"{text!r} is nothing to fail on.",
            "Give a measure and a limit, such as error-rate>0.3.",
        )
    condition = Condition(text, parts[1], parts[2] == ">", limit)
    if condition.measure not in _FIXED and not condition.k:
        raise UsageError(
            f"There is no measure {condition.measure!r} to fail on.",
            f"{did_you_mean(condition.measure, NAMES)} Choose among {', '.join(NAMES)}.".strip(),
        )
    return condition
