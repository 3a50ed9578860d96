"""What can be asked to be explained of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cnnviz.images.aliases import ImageLike

Direction = Literal["above", "below"]


@dataclass(frozen=True)
class SumOf:
    """The sum of the scores of several classes: "any cat at all".

    Attributes
    ----------
    classes : tuple of int or str
        The classes, by index or name.
    """

    classes: tuple[int | str, ...]

    def __init__(self, *classes: int | str) -> None:
        object.__setattr__(self, "classes", classes)


@dataclass(frozen=True)
class Contrast:
    """The score of one class less that of another: "why this and not that".

    Attributes
    ----------
    this, that : int or str
        The class whose score counts, and the one whose score is subtracted, by index or name.
    """

    this: int | str
    that: int | str


@dataclass(frozen=True, eq=False)
class Region:
    """The score of a class summed over a region, for networks that segment.

    Of a detector with masks it is the overlap of an instance's mask with the region times the score
    of its class, the largest over what it finds.

    Attributes
    ----------
    label : int or str
        The class. A map of one channel has two, negative and positive.
    mask : ndarray of bool, optional
        The region, [H, W] at the size of the network's output; by default where the class is the
        network's own answer (Vinogradova et al. 2020), or the mask of its best instance.
    """

    label: int | str
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Value:
    """One of the numbers that a network returns, for regression: what makes it large, or small.

    Attributes
    ----------
    index : int or str
        Which of the numbers, by its place or its name. Of a map of numbers, the mean of a channel.
    direction : {"above", "below"}
        Whether evidence is what raises the number or what lowers it.
    """

    index: int | str = 0
    direction: Direction = "above"


@dataclass(frozen=True, eq=False)
class Similarity:
    """The cosine between the network's embedding of an image and that of a reference.

    Attributes
    ----------
    reference : image, or ndarray or tensor of float [D]
        An image, which the network embeds, or a vector.
    """

    reference: ImageLike | torch.Tensor | NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """One box of a detector: its overlap with a wanted box times the score of a wanted class.

    The score that is explained is the largest over what the detector finds, as in D-RISE (Petsiuk
    et al. 2021), so that what speaks for this box is asked for, and not what speaks for the class
    elsewhere.

    Attributes
    ----------
    label : int, str or None
        The class, by index or name; None is that of the detection that overlaps the box most, each
        overlap times its score.
    box : (float, float, float, float)
        Left, top, right and bottom in pixels of the photo as it was read, as `predictions` tells
        and draws them. Of a tensor that is given as preprocessed, the photo is the tensor.
    """

    label: int | str | None
    box: tuple[float, float, float, float]


OneTarget = int | str | SumOf | Contrast | Region | Value | Similarity | Box
"""What is explained of one image."""
Target = (
    OneTarget
    | Sequence[OneTarget]
    | NDArray[Any]
    | torch.Tensor
    | Callable[[Any], torch.Tensor]
    | None
)
"""What is explained: the network's own answer, one target for all images, or one for each."""


def parts_of_name(name: str, known: Sequence[str]) -> list[tuple[str, int]]:
    """Return the classes that ``koala - wombat`` or ``tabby + tiger cat`` name, each with its sign.

    A class whose own name holds a sign is meant as it stands.
    """
    if name not in known:
        if " - " in name:
            this, _, that = name.partition(" - ")
            return [(this.strip(), 1), (that.strip(), -1)]
        if " + " in name:
            return [(label.strip(), 1) for label in name.split(" + ")]
    return [(name, 1)]
