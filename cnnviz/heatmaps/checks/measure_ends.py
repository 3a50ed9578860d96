"""Between which ends each measure lies, which no interval of its mean may leave."""

from __future__ import annotations

import math

Ends = tuple[float, float]

_SHARE: Ends = (0.0, 1.0)
_CORRELATION: Ends = (-1.0, 1.0)
_ENDS: dict[str, Ends] = {
    # Areas of scores, which may pass them, have none where one does.
    "deletion": _SHARE, "insertion": _SHARE, "gain": _CORRELATION,
    "average_drop": _SHARE, "increase": _SHARE, "brightness": _SHARE,
    "pointing": _SHARE, "energy_inside": _SHARE, "box_overlap": _SHARE,
    "box_found": _SHARE, "max_box_found": _SHARE,
    "similarity_kept": _CORRELATION, "gradient_similarity": _CORRELATION,
    "randomised_correlation": _CORRELATION, "randomised_similarity": _CORRELATION,
    "noise_correlation": _CORRELATION, "noise_change": (0.0, math.inf),
}  # fmt: skip


def ends_of(key: str) -> Ends:
    """Return the least and the greatest value of a measure; infinite for one of your own.

    A measure that is taken in several ways has the way behind its name.

    >>> ends_of("noise_correlation"), ends_of("deletion_blur"), ends_of("gini")
    ((-1.0, 1.0), (0.0, 1.0), (-inf, inf))
    """
    of_key = (ends for name, ends in _ENDS.items() if key == name or key.startswith(f"{name}_"))
    return next(of_key, (-math.inf, math.inf))
