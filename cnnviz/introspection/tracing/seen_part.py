"""The part of an image that a network cuts out before it looks, as where it crops the middle."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.introspection.tracing.fields import NOTHING, AxisFields, Field
from cnnviz.introspection.tracing.map_layout import Extent, MapLayout
from cnnviz.introspection.tracing.marks import Depends, Mark
from cnnviz.introspection.tracing.operation import Operation

_FEW, _SEVERAL, _LEAST_SHARE = 2, 4, 0.02
"""Pixels, and the share of a side, that have to be cut off. Windows that do not fit leave less than
a position of the map at the end, and resizing to a fraction leaves single pixels at both."""


def seen_part(field: Field, layout: MapLayout, image: Sequence[int], *, cut: bool) -> Extent:
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
    cut : bool
        Whether anything before the map cut off an end of the image, as in `cuts_off`. What is not
        seen at the end is left by windows otherwise, up to a position of the map.
    """
    axes = zip(field.spans, layout.size, image, strict=True)
    return tuple(_seen(span, count, side, cut=cut) for span, count, side in axes)


def _seen(span: AxisFields, count: int, side: int, *, cut: bool) -> tuple[float, float]:
    first, last = span.ends
    if not (first < NOTHING).any():
        return 0.0, 1.0
    # The last are held as their negatives.
    begin = max(int(first.min()), 0)
    end = min(1 - int(last.min()), side)
    position = (end - begin) / count
    whole = max(position, _FEW, _LEAST_SHARE * side)
    least = max(min(whole, _SEVERAL), _LEAST_SHARE * side)
    if begin < least and side - end < (least if cut else whole):
        return 0.0, 1.0
    return begin / side, end / side


def cuts_off(operation: Operation, before: Sequence[Mark], after: Sequence[Mark]) -> bool:
    """Whether an operation keeps a part of its input that sees less of the image at an end.

    Every other row, or a channel, is no such part.
    """
    slices = operation.name == "slice" and operation["step"] == 1
    if not slices and operation.name != "constant_pad_nd":
        return False
    one, other = before[0], after[0]
    if not isinstance(one, Depends) or not isinstance(other, Depends):
        return False
    spans = zip(one.gateless.spans, other.gateless.spans, strict=True)
    return any(
        int(part.min()) > int(whole.min())
        for mine, theirs in spans
        for whole, part in zip(mine.ends, theirs.ends, strict=True)
    )
