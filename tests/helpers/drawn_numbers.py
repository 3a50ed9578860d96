"""The numbers that a picture writes, and whether they are among the values that came out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

_NUMBER = re.compile(
    r"(?<![\w.])[-+±]?(\d[\d,]*(?:\.\d+)?)(?:e([-+]?\d+))?\s*"
    r"(%|million|billion|trillion|[kMGT]?)(?:B|MACs?)?(?![\w.]*\w)"
)
_FACTORS = {"%": 100.0, "k": 1e-3, "M": 1e-6, "G": 1e-9, "T": 1e-12}
_FACTORS |= {"million": 1e-6, "billion": 1e-9, "trillion": 1e-12}
_POWER = re.compile(r" × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class Values:
    """Every number of a JSON file and of the arrays beside it, and the words between them.

    Sentences are left out: what they say has to be a value as well.
    """

    def __init__(self, path: Path) -> None:
        self._words: list[str] = []
        numbers = list(self._of(json.loads(path.read_text("utf-8"))))
        if path.with_suffix(".npz").exists():
            with np.load(path.with_suffix(".npz")) as arrays:
                for array in arrays.values():
                    numbers += [*array.shape, *(array.ravel() if array.dtype.kind in "iuf" else ())]
        found = np.array(numbers, np.float64)
        self._numbers: NDArray[np.float64] = np.unique(np.abs(found[np.isfinite(found)]))
        self._digits = set(re.findall(r"\d+(?:\.\d+)?", " ".join(self._words)))

    def _of(self, data: Any) -> Iterator[float]:
        if isinstance(data, dict):
            for name, one in data.items():
                self._words.append(name)
                if name not in ("summary", "caption"):
                    yield from self._of(one)
        elif isinstance(data, list):
            yield len(data)
            for one in data:
                yield from self._of(one)
        elif isinstance(data, str):
            self._words.append(data)
        elif data is not None:
            yield data

    def unknown(self, text: str) -> list[str]:
        """Return the numbers of a text that are none of these, as far as they are written out."""
        found = []
        plain = _POWER.sub(lambda power: f"e{power[1].translate(_SUPERSCRIPTS)}", text)
        for match in _NUMBER.finditer(plain.replace("−", "-")):
            digits, power, unit = match.groups()
            bare = digits.replace(",", "")
            places = len(bare.partition(".")[2]) - int(power or 0)
            value = float(bare) * 10.0 ** int(power or 0)
            factors = [_FACTORS[unit]] if unit else [1.0]
            if bare not in self._digits and not self._has(value, 10.0**-places, factors):
                found.append(match[0])
        return found

    def _has(self, value: float, step: float, factors: list[float]) -> bool:
        return any(self._nearest(value, factor) <= 0.5001 * step for factor in factors)

    def _nearest(self, value: float, factor: float) -> float:
        """Return how far the nearest number lies from a value, once multiplied."""
        at = int(np.searchsorted(self._numbers, value / factor))
        beside = self._numbers[max(at - 2, 0) : at + 2]
        return float(np.abs(beside * factor - value).min(initial=np.inf))


def written(figure: Figure) -> list[str]:
    """Draw a figure, and return its texts, without those of its axes."""
    # Where panels come to lie changes no word, and takes as long as drawing them.
    figure.set_layout_engine("none")
    figure.draw_without_rendering()
    return texts_of(figure)


def texts_of(figure: Figure) -> list[str]:
    """Return the texts of a figure that was drawn, without those of its axes."""
    of_axes = set()
    # A colour bar inside of other axes is none of the figure's.
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis, *([axes.zaxis] if hasattr(axes, "zaxis") else ())):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            of_axes |= {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
            of_axes.add(id(axis.get_offset_text()))
        # The values at which contours are drawn are marks of a scale, too.
        of_axes |= {
            id(label) for one in axes.collections for label in getattr(one, "labelTexts", ())
        }
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [text.get_text() for text in texts if id(text) not in of_axes and text.get_visible()]
