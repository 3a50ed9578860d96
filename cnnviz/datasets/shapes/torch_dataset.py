"""The set as a torch dataset; imported only when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from .dataset import Shapes


class ShapesDataset(Dataset[tuple[torch.Tensor, int]]):
    """Part of a `Shapes` set as pairs of a float image [3, H, W] in [0, 1] and a label.

    Parameters
    ----------
    shapes : Shapes
        The endless set.
    count : int
        Length of the dataset.
    start : int
        Index of its first sample in the set.
    """

    def __init__(self, shapes: Shapes, count: int, start: int = 0) -> None:
        self.shapes = shapes
        self.count = count
        self.start = start

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if not 0 <= index < self.count:
            raise IndexError(f"index {index} is out of range for {self.count} samples")
        sample = self.shapes[self.start + index]
        image = torch.from_numpy(sample.image).permute(2, 0, 1).float().div_(255.0)
        return image, sample.label
