"""The size of the input that a network is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.errors import UsageError
from cnnviz.models.model import Model
from cnnviz.results.space import IMAGE
from cnnviz.results.text import dimensions


def checked_size(model: Model, asked: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the size along each axis: the one asked for, or that of the network's preprocessing.

    Raises
    ------
    UsageError
        If it has another number of axes, or is not positive.
    """
    space, size = model.space, tuple(model.input_shape[1:])
    if asked is not None:
        size = (asked,) * space.axes if isinstance(asked, int) else tuple(asked)
    if len(size) != space.axes:
        raise UsageError(
            f"{dimensions(size)} is no size of a {space.noun}.",
            f"Give {len(space.letters)}: {', '.join(space.letters)}.",
        )
    if min(size) < 1:
        one = "An" if space == IMAGE else "A"
        raise UsageError(
            f"{one} {space.noun} of {dimensions(size)} {space.place}s has no {space.place}.",
            "Give 1 or more.",
        )
    return size
