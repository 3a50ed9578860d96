"""How long the maps that are left take: told after the first image, mended after the second."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.results.progress import Announce
from cnnviz.results.text import estimated_time, plural

_OFF = 1.5
"""By what factor a first forecast is off where the second one is told as well."""


class Forecast:
    """What the latest map of each method took, and what that promises.

    The first image pays for what is set up once, such as a fast copy of the network; the second one
    pays for itself alone.

    Parameters
    ----------
    announce : callable, optional
        Told each forecast.
    """

    def __init__(self, announce: Announce | None) -> None:
        self.announce = announce
        self.latest: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def tell(self, left: Sequence[str], aside: str = "", whose: str = "") -> None:
        """Tell how long the rest takes: the first time, and where that proves to be wrong.

        Parameters
        ----------
        left : sequence of str
            The methods of the maps that are still to be measured.
        aside : str
            What else is said the first time.
        whose : str
            What follows the number of maps.
        """
        if self.announce is None or not left or not self.latest:
            return
        now, before = _seconds(self.latest, left), _seconds(self._told, left)
        maps = f"{plural(len(left), 'more map')}{whose} take about {estimated_time(now)}"
        if not self._told:
            self.announce(f"{maps}{aside}.")
        elif not before / _OFF <= now <= before * _OFF:
            self.announce(f"{maps}: the first image took another time than the second.")
        self._told = dict(self.latest)


def _seconds(each: dict[str, float], left: Sequence[str]) -> float:
    mean = sum(each.values()) / max(len(each), 1)
    return sum(each.get(method, mean) for method in left)
