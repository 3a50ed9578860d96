"""Where two results differ, read off their JSON."""

from __future__ import annotations

from typing import Any

ROUNDING = 1e-3
_HOW = {"provenance", "caption", "notes"}


def difference(one: Any, other: Any, where: str = "") -> str:
    """Return the first place where two documents differ by more than rounding; empty if nowhere.

    Where a result comes from, its caption and notes may differ: they tell how it was computed.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() - _HOW != other.keys() - _HOW:
            return f"{where} has other keys"
        pairs = [(name, one[name], other[name]) for name in one if name not in _HOW]
        return next(filter(None, (difference(a, b, f"{where}.{n}") for n, a, b in pairs)), "")
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{where} has another length"
        each = enumerate(zip(one, other, strict=True))
        return next(filter(None, (difference(a, b, f"{where}[{i}]") for i, (a, b) in each)), "")
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    if numbers and abs(one - other) <= ROUNDING * max(1.0, abs(other)):
        return ""
    return "" if one == other else f"{where}: {one!r:.100} and {other!r:.100}"
