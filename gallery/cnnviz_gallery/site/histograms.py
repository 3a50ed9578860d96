"""The histogram of a channel's peaks, drawn from the bins of a scan without moving a count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cnnviz.results.aligned_numbers import in_one_form
from cnnviz.results.text import number, plural
from cnnviz_gallery.scan.quantised_sums import BINS, PER_OCTAVE, bin_edges
from cnnviz_gallery.scan.ranked_images import Ints
from cnnviz_gallery.site.content import Bar, Histogram, Tick

WIDTH, HEIGHT = 640.0, 120.0
_BEYOND = "Peaks that lie beyond the outermost bars are counted in them."


def histogram(
    counts: Ints, unit: float, low: float, high: float, marked: Mapping[str, Sequence[float]]
) -> Histogram:
    """Return a histogram in bars of one width, each a union of whole bins.

    Only what lies in the middle bin, on either side of zero, stands on one side of it.

    Parameters
    ----------
    counts : ndarray of int64
        [BINS], images in each bin.
    unit : float
        That of the bins, see `quantised_sums.bin_of`.
    low, high : float
        The least and the greatest peak.
    marked : mapping of str to sequence of float
        Values to be marked below the axis, by the kind of mark.
    """
    edges = bin_edges(unit)
    finest, furthest = float(edges[BINS // 2 + 1]), float(edges[-1])
    reach = max(abs(low), abs(high))
    octave = math.floor(math.log2(min(max(reach, finest), furthest)))
    # The outermost bins of an octave are this wide, and every finer edge is a multiple of a part:
    # but for the middle bin, which is none of anything narrower than itself.
    step = max(2.0**octave / PER_OCTAVE, finest)
    places = np.floor((edges[1:] + edges[:-1]) / 2 / step).astype(np.int64)
    places[BINS // 2] = -1 if high < 0.0 else 0
    filled = np.flatnonzero(counts)
    first, last = int(places[filled].min()), int(places[filled].max())
    heights = np.zeros(last - first + 1, np.int64)
    np.add.at(heights, places[filled] - first, counts[filled])
    left, right = first * step, (last + 1) * step
    # A peak beyond the outermost bin lies beyond its bar: the axis ends with the bar.
    across = WIDTH / (right - left)

    def at(value: float) -> float:
        return round((min(max(value, left), right) - left) * across, 1)

    bars = [
        Bar(
            at(left + place * step),
            max(1.0, round(step * across - 1.0, 1)),
            round(HEIGHT * float(count) / float(heights.max()), 1),
        )
        for place, count in enumerate(heights)
        if count
    ]
    return Histogram(
        bars=tuple(bars),
        ticks=tuple(Tick(at(value), text) for value, text in _ticks(left, right)),
        marks=tuple((kind, tuple(at(value) for value in each)) for kind, each in marked.items()),
        highest=plural(int(heights.max()), "image"),
        words=f"peaks of {plural(int(counts.sum()), 'image')}, "
        f"from {number(low)} to {number(high)}",
        beyond=_BEYOND if reach > furthest else "",
    )


def _ticks(left: float, right: float) -> list[tuple[float, str]]:
    """Return round numbers along a range, three to seven of them, all written to one place."""
    spread = right - left
    size = 10.0 ** math.floor(math.log10(spread / 4))
    size *= next(factor for factor in (1, 2, 5, 10) if spread / (size * factor) <= 6)
    first = math.ceil(left / size)
    last = math.floor(right / size)
    values = [place * size for place in range(first, last + 1)]
    if not 1e-3 <= size < 1e5:
        return list(zip(values, in_one_form(values), strict=True))
    places = max(0, -math.floor(math.log10(size) + 1e-9))
    return [(value, f"{value:z.{places}f}") for value in values]
