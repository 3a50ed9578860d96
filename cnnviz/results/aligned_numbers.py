"""Numbers read together, to one place: a column, a mean with its spread, a share with its ends."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cnnviz.results.text import minus, number, percent, power_of_ten, whole_percent

_FINEST_SPREAD = 1e-4
"""The least deviation that is written with its zeros."""
_WIDE = 0.1
"""From which width on the interval of a share leaves no place behind the point."""


def in_one_form(values: Iterable[float]) -> list[str]:
    """Return numbers that stand beside each other: as `number` has them, or all as powers of ten.

    >>> in_one_form([79232, 483]), in_one_form([79232, 262144])
    (['79232', '483'], ['7.9 × 10⁴', '2.6 × 10⁵'])
    """
    several = list(values)
    plain = [number(value) for value in several]
    return [power_of_ten(value) for value in several] if "e" in "".join(plain) else plain


def mean_and_spread(several: Iterable[float], *, signed: bool = False) -> str:
    """Return the mean of values, and one standard deviation of them where there are two or more.

    With `signed` a mean above 0 has its sign too.

    >>> mean_and_spread([1.0, 3.0]), mean_and_spread([2.5], signed=True)
    ('2.0 ± 1.4', '+2.5')
    """
    values = [float(value) for value in several]
    mean = math.fsum(values) / len(values)
    sign = "+" if signed and mean > 0.0 else ""
    if len(values) < 2:
        return sign + number(mean)
    square = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    # What rounding makes of equal values is no spread.
    deviation = math.sqrt(square) if square > (1e-12 * max(map(abs, values))) ** 2 else 0.0
    return sign + with_spread(mean, deviation)


def with_spread(mean: float, deviation: float) -> str:
    """Return a mean and a deviation to the same place: the second figure of the deviation.

    >>> with_spread(90.0, 0.534), with_spread(121.4, 58.31), with_spread(2.5, 0.0)
    ('90.00 ± 0.53', '121 ± 58', '2.5 ± 0')
    >>> with_spread(0.25, 3e-7), with_spread(90.0, 0.996)
    ('0.25 ± 3.0e-07', '90.0 ± 1.0')
    """
    if deviation < _FINEST_SPREAD or not math.isfinite(deviation):
        return f"{number(mean)} ± {number(deviation)}"
    # Of what it is rounded to: 0.996 is written 1.0.
    places = max(0, 1 - _order(deviation, 1))
    return minus(f"{mean:z.{places}f} ± {deviation:.{places}f}")


def intervals_to_one_place(
    values: Iterable[float], lows: Iterable[float], highs: Iterable[float]
) -> list[tuple[str, str, str]]:
    """Return values with the ends of their intervals that stand below each other, to one place.

    It is the second figure of half the widest interval, or the first of the finest half or end
    where that is finer, so that none but a zero is written as zero.

    >>> intervals_to_one_place([1.554, 1.312], [1.44, 1.218], [1.68, 1.413])
    [('1.55', '1.44', '1.68'), ('1.31', '1.22', '1.41')]
    >>> intervals_to_one_place([1.554, 0.021], [1.44, 0.0041], [1.68, 0.107])
    [('1.554', '1.440', '1.680'), ('0.021', '0.004', '0.107')]
    """
    several = list(zip(values, lows, highs, strict=True))
    halves = [(high - low) / 2.0 for _, low, high in several]
    known = [one for one in halves if math.isfinite(one) and one >= _FINEST_SPREAD]
    if not known:
        return [(number(one), number(low), number(high)) for one, low, high in several]
    ends = [abs(low) for _, low, _ in several if math.isfinite(low)]
    finest = min(one for one in (*known, *ends) if one >= _FINEST_SPREAD)
    places = max(0, 1 - _order(max(known), 1), -_order(finest, 0))
    return [
        (minus(f"{one:z.{places}f}"), minus(f"{low:z.{places}f}"), minus(f"{high:z.{places}f}"))
        for one, low, high in several
    ]


def _order(value: float, figures: int) -> int:
    """Return the power of ten of a number above zero that is rounded to so many more figures."""
    return math.floor(math.log10(float(f"{value:.{figures}e}")))


def to_one_place(values: Iterable[float], figures: int = 3) -> list[str]:
    """Return numbers that stand below each other to one place: the last figure of the largest.

    >>> to_one_place([0.15, 0.1188, 0.0997]), to_one_place([2112, 14.2]), to_one_place([3e-5, 0.0])
    (['0.150', '0.119', '0.100'], ['2112', '14'], ['3.0 × 10⁻⁵', '0'])
    """
    several = list(values)
    largest = max(map(abs, several), default=0.0)
    if not 1e-3 <= largest < 1e5:
        return in_one_form(several)
    places = max(0, figures - 1 - math.floor(math.log10(largest)))
    return [minus(f"{value:z.{places}f}") for value in several]


def beside_each_other(values: Iterable[float]) -> list[str]:
    """Return numbers to one place, as `to_one_place`, but none that is not zero as zero.

    >>> beside_each_other([5.0, 4.79, 0.0]), beside_each_other([2793.0, 0.0021])
    (['5.00', '4.79', '0.00'], ['2793', '0.0021'])
    """
    several = list(values)
    return [
        said if value == 0.0 or said.strip("−0.") else number(value)
        for value, said in zip(several, to_one_place(several), strict=True)
    ]


def share_between(share: float, low: float, high: float) -> str:
    """Return a share of 1 with the ends of its interval, all as exactly as the interval allows.

    >>> share_between(1.0, 0.757, 1.0), share_between(0.5, 0.4888, 0.5112)
    ('100% (76% to 100%)', '50.0% (48.9% to 51.1%)')
    """
    told = whole_percent if high - low >= _WIDE else percent
    return f"{told(share)} ({told(low)} to {told(high)})"
