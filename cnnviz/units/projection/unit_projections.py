"""What is asked of a projection, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.introspection.backward_rules import RuleCoverage
from cnnviz.introspection.receptive_fields import Box


@dataclass(frozen=True)
class UnitPosition:
    """One unit of a layer on one image.

    Attributes
    ----------
    image : int
        Which of the images, from 0.
    channel : int
        The channel of the layer, from 0.
    row, column : int or None
        The position in the layer's output; None for both is the strongest position of the channel
        in that image, the first of several that are equally strong.
    at : tuple of int or None
        The position along each axis, where the image is a signal or a volume.
    """

    image: int
    channel: int
    row: int | None = None
    column: int | None = None
    at: tuple[int, ...] | None = None

    @property
    def position(self) -> tuple[int, ...] | None:
        """The position in the layer's output; None for the strongest."""
        if self.row is None or self.column is None:
            return self.at
        return self.row, self.column


@dataclass(frozen=True, eq=False)
class UnitProjections:
    """What P units sent back to the pixels.

    Attributes
    ----------
    signals : ndarray of float32
        [P, C, h, w], of signals [P, C, l], of volumes [P, C, d, h, w]: what arrived at the
        network's input, cut to `windows`. Of the gradient that is the change of the layer's output
        for each unit of the preprocessed input; of the other rules as many times that as the unit's
        value has units, since they start from it. All zero where the unit is not active, zero where
        a window reaches beyond the image, and all NaN where anything that arrived is not finite.
    windows : tuple of PixelBox or ArrayBox
        The receptive field of each unit, in pixels of the network's input. All have one size
        [h, w], that of the layer's field and along each axis at most the image. Where the size is
        that of the whole axis the window is the axis; elsewhere it may reach beyond the border,
        into the padding, so that a unit keeps its place in its window. `cut` takes the same crop of
        a picture.
    activations : ndarray of float32
        [P]: the unit's own value at its position.
    positions : ndarray of int64
        [P, A]: the position in the layer's output along each of its A axes.
    outside : ndarray of float32
        [P]: the share of the sum of absolute values that lies outside the window. Zero, but for
        layers behind a gate that looks at the whole image (squeeze-and-excitation), whose windows
        are those of the field without gates. NaN where what arrived is not finite.
    coverage : RuleCoverage or None
        How many activations below the layer followed the rule; None for the gradient.
    """

    signals: NDArray[np.float32]
    windows: tuple[Box, ...]
    activations: NDArray[np.float32]
    positions: NDArray[np.int64]
    outside: NDArray[np.float32]
    coverage: RuleCoverage | None

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each position, [P]; a signal is one row."""
        return rows_of(self.positions)

    @property
    def columns(self) -> NDArray[np.int64]:
        """The column of each position, [P]; of a signal the sample of its layer."""
        return columns_of(self.positions)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Whether each unit's value is above zero, so that it has something to send back, [P]."""
        return self.activations > 0.0

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether all that each unit sent back is finite, [P]."""
        return ~np.isnan(self.outside)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of every window; of signals and volumes the size along each axis."""
        return tuple(self.signals.shape[2:])


def rows_of(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of positions [..., A]; along a signal, which is one row, they are 0."""
    axes = positions.shape[-1]
    return positions[..., -2] if axes > 1 else np.zeros(positions.shape[:-1], np.int64)


def columns_of(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the columns of positions [..., A]; along a signal the positions themselves."""
    return positions[..., -1]
