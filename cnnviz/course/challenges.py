"""The classic challenges of vision as sweeps: one factor that grows from what it is in the image.

On a photo each is a transform of its pixels, and what cannot be made of pixels is not tried; a
scene of `shapes` is rendered anew with the factor changed and all else as it was.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.datasets.shapes import LIMITS, Factors, Sample, draw
from cnnviz.datasets.shapes.outlines import homography
from cnnviz.images import PhotoBox, Preprocessing
from cnnviz.images.lighting import blurred, contrasted, exposed, hidden, lit_from_left
from cnnviz.images.resampling import warped
from cnnviz.images.transforms import (
    Matrix,
    Scene,
    beyond_edges,
    enlarged,
    tilted,
    turned,
    whole_matrix,
)

Values = NDArray[np.float32]
_BLUR = 28
"""The greatest blur has a deviation of the image's side divided by this."""


@dataclass(frozen=True)
class Sweep:
    """One factor, from what it is to the furthest that is tried.

    Attributes
    ----------
    name : str
        What is done to the image.
    challenge : str
        The challenge of vision that it belongs to.
    unit : str
        What its amounts are.
    start, end : float
        The first and the last amount.
    whole : bool
        Whether amounts are whole numbers.
    """

    name: str
    challenge: str
    unit: str
    start: float
    end: float
    whole: bool = False

    def amounts(self, steps: int) -> NDArray[np.float64]:
        """Return so many evenly spread amounts, the first of which is the image as it is."""
        found = np.linspace(self.start, self.end, steps)
        return found.round() if self.whole else found


@dataclass(frozen=True, eq=False)
class Variant:
    """An image with one factor changed, as the network takes it.

    Attributes
    ----------
    values : ndarray of float32
        [C, H, W], normalised.
    beyond : float
        The share of the pixels that lie beyond the photo and show its mirror image.
    back : ndarray of float64
        [3, 3]: where in the image as it is each pixel comes from; of a scene, those of the object.
    mask : ndarray of bool or None
        [H, W]: what shows the object; None where that is not known.
    """

    values: Values
    beyond: float
    back: Matrix
    mask: NDArray[np.bool_] | None = None


class Swept(ABC):
    """An image that sweeps are made of."""

    sweeps: tuple[Sweep, ...]
    unswept: Mapping[str, str]
    """The challenges that cannot be swept on this kind of image, and why."""

    @abstractmethod
    def variant(self, sweep: Sweep, amount: float) -> Variant:
        """Return the image with the factor at an amount."""


_LIGHT: dict[str, Callable[[Values, float], Values]] = {
    "darker": lambda values, amount: exposed(values, -amount),
    "brighter": exposed,
    "less contrast": contrasted,
    "lit from the left": lit_from_left,
    "hidden": hidden,
    "blurred": blurred,
}
_VIEW: dict[str, Callable[[float, tuple[int, int]], Matrix]] = {
    "turned": turned,
    "smaller": enlarged,
    "larger": enlarged,
    "seen from the side": tilted,
}


class SweptPhoto(Swept):
    """A photo whose pixels are changed.

    Parameters
    ----------
    scene : Scene
        All of the photo as the network takes it; what enters comes from there.
    preprocessing : Preprocessing
        How its values were normalised.
    """

    unswept: Mapping[str, str] = {
        "clutter": "what lies behind the object cannot be changed without a mask of it",
        "intra-class appearance": "another object of the same class cannot be made of these pixels",
    }

    def __init__(self, scene: Scene, preprocessing: Preprocessing) -> None:
        self.scene = scene
        left, top = scene.corner
        height, width = scene.size
        self.crop = scene.values[:, top : top + height, left : left + width]
        self.mean, self.std = (
            np.array(numbers, np.float32)[:, None, None]
            for numbers in (preprocessing.mean, preprocessing.std)
        )
        self.sweeps = (
            Sweep("darker", "illumination", "stops less light", 0.0, 5.0),
            Sweep("brighter", "illumination", "stops more light", 0.0, 4.0),
            Sweep("less contrast", "illumination", "times the contrast", 1.0, 0.05),
            Sweep("lit from the left", "illumination", "strength", 0.0, 0.9),
            Sweep("turned", "pose", "degrees", 0.0, 180.0),
            Sweep("smaller", "scale", "times the size", 1.0, 0.3),
            Sweep("larger", "scale", "times the size", 1.0, 3.0),
            Sweep("seen from the side", "viewpoint", "degrees", 0.0, 60.0),
            Sweep("hidden", "occlusion", "share of the image", 0.0, 0.7),
            Sweep(
                "blurred",
                "blur",
                "px of standard deviation",
                0.0,
                round(min(scene.size) / _BLUR, 1),
            ),
        )

    def variant(self, sweep: Sweep, amount: float) -> Variant:
        """Return the photo with the factor at an amount."""
        if amount == sweep.start:
            return Variant(self.crop, 0.0, np.eye(3))
        if sweep.name in _VIEW:
            back = whole_matrix(_VIEW[sweep.name](amount, self.scene.size))
            values, beyond = self.scene.seen(back)
            return Variant(values, beyond, back)
        shown = self.crop * self.std + self.mean
        changed = _LIGHT[sweep.name](shown, amount)
        return Variant((changed - self.mean) / self.std, 0.0, np.eye(3))


class SweptSample(Swept):
    """A scene of `shapes`, rendered anew.

    Parameters
    ----------
    sample : Sample
        The scene as it is.
    preprocess : callable
        From a picture [H, W, 3] to what the network takes [C, H, W], and the part that it sees.
    """

    unswept: Mapping[str, str] = {}

    def __init__(
        self,
        sample: Sample,
        preprocess: Callable[[NDArray[np.uint8]], tuple[Values, PhotoBox]],
    ) -> None:
        self.sample, self.preprocess = sample, preprocess
        own = sample.factors
        self._factors = {name: (factor, *rest) for name, factor, *rest in _FACTORS}
        self.sweeps = (
            *(_of_factor(name, own) for name in self._factors),
            Sweep(
                "blurred",
                "blur",
                "px of standard deviation",
                0.0,
                round(len(sample.mask) / _BLUR, 1),
            ),
        )

    def variant(self, sweep: Sweep, amount: float) -> Variant:
        """Return the scene with the factor at an amount."""
        if sweep.name == "blurred":
            shown = self.sample.image.transpose(2, 0, 1).astype(np.float32)
            pixels = blurred(shown, amount).transpose(1, 2, 0)
            return self._made(np.asarray(pixels.round(), np.uint8), self.sample)
        name = str(self._factors[sweep.name][0])
        own = self.sample.factors
        value = getattr(own, name) if amount == sweep.start else amount
        changed: dict[str, Any] = {name: value}
        rendered = _rendered(self.sample, dataclasses.replace(own, **changed))
        return self._made(rendered.image, rendered)

    def _made(self, picture: NDArray[np.uint8], sample: Sample) -> Variant:
        values, box = self.preprocess(picture)
        height, width = values.shape[1:]
        # From pixels of the picture, whose first spans 0 to 1, to the middles of those of the crop.
        to_crop = np.array(
            [
                [width / box.width, 0.0, -box.left * width / box.width - 0.5],
                [0.0, height / box.height, -box.top * height / box.height - 0.5],
                [0.0, 0.0, 1.0],
            ]
        )
        own, new = (
            to_crop @ homography(one.factors, len(one.mask)) for one in (self.sample, sample)
        )
        back = np.linalg.inv(to_crop @ _PIXEL)
        mask = warped(sample.mask.astype(np.float32), back, (height, width), mirrored=False)
        return Variant(values, 0.0, own @ np.linalg.inv(new), np.asarray(mask >= 0.5))


_PIXEL = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
"""From the number of a pixel to its middle, where the first spans 0 to 1."""
_FACTORS: tuple[tuple[str, str, str, str, float | None], ...] = (
    ("darker", "brightness", "illumination", "times the brightness", 0.1),
    ("brighter", "brightness", "illumination", "times the brightness", 2.0),
    ("less contrast", "contrast", "illumination", "times the contrast", 0.1),
    ("lit from one side", "light_strength", "illumination", "strength", 0.9),
    ("turned", "rotation", "pose", "degrees", None),
    ("moved to the edge", "x", "pose", "share of the width", None),
    ("smaller", "scale", "scale", "share of the side", 0.1),
    ("larger", "scale", "scale", "share of the side", 1.5),
    ("seen from the side", "perspective", "viewpoint", "degrees", 70.0),
    ("hidden", "occlusion", "occlusion", "share of the object", 0.95),
    ("more clutter", "clutter", "clutter", "distractors", 60.0),
    ("another hue", "hue", "intra-class appearance", "degrees", None),
    ("another form", "form", "intra-class appearance", "form", None),
    ("stretched", "aspect", "intra-class appearance", "width over height", 2.5),
)
"""Name, factor, challenge, unit, and the last value of what is swept on a scene."""
_ANGLES = frozenset(["hue", "rotation"])
"""Factors that come back to where they were after 360 degrees."""


def _of_factor(name: str, own: Factors) -> Sweep:
    row = next(row for row in _FACTORS if row[0] == name)
    factor, challenge, unit, end = row[1:]
    start = float(getattr(own, factor))
    if end is None:
        # By half a turn, or to the limit that is further away.
        low, high = LIMITS[factor]
        far = high if high - start >= start - low else low
        end = start + np.copysign(180.0, far - start) if factor in _ANGLES else far
    return Sweep(name, challenge, unit, start, float(end), whole=factor == "clutter")


def _rendered(sample: Sample, factors: Factors) -> Sample:
    return draw(
        sample.label,
        factors,
        seed=sample.seed,
        index=sample.index,
        split=sample.split,
        size=len(sample.mask),
    )


def similarity(original: NDArray[np.float32], changed: NDArray[np.float32], back: Matrix) -> float:
    """Return how far a heatmap stayed on what it was on: 1 where it moved along with the image.

    The original map is moved as the image was; the two are correlated (Pearson) over the pixels
    that both know. NaN where one of them is constant there.
    """
    height, width = changed.shape
    moved = warped(original, back, (height, width), mirrored=False)
    known = ~beyond_edges(back, (height, width), (height, width))
    if known.sum() < 2:
        return float("nan")
    one, other = moved[known].astype(np.float64), changed[known].astype(np.float64)
    one, other = one - one.mean(), other - other.mean()
    sizes = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / sizes if sizes > 1e-12 else float("nan")


def share_inside(heat: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return the share of the evidence for the class that lies on the object; NaN without any."""
    positive = np.maximum(heat, 0.0).astype(np.float64)
    total = float(positive.sum())
    return float(positive[mask].sum()) / total if total > 0.0 else float("nan")
