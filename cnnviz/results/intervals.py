"""The interval of a share that was counted, for small counts too: the only formula of it."""

from __future__ import annotations

import math

LEVEL = 0.95
"""How often such an interval holds the true share."""
Z = 1.959963984540054
"""Two standard deviations, nearly: 95% of a normal distribution lie within."""


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the ends of the 95% interval of a share (Wilson 1927).

    Parameters
    ----------
    hits, count : int
        How many of how many; `count` is above zero.
    """
    share, square = hits / count, Z * Z / count
    middle = share + square / 2.0
    reach = Z * math.sqrt(share * (1.0 - share) / count + square / (4.0 * count))
    low, high = (middle - reach) / (1.0 + square), (middle + reach) / (1.0 + square)
    # Rounding may leave an end a hair beside what it is exactly.
    return (low if hits else 0.0), (high if hits < count else 1.0)


_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010)
"""Student's t at 97.5%, for 1 to 11 degrees of freedom."""


def t_reach(count: int) -> float:
    """Return how far a 95% interval of a mean reaches, in standard deviations of its values.

    Of `count` values that are drawn from a normal distribution, 2 to 12 (Student 1908); NaN for
    one, of which nothing is known.
    """
    return _T[count - 2] / math.sqrt(count) if count > 1 else math.nan


def mean_reach(count: int) -> float:
    """Return the same for any number of values above one; of many by the normal distribution."""
    return t_reach(count) if count <= len(_T) + 1 else Z / math.sqrt(count)
