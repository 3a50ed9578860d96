"""Lengths on paper, as people write them: in inches, or with a unit."""

from __future__ import annotations

import math
import re

from cnnviz.errors import UsageError

_INCHES = {"": 1.0, "in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4}
_WRITTEN = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(mm|cm|in|)\s*", re.IGNORECASE)


def inches_of(length: float | str) -> float:
    """Return a length in inches: a number of inches, or a text that may end in mm, cm or in.

    >>> inches_of(3.35), inches_of("85mm"), inches_of("2 in")
    (3.35, 3.3464566929133857, 2.0)

    Raises
    ------
    UsageError
        If it is no length.
    """
    if isinstance(length, str):
        found = _WRITTEN.fullmatch(length)
        value = float(found[1]) * _INCHES[found[2].lower()] if found else math.nan
    else:
        value = _number(length)
    if not 0.0 < value < math.inf:
        raise UsageError(
            f"{length!r} is no length.", "Give inches, or a unit with it, such as 85mm or 3.3in."
        )
    return value


def _number(length: float) -> float:
    try:
        return float(length)
    except (TypeError, ValueError):
        return math.nan
