"""New tasks of four classes, painted as `shapes` is, for a network that was trained on `shapes`.

Of letters it has seen none; of directions it has seen every one, and was taught that they make no
difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cnnviz.course.small_trainings import Scenes
from cnnviz.datasets.shapes import Factors, Shapes
from cnnviz.datasets.shapes.outlines import Points, outline
from cnnviz.datasets.shapes.scene import check_label, paint
from cnnviz.datasets.shapes.streams import Split

SIDE = 32
"""Pixels of the side of a scene: a third of those that the network was trained on."""
_SETTINGS: Mapping[str, Any] = {
    "scale": (0.7, 0.95),
    "x": (0.46, 0.54),
    "y": (0.46, 0.54),
    "clutter": (2, 8),
}
"""The object fills the frame; all else is as in the default difficulty."""
_APART = 1_000_000
"""Added to every seed: with seed 0 the shipped networks were trained."""
_SWAY = 25.0 / 180.0
"""How far an arrow turns away from its direction, as a share of how far a scene turns."""


@dataclass(frozen=True)
class TransferTask:
    """Four classes of scenes.

    Attributes
    ----------
    name : str
        What it is called.
    classes : tuple of str
        The four.
    told : str
        What they are, and what the data set `shapes` has of them.
    contours : callable
        From the place of a class and the factor form to the outline of its object.
    posed : callable
        From the place of a class and a scene's factors to those of an object of this class.
    """

    name: str
    classes: tuple[str, ...]
    told: str
    contours: Callable[[int, float], list[Points]]
    posed: Callable[[int, Factors], Factors]

    def draw(self, seed: int, split: Split, start: int, count: int) -> Scenes:
        """Draw scenes; four in a row have the four classes."""
        seed += _APART
        shapes = Shapes(seed, split=split, size=SIDE, **_SETTINGS)
        images, labels = [], []
        for index in range(start, start + count):
            label = index % len(self.classes)
            factors = self.posed(label, shapes.factors(index))
            image, _, _ = paint(
                self.contours(label, factors.form), factors,
                seed=seed, index=index, split=split, size=SIDE,
            )  # fmt: skip
            images.append(image)
            labels.append(label)
        return Scenes(torch.from_numpy(np.stack(images)), torch.tensor(labels, device="cpu"))


def _arc(start: float, stop: float, count: int, radius: float) -> Points:
    angles = np.radians(np.linspace(start, stop, count))
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _c(stroke: float) -> Points:
    return np.concatenate([_arc(50.0, 310.0, 40, 1.0), _arc(310.0, 50.0, 40, 1.0 - 2.0 * stroke)])


def _l(stroke: float) -> Points:
    inner, foot = -0.6 + 2.0 * stroke, 0.75 - 2.0 * stroke
    return np.array([
        [-0.6, -0.75], [inner, -0.75], [inner, foot], [0.6, foot], [0.6, 0.75], [-0.6, 0.75],
    ])  # fmt: skip


def _t(stroke: float) -> Points:
    below = -0.65 + 2.0 * stroke
    half = np.array([[0.75, -0.65], [0.75, below], [stroke, below], [stroke, 0.75]])
    return np.concatenate([half, half[::-1] * np.array([-1.0, 1.0])])


def _z(stroke: float) -> Points:
    below, slant = -0.75 + 2.0 * stroke, 2.6 * stroke
    half = np.array([
        [-0.65, -0.75], [0.65, -0.75], [0.65, below], [-0.65 + slant, -below], [0.65, -below],
    ])  # fmt: skip
    return np.concatenate([half, -half])


_LETTERS: Mapping[str, Callable[[float], Points]] = {"C": _c, "L": _l, "T": _t, "Z": _z}


def _letter(label: int, form: float) -> list[Points]:
    return [[*_LETTERS.values()][label](0.21 + 0.04 * form)]


def _turned(label: int, factors: Factors) -> Factors:
    return dataclasses.replace(factors, rotation=90.0 * label + _SWAY * factors.rotation)


TASKS: Mapping[str, TransferTask] = {
    task.name: task
    for task in (
        TransferTask(
            "letters",
            tuple(_LETTERS),
            f"which of four letters, turned any way, is in a scene of {SIDE} x {SIDE} pixels; the "
            "data set shapes has no letters",
            _letter,
            lambda _, factors: factors,
        ),
        TransferTask(
            "directions",
            ("right", "up", "left", "down"),
            f"which way an arrow points in a scene of {SIDE} x {SIDE} pixels; in the data set "
            "shapes an arrow is the same class whichever way it points",
            lambda _, form: outline(check_label("arrow"), form),
            _turned,
        ),
    )
}
