"""One number for each image beside those of its random maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cnnviz.heatmaps.checks.measure_ends import ends_of
from cnnviz.heatmaps.checks.random_maps import p_value, shares_beaten
from cnnviz.results.intervals import mean_interval

Better = Literal["high", "low", ""]
"""Which direction speaks for a map; empty where neither does."""
WISHES: dict[str, str] = {"high": "higher is better", "low": "lower is better", "": ""}
"""The direction in words."""


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of N maps, and of R random maps for each.

    Attributes
    ----------
    key : str
        Its name in data.
    title : str
        Its name in tables.
    better : {"high", "low", ""}
        Which direction speaks for the map; empty where neither does.
    values : ndarray of float
        [N]; NaN where an image has none.
    random : ndarray of float
        [N, R].
    """

    derived: ClassVar[tuple[str, ...]] = (
        *("mean", "low", "high"),
        *("random_mean", "beaten", "chance"),
    )
    """What stands in JSON besides the fields."""

    key: str
    title: str
    better: Better
    values: NDArray[np.float64]
    random: NDArray[np.float64]

    @property
    def _counted(self) -> NDArray[np.bool_]:
        return np.isfinite(self.values)

    @property
    def mean(self) -> float:
        """The mean over the images that have a value; NaN where none has."""
        held = self.values[self._counted]
        return float(held.mean()) if held.size else float("nan")

    @property
    def low(self) -> float:
        """The low end of the 95% interval of the mean; NaN of one image, where none is known."""
        return self._interval[0]

    @property
    def high(self) -> float:
        """The high end of it."""
        return self._interval[1]

    @property
    def _interval(self) -> tuple[float, float]:
        return mean_interval(self.values[self._counted], *ends_of(self.key))

    @property
    def random_mean(self) -> float:
        """The mean over the random maps of the same images."""
        held = self.random[self._counted]
        return float(held.mean()) if held.size else float("nan")

    @property
    def beaten(self) -> float:
        """The share of random maps that the maps beat, a tie counting half."""
        beaten = self._beaten()
        return float("nan") if beaten is None else float(beaten.mean())

    @property
    def chance(self) -> float:
        """How probable it is that a random map does as well; NaN where neither direction wins."""
        beaten = self._beaten()
        return float("nan") if beaten is None else p_value(beaten, self.random.shape[1])

    @property
    def other_chance(self) -> float:
        """How probable it is that a random map does as badly; NaN where neither direction wins."""
        beaten = self._beaten()
        return float("nan") if beaten is None else p_value(1.0 - beaten, self.random.shape[1])

    @property
    def least_chance(self) -> float:
        """The least `chance` that so few random maps can give: that of maps that beat all."""
        return float((1.0 + self.random.shape[1]) ** -int(self._counted.sum()))

    def _beaten(self) -> NDArray[np.float64] | None:
        """Return the share of its random maps that each map beats; None where none can win."""
        held = self._counted
        if not held.any() or not self.better:
            return None
        return shares_beaten(self.values[held], self.random[held], self.better)
