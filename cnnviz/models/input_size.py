"""The size of the input that a network is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from operator import index

from cnnviz.errors import UsageError
from cnnviz.models.model import Model
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import dimensions, kind_of


def checked_size(model: Model, asked: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the size along each axis: the one asked for, or that of the network's preprocessing.

    Raises
    ------
    UsageError
        If it has another number of axes, or is not positive.
    """
    space, size = model.space, tuple(model.input_shape[1:])
    if asked is not None:
        size = _whole_numbers(asked, space)
    noun = f"{'an' if space == IMAGE else 'a'} {space.noun}"
    if len(size) != space.axes:
        raise UsageError(
            f"{dimensions(size)} is no size of {noun}.",
            f"Give {len(space.letters)}: {', '.join(space.letters)}.",
        )
    if min(size) < 1:
        raise UsageError(
            f"{noun.capitalize()} of {dimensions(size)} {space.place}s has no {space.place}.",
            "Give 1 or more.",
        )
    return size


def _whole_numbers(asked: int | Sequence[int], space: Space) -> tuple[int, ...]:
    """Return what was asked for along each axis; an image in the place of a size is told."""
    try:
        return (index(asked),) * space.axes  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        with suppress(TypeError, ValueError):
            return tuple(map(index, asked))
    raise UsageError(
        f"The size is {kind_of(asked)}.",
        f"Give a whole number, or {len(space.letters)}: {', '.join(space.letters)}.",
    )
