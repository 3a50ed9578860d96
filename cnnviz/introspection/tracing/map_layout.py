"""Where in a layer's output its map of the image lies, and how to take it out and put it back."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.tracing.field_union import hull
from cnnviz.introspection.tracing.fields import NOTHING, Field, Pair, Shape, compress
from cnnviz.introspection.tracing.rules_position import in_step, varies
from cnnviz.results.space import Space, space_of

Numbers = NDArray[np.int64]


class NoMap(enum.Enum):
    """Why a layer's output is no map of the image, in words that follow "it"."""

    NO_TENSOR = "returns no tensor"
    NO_IMAGE = "does not depend on the image"
    UNKNOWN = "comes from an operation whose positions are not known, such as sampling by a grid"
    REGIONS = "comes from crops of regions, which lie anywhere in it"
    PAIRS = "compares positions with one another, as attention does"
    KERNEL = "is used as the weights of a convolution"
    NO_PLACES = "has no positions that are places of the image"


Extent = tuple[tuple[float, float], ...]
"""From where to where something lies along each axis of the input, as shares of its size."""


def whole(axes: int) -> Extent:
    """Return the extent of what covers an input of so many axes, no more and no less."""
    return ((0.0, 1.0),) * axes


@dataclass(frozen=True, eq=False)
class MapLayout:
    """How the output of a layer holds a map of the image, [N, C, h, w].

    Of a signal a map is [N, C, l], and of a volume [N, C, d, h, w].

    Attributes
    ----------
    shape : tuple of int
        The output's shape for one image.
    dims : tuple of int
        The dimensions that hold the positions, one for each axis of the image (rows, columns), or
        all that is to be put in order.
    size : tuple of int
        Height and width of the map.
    order : ndarray of int or None
        For each position of the map, row by row, its place among the positions of `dims`; None
        where these are rows and columns already.
    told : tuple of (float, float) or None
        What the map covers of the input, see `extent`; None for the whole of it.
    """

    shape: Shape
    dims: tuple[int, ...]
    size: tuple[int, ...]
    order: Numbers | None
    told: Extent | None = None

    @property
    def space(self) -> Space:
        """Which axes the map has."""
        return space_of(len(self.size))

    @property
    def extent(self) -> Extent:
        """From where to where the map covers the input along each axis.

        That is more than the input where the network puts it on a larger canvas, as detectors do,
        and less where it cuts out a part.
        """
        return self.told or whole(len(self.size))

    @property
    def covers_input(self) -> bool:
        """Whether the map covers the input, no more and no less."""
        return self.extent == whole(len(self.size))

    @property
    def apart(self) -> int:
        """How many positions are set apart: they stand for no place of the image."""
        if self.order is None:
            return 0
        return math.prod(self.shape[dim] for dim in self.dims) - len(self.order)

    @property
    def noun(self) -> str:
        """What one position of the output is: a token of a sequence, or a cell of a map."""
        return "token" if len(self.dims) < len(self.size) else "cell"

    @property
    def turned(self) -> bool:
        """Whether the output's own rows are columns of the image."""
        return self.order is None and list(self.dims) != sorted(self.dims)

    @property
    def order_of_dims(self) -> tuple[int, ...]:
        """For each axis of the map, its place among the dimensions of the output that hold some."""
        return tuple(sorted(self.dims).index(dim) for dim in self.dims)

    @property
    def channels(self) -> int:
        """How many channels the map has."""
        return math.prod(self.shape[dim] for dim in range(len(self.shape)) if dim not in self.dims)

    @property
    def plain(self) -> bool:
        """Whether the output is [N, C, h, w] as it is."""
        usual = self.space.dims
        return self.order is None and self.dims == usual and len(self.shape) == 2 + len(usual)

    def on_canvas(self, canvas: Extent) -> MapLayout:
        """Return the same for a network that puts the input on a canvas of this extent."""
        if not self.apart and not self.turned:
            return replace(self, told=canvas)
        if len(self.dims) != len(canvas) or self.turned:
            return self
        # Of the canvas the positions that stand for no place were left out.
        assert self.order is not None
        sizes = [self.shape[dim] for dim in self.dims]
        first, last = (np.unravel_index(int(self.order[end]), sizes) for end in (0, -1))
        told = []
        for (begin, end), size, low, high in zip(canvas, sizes, first, last, strict=True):
            step = (end - begin) / size
            ends = (begin + int(low) * step, begin + (int(high) + 1) * step)
            # What covers the input is to do so exactly.
            told.append((round(ends[0], 12), round(ends[1], 12)))
        return replace(self, told=tuple(told))

    @property
    def on_larger_canvas(self) -> bool:
        """Whether the map covers more than the input."""
        return any(begin < 0.0 or end > 1.0 for begin, end in self.extent)

    def fits(self, shape: Shape, images: int) -> bool:
        """Whether an output of this shape, for so many images, is laid out so."""
        return self._batch(shape, images) is not None

    def take(self, output: torch.Tensor, images: int) -> torch.Tensor:
        """Return the map [N, C, h, w] in an output for N images, which it must fit."""
        if self.plain:
            return output
        spread = self._spread(output, images)
        channels = spread.shape[1]
        if self.order is None:
            return spread if self.dims else spread.reshape(images, channels, *self.size)
        order = torch.from_numpy(self.order).to(output.device)
        return spread.flatten(2)[:, :, order].reshape(images, channels, *self.size)

    def put(self, output: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        """Return an output whose map is another; positions set apart stay as they were."""
        if self.plain:
            return maps
        # The same way back: where every value of the map came from in the output.
        places = torch.arange(output.numel(), device=output.device).view(output.shape)
        found = output.flatten().clone()
        found[self.take(places, len(maps)).flatten()] = maps.to(output).flatten()
        return found.view(output.shape)

    def repeated(self, output: torch.Tensor, image: int, images: int, count: int) -> torch.Tensor:
        """Return an output for so many images as one of them gives it, so many times in a batch."""
        batch = self.batch_of(tuple(output.shape), images)
        within = output.shape[batch] // images
        return torch.cat([output.narrow(batch, image * within, within)] * count, batch)

    def batch_of(self, shape: Shape, images: int) -> int:
        """Return which dimension of an output for so many images, which must fit, holds these."""
        return self._batch(shape, images) or 0

    def _batch(self, shape: Shape, images: int) -> int | None:
        """Return which dimension grows with the images."""
        if len(shape) != len(self.shape):
            return None
        if self.plain:
            return 0 if shape[0] == images else None
        fixed = range(len(shape)) if self.order is not None else self._others()
        if images == 1:
            return 0 if all(shape[dim] == self.shape[dim] for dim in fixed) else None
        for batch, length in enumerate(self.shape):
            rest = (dim for dim in fixed if dim != batch)
            if shape[batch] == images * length and all(shape[d] == self.shape[d] for d in rest):
                return batch
        return None

    def _others(self) -> list[int]:
        # Rows and columns may be more or fewer for an image of another size.
        return [dim for dim in range(len(self.shape)) if dim not in self.dims]

    def _spread(self, output: torch.Tensor, images: int) -> torch.Tensor:
        """Return [N, C, positions...]."""
        batch = self.batch_of(tuple(output.shape), images)
        within = output.shape[batch] // images
        # Windows of one image follow one another, and the images follow these.
        shape = output.shape
        whole = output.reshape(*shape[:batch], images, within, *shape[batch + 1 :])
        split = whole.movedim(batch, 0)
        # One more dimension in front than the output of one image has.
        places = [1 + dim for dim in self.dims]
        channels = [1 + dim for dim in range(len(self.shape)) if dim not in self.dims]
        ordered = split.permute(0, *channels, *places)
        count = math.prod(split.shape[dim] for dim in channels)
        return ordered.reshape(images, count, *(split.shape[dim] for dim in places))


def one_place(shape: Shape, space: Space) -> MapLayout | None:
    """Return the layout of channels without positions, [1, C] or [1, C, 1, 1]; None for others."""
    size = space.one_place
    if len(shape) == 2:
        return MapLayout(shape, (), size, None)
    return MapLayout(shape, space.dims, size, None) if shape[2:] == size else None


def map_layout(field: Field, image: Sequence[int]) -> MapLayout | None:
    """Return how a tensor whose elements stand for these places holds a map; None if it does not.

    The positions must fill a grid of rows and columns, each place once; or lie along a dimension
    of rows and one of columns, in the order of the image. What was put where the images are, such
    as crops or mirrored copies, makes a grid only where each has a place of its own.

    Parameters
    ----------
    field : Field
        Which place of the input each element stands for.
    image : sequence of int
        The size of the input along each axis.
    """
    found = _laid_out(field, image)
    if found is not None or len(field.shape) < 3:
        return found
    united = [hull(field, [dim]) for dim in (1, -1)]
    # Where some channels are mirrored or rolled, rows and columns unite to longer spans than they.
    for one in sorted(united, key=_length):
        found = _laid_out(one, image) if _tells_as_much(one, field) and in_step(one) else None
        if found is not None:
            return found
    return None


def _laid_out(field: Field, image: Sequence[int]) -> MapLayout | None:
    found = _upright(field, image) or _gathered(field) or _framed(field)
    return found if found is None or 0 not in found.dims or _apart(field, found.dims) else None


def _tells_as_much(united: Field, field: Field) -> bool:
    """Whether elements still stand for different places along the axes along which they did."""
    axes = range(len(field.spans))
    return all(_differ(united.spans[axis].ends) for axis in axes if varies(field, axis))


def _differ(pair: Pair) -> bool:
    return any(bool((ends != ends.flat[0]).any()) for ends in pair)


def _length(field: Field) -> float:
    """Return how long the places are in the mean, over all axes; those of padding are left out."""
    total = 0.0
    for span in field.spans:
        first, last = np.broadcast_arrays(*span.ends)
        held = first < NOTHING
        total += float((1.0 - last[held] - first[held]).mean()) if held.any() else 0.0
    return total


def _apart(field: Field, dims: tuple[int, ...]) -> bool:
    """Whether neighbouring places have less than half of themselves in common."""
    for axis in range(len(field.spans)):
        first, last = _ends(field, axis, dims)
        held = first < NOTHING
        middles = np.unique((first[held] - last[held]) / 2.0)
        # The last are held as their negatives.
        length = float((1 - last[held] - first[held]).mean())
        if len(middles) > 1 and 2 * np.diff(middles).mean() <= length:
            return False
    return True


def _upright(field: Field, image: Sequence[int]) -> MapLayout | None:
    along = []
    for axis in range(len(field.spans)):
        dims = _dims_of(field, axis)
        if len(dims) != 1:
            return None
        along.append(dims[0])
    if len(set(along)) < len(along):
        return None
    for axis, dim in enumerate(along):
        centres = _centres(field, axis, (dim,))
        held = centres[np.isfinite(centres)]
        if (np.diff(held) < 0).any() or (len(held) < len(centres) and _whole(held, image[axis])):
            return None
    return MapLayout(field.shape, tuple(along), tuple(field.shape[dim] for dim in along), None)


def _whole(held: NDArray[np.float64], side: int) -> bool:
    """Whether places cover an axis, so that others, padding or a class token, are set apart.

    Behind a causal convolution they do not: what looks back into padding stands for the first
    places, and of the last there is no middle of a window.
    """
    step = float(np.diff(held).max(initial=1.0))
    return bool(len(held) and held[0] < step and side - 1 - held[-1] < step)


def _gathered(field: Field) -> MapLayout | None:
    axes = range(len(field.spans))
    dims = tuple(sorted({dim for axis in axes for dim in _dims_of(field, axis)}))
    if not dims:
        return None
    centres = np.stack([_centres(field, axis, dims).reshape(-1) for axis in axes])
    standing = np.flatnonzero(np.isfinite(centres).all(0))
    if not len(standing):
        return None
    size, number = [], np.zeros(len(standing), np.int64)
    for axis in axes:
        count, place = _numbered(centres[axis, standing])
        size.append(count)
        number = number * count + place
    # As many as the grid has, and none of them twice.
    if len(standing) != math.prod(size) or len(np.unique(number)) != len(number):
        return None
    order = np.empty(len(standing), np.int64)
    order[number] = standing
    usual = _usual_dims(field)
    if tuple(field.shape[dim] for dim in usual) == tuple(size) and (np.diff(order) == 1).all():
        # One row (or column): nothing changes along it, and it is a dimension of the map as well.
        return MapLayout(field.shape, usual, tuple(size), None)
    return MapLayout(field.shape, dims, tuple(size), order)


def _usual_dims(field: Field) -> tuple[int, ...]:
    """Return the dimensions of rows and columns of [N, C, h, w]; none of a tensor of others."""
    dims = space_of(len(field.spans)).dims
    return dims if len(field.shape) == 2 + len(dims) else ()


def _framed(field: Field) -> MapLayout | None:
    """Return the layout of a map with a frame around it that stands for no place.

    Neighbours may stand for the same place, as in a map that was enlarged.
    """
    axes = range(len(field.spans))
    dims = tuple(sorted({dim for axis in axes for dim in _dims_of(field, axis)}))
    if len(dims) != len(axes):
        return None
    shape = tuple(field.shape[dim] for dim in dims)
    centres = [_centres(field, axis, dims).reshape(shape) for axis in axes]
    standing = np.isfinite(centres).all(0)
    # Those along each axis where a place of the input stands, whatever lies along the others.
    held = [np.unique(numbers) for numbers in np.nonzero(standing)]
    size = tuple(map(len, held))
    if min(size) < 2 or standing.sum() != math.prod(size):
        return None
    inner = np.ix_(*held)
    for axis, centre in enumerate(centres):
        steps = np.diff(centre[inner], axis=axis)
        if steps.min() < 0 or not steps.any():
            return None
    order = np.arange(math.prod(shape)).reshape(shape)[inner].reshape(-1)
    return MapLayout(field.shape, dims, size, order)


def _numbered(values: NDArray[np.float64]) -> tuple[int, Numbers]:
    found, number = np.unique(values, return_inverse=True)
    return len(found), np.asarray(number.reshape(-1), np.int64)


def _dims_of(field: Field, axis: int) -> list[int]:
    if not varies(field, axis):
        return []
    pair = field.spans[axis].ends
    return [dim for dim in range(len(field.shape)) if any(ends.shape[dim] > 1 for ends in pair)]


def _centres(field: Field, axis: int, dims: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the middle of each place along some dimensions, NaN where there is none."""
    first, last = _ends(field, axis, dims)
    return np.where(first >= NOTHING, np.nan, (first - last) / 2.0)


def _ends(
    field: Field, axis: int, dims: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and the negative of the last of each place along some dimensions."""
    shape = tuple(field.shape[dim] if dim in dims else 1 for dim in range(len(field.shape)))
    sizes = [field.shape[dim] for dim in dims]
    both = (np.broadcast_to(compress(one), shape).reshape(sizes) for one in field.spans[axis].ends)
    first, last = (ends.astype(np.float64) for ends in both)
    return first, last
