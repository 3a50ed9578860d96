"""The larger canvas that a network puts its image on, as detectors do to fit their strides."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from cnnviz.introspection.tracing.fields import AxisFields
from cnnviz.introspection.tracing.map_layout import Extent, map_layout
from cnnviz.introspection.tracing.rules_position import Place


def canvas_of(
    written: torch.Tensor, place: Place, base: torch.Tensor, image: Sequence[int]
) -> Extent | None:
    """Return the canvas that an image has been written to; None where this is something else.

    Parameters
    ----------
    written : torch.Tensor
        The part that was written to, a view of `base` that ends in the axes of the image.
    place : Place
        Which places of the image its elements stand for: all of the image, no less.
    base : torch.Tensor
        What it is a part of, at least as large along each of these.
    image : sequence of int
        The size of the image along each axis; signals and volumes alike.
    """
    axes = len(image)
    if min(written.ndim, base.ndim) < axes or not base.is_contiguous():
        return None
    part, room = written.shape[-axes:], base.shape[-axes:]
    if part == room or any(one > other for one, other in zip(part, room, strict=True)):
        return None
    if written.stride()[-axes:] != base.stride()[-axes:]:
        return None
    if not _laid_as_image(place, written.ndim, image):
        return None
    if not all(
        _is_whole(span, extent) for span, extent in zip(place.field.spans, image, strict=True)
    ):
        return None
    offset = int(written.storage_offset()) - int(base.storage_offset())
    begin = np.unravel_index(offset % math.prod(room), room)
    corners = zip(map(int, begin), part, room, strict=True)
    return tuple((-first / size, (whole - first) / size) for first, size, whole in corners)


def _laid_as_image(place: Place, ndim: int, image: Sequence[int]) -> bool:
    """Whether what is written has the rows and columns of the image, as a spectrum has not.

    What is written to every other row and column, as by an inverse wavelet transform, leaves no
    part of the base outside it.
    """
    layout = map_layout(place.field, image)
    last = tuple(range(ndim - len(image), ndim))
    return layout is not None and layout.order is None and layout.dims == last


def _is_whole(span: AxisFields, extent: int) -> bool:
    first, last = span.ends
    return int(first.min()) == 0 and -int(last.min()) == extent - 1
