"""The larger canvas that a network puts its image on, as detectors do to fit their strides."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cnnviz.introspection.tracing.fields import AxisFields
from cnnviz.introspection.tracing.map_layout import map_layout
from cnnviz.introspection.tracing.rules_position import Place
from cnnviz.results.space import IMAGE

Canvas = tuple[float, float, float, float]
"""Left, top, right and bottom of it, as shares of the width and height of the image."""


def canvas_of(
    written: torch.Tensor, place: Place, base: torch.Tensor, image: Sequence[int]
) -> Canvas | None:
    """Return the canvas that an image has been written to; None where this is something else.

    Parameters
    ----------
    written : torch.Tensor
        The part that was written to, a view of `base` that ends in rows and columns.
    place : Place
        Which places of the image its elements stand for: all of the image, no less.
    base : torch.Tensor
        What it is a part of, of as many rows and columns or more.
    image : sequence of int
        Height and width of the image; of a signal or a volume nothing is found.
    """
    if len(image) != IMAGE.axes or written.ndim < 2 or base.ndim < 2 or not base.is_contiguous():
        return None
    height, width, tall, wide = map(int, (*base.shape[-2:], *written.shape[-2:]))
    if (tall, wide) == (height, width) or tall > height or wide > width:
        return None
    if written.stride()[-2:] != (width, 1) or not _laid_as_image(place, written.ndim):
        return None
    if not all(
        _is_whole(span, extent) for span, extent in zip(place.field.spans, image, strict=True)
    ):
        return None
    offset = int(written.storage_offset()) - int(base.storage_offset())
    top, left = (offset % (height * width)) // width, offset % width
    return (-left / wide, -top / tall, (width - left) / wide, (height - top) / tall)


def _laid_as_image(place: Place, ndim: int) -> bool:
    """Whether what is written has the rows and columns of the image, as a spectrum has not.

    What is written to every other row and column, as by an inverse wavelet transform, leaves no
    part of the base outside it.
    """
    layout = map_layout(place.field)
    return layout is not None and layout.order is None and layout.dims == (ndim - 2, ndim - 1)


def _is_whole(span: AxisFields, extent: int) -> bool:
    first, last = span.ends
    return int(first.min()) == 0 and -int(last.min()) == extent - 1
