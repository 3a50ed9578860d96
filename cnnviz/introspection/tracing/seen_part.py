"""The part of an image that a network cuts out before it looks, as where it crops the middle."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.introspection.tracing.fields import NOTHING, AxisFields, Field
from cnnviz.introspection.tracing.map_layout import MapLayout

_LEAST_PIXELS, _LEAST_SHARE = 4, 0.02
"""What is cut off at the beginning where a position of the map is larger than that. What windows
that do not fit leave at the end, and resizing by single pixels at both, is smaller."""


def seen_part(field: Field, layout: MapLayout, image: Sequence[int]) -> list[tuple[float, float]]:
    """Return from where to where a map sees the image along each axis, as shares of its size.

    Where it is not cut, that is the whole image, also where windows leave a few pixels at its end.

    Parameters
    ----------
    field : Field
        Which pixels each element of the layer's output sees, without global gates.
    layout : MapLayout
        How the output holds the map.
    image : sequence of int
        The size of the image along each axis.
    """
    axes = zip(field.spans, layout.size, image, strict=True)
    return [_seen(span, count, side) for span, count, side in axes]


def _seen(span: AxisFields, count: int, side: int) -> tuple[float, float]:
    first, last = span.ends
    if not (first < NOTHING).any():
        return 0.0, 1.0
    # The last are held as their negatives.
    begin = max(int(first.min()), 0)
    end = min(1 - int(last.min()), side)
    position = (end - begin) / count
    cut = begin >= position or begin >= max(_LEAST_PIXELS, _LEAST_SHARE * side)
    if not cut and side - end < position:
        return 0.0, 1.0
    return begin / side, end / side
