"""A signal or a volume as the network is given it, while it is moved, stretched or turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.images.batch import Batch
from cnnviz.images.resampling import neighbours
from cnnviz.images.transforms import Scene, enlarged, turned

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ArrayScene:
    """A prepared signal [C, L] or volume [C, D, H, W].

    A signal is moved and stretched along its samples. A volume is moved along its slices, and each
    slice is enlarged and turned about its middle.

    Attributes
    ----------
    values : ndarray of float32
        The numbers.
    """

    values: Values

    @classmethod
    def of(cls, batch: Batch, place: int) -> ArrayScene:
        """Return the scene of one input of a batch."""
        return cls(batch.tensor[place].detach().float().cpu().numpy())

    def moved(self, amount: float) -> tuple[Values, float]:
        """Return it moved towards its end by so many samples or slices.

        Returns
        -------
        values : ndarray of float32
            What the network sees; a value between two places is interpolated linearly.
        beyond : float
            The share of it that lies beyond the input, where its mirror image goes on.
        """
        return self._resampled(np.arange(self.values.shape[1]) - amount)

    def enlarged(self, factor: float) -> tuple[Values, float]:
        """Return it stretched about its middle, or each of its slices enlarged, as `moved` does."""
        if self.values.ndim > 2:
            return self._each_slice(enlarged(factor, self._slice_size))
        middle = (self.values.shape[1] - 1) / 2
        return self._resampled(middle + (np.arange(self.values.shape[1]) - middle) / factor)

    def turned(self, degrees: float) -> tuple[Values, float]:
        """Return each of its slices turned counter-clockwise about its middle, as `moved` does."""
        return self._each_slice(turned(degrees, self._slice_size))

    @property
    def _slice_size(self) -> tuple[int, int]:
        return int(self.values.shape[2]), int(self.values.shape[3])

    def _each_slice(self, matrix: NDArray[np.float64]) -> tuple[Values, float]:
        slices = self.values.reshape(-1, *self._slice_size)
        found, beyond = Scene(slices, (0, 0), self._slice_size).seen(matrix)
        return found.reshape(self.values.shape), beyond

    def _resampled(self, places: NDArray[Any]) -> tuple[Values, float]:
        """Return what lies at some places of the first axis after the channels."""
        length = self.values.shape[1]
        beyond = float(((places < -0.5) | (places > length - 0.5)).mean())
        low, high, share = neighbours(places, length, mirrored=True)
        share = share.reshape(-1, *(1,) * (self.values.ndim - 2))
        found = (1 - share) * self.values[:, low] + share * self.values[:, high]
        return found.astype(np.float32, copy=False), beyond
