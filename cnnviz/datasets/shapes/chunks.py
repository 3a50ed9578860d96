"""Samples drawn together as arrays, also by a process that has no use for torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .dataset import Shapes
from .streams import Split

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]


def draw_chunk(job: tuple[int, Split, int, int]) -> tuple[Images, Labels, Masks]:
    """Draw samples of a set: its seed and split, the first of them, and how many.

    It stands here since a process imports the file of what it is given to do: beside the training
    it took seconds to import torch before it drew anything.

    Returns
    -------
    images : array, [count, 96, 96, 3]
    labels : array, [count]
    masks : array, [count, 96, 96]
        Visible pixels of the object.
    """
    seed, split, start, count = job
    samples = Shapes(seed, split=split)[start : start + count]
    return (
        np.stack([sample.image for sample in samples]),
        np.array([sample.label for sample in samples], dtype=np.int64),
        np.stack([sample.mask for sample in samples]),
    )
