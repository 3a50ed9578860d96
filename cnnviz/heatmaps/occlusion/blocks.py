"""Occlusion of signals and volumes: windows of samples and blocks of voxels, on whole inputs.

What `Grid` and `Sweep` are to images. Patches are followed through maps of two axes only, so here
the network runs on the whole of every input that a part is hidden of, which gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.passes_anew import anew
from cnnviz.models import Model

Place = tuple[int, ...]


@dataclass(frozen=True)
class BlockGrid:
    """The blocks that hide parts of an input, laid along each axis as captum lays them.

    Attributes
    ----------
    size : tuple of int
        Of the input, along each axis.
    windows, strides : tuple of int
        The length of a block and the step to the next one, along each axis.
    """

    size: tuple[int, ...]
    windows: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def window(self) -> int:
        """The length of a block along the last axis."""
        return self.windows[-1]

    @property
    def stride(self) -> int:
        """The step from one block to the next along the last axis."""
        return self.strides[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many blocks there are along each axis."""
        return tuple(
            -(-(length - window) // stride) + 1
            for length, window, stride in zip(self.size, self.windows, self.strides, strict=True)
        )

    @cached_property
    def positions(self) -> tuple[Place, ...]:
        """Every block's place in the grid."""
        return tuple(product(*(range(count) for count in self.shape)))

    def groups(self, most: int) -> Iterator[tuple[Place, ...]]:
        """Yield the blocks in groups of at most so many."""
        for start in range(0, len(self.positions), most):
            yield self.positions[start : start + most]

    def hidden(
        self, image: torch.Tensor, baseline: torch.Tensor, positions: tuple[Place, ...]
    ) -> torch.Tensor:
        """Return an input [1, C, ...] with each of some blocks hidden, [positions, C, ...]."""
        found = image.expand(len(positions), *image.shape[1:]).clone()
        for row, position in enumerate(positions):
            part = [
                slice(at * stride, at * stride + window)
                for at, stride, window in zip(position, self.strides, self.windows, strict=True)
            ]
            inside = (slice(None), *part)
            found[row][inside] = baseline[0][inside]
        return found

    def spread(self, drops: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return for each place the mean over the blocks that hide it, in the input's size.

        Parameters
        ----------
        drops : ndarray of float
            A value for each block, in the shape of the grid.
        """
        total, count = drops.astype(np.float64), np.ones(drops.shape)
        for axis in range(len(self.size)):
            total, count = (self._covered(values, axis) for values in (total, count))
        return np.asarray(total / count, np.float32)

    def _covered(self, values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        """Return for each place along an axis the sum over the blocks that cover it."""
        last = np.moveaxis(values, axis, -1)
        found = np.zeros((*last.shape[:-1], self.size[axis]))
        for block in range(last.shape[-1]):
            start = block * self.strides[axis]
            found[..., start : start + self.windows[axis]] += last[..., block, None]
        return np.moveaxis(found, -1, axis)


class BlockSweep:
    """Scores one input with each block of a grid hidden.

    Parameters
    ----------
    model : Model
        The network, in eval mode and with gradients off.
    image, baseline : torch.Tensor
        The prepared input [1, C, ...], and what hides it.
    grid : BlockGrid
        The blocks.
    score : callable
        ``score(output)`` returns one score for each row of an output, [B].
    """

    dense_from: str | None = None

    def __init__(
        self,
        model: Model,
        image: torch.Tensor,
        baseline: torch.Tensor,
        grid: BlockGrid,
        score: Callable[[Any], torch.Tensor],
    ) -> None:
        self._grid, self._score = grid, score
        self._forward = anew(model.module, model.forward)
        self._image, self._baseline = image, baseline
        self.whole_images = f"parts are followed through maps of images, not of {model.space.noun}s"

    def scores(self, positions: tuple[Place, ...]) -> torch.Tensor:
        """Return the score with each of some blocks hidden, [positions]."""
        hidden = self._grid.hidden(self._image, self._baseline, positions)
        return self._score(self._forward(hidden))


def block_grid(size: tuple[int, ...], window: int, stride: int) -> BlockGrid:
    """Return a grid of windows of a signal, or of blocks of a volume.

    A block has as large a share of the slices as of the shorter side of each.
    """
    if len(size) == 1:
        return BlockGrid(size, (window,), (stride,))
    share = size[0] / min(size[1:])
    deep, step = max(1, round(window * share)), max(1, round(stride * share))
    deep = min(deep, size[0])
    return BlockGrid(size, (deep, window, window), (min(step, deep), stride, stride))
