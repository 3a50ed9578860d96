"""Which operations pool a map without a pooling layer: sums and maxima over its positions."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.introspection.tracing.fields import axes_of
from cnnviz.introspection.tracing.map_layout import map_layout
from cnnviz.introspection.tracing.marks import Depends, Mark
from cnnviz.introspection.tracing.operation import Operation

_SUMMARIES = frozenset(
    ("mean", "sum", "amax", "amin", "max", "min", "median", "logsumexp", "linalg_vector_norm")
)


def pools_positions(operation: Operation, marks: Sequence[Mark], image: Sequence[int]) -> bool:
    """Whether an operation sums a map up over its positions, each channel by itself.

    Parameters
    ----------
    operation : Operation
        The operation.
    marks : sequence of Mark
        Those of what it read.
    image : sequence of int
        The size of the image along each of its axes.
    """
    if operation.name not in _SUMMARIES or len(marks) != 1 or operation["dim"] is None:
        return False
    place = marks[0].place if isinstance(marks[0], Depends) else None
    if place is None or place.paired:
        return False
    layout = map_layout(place.field, image)
    dims = operation["dim"]
    given = [dims] if isinstance(dims, int) else dims
    along = set(axes_of(given, len(place.field.shape)))
    return layout is not None and bool(along) and along <= set(layout.dims)
