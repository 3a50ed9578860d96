"""The shipped data as a data set: drawn when asked for, with exact classes and masks."""

from __future__ import annotations

from cnnviz.datasets.dataset import Dataset, DatasetImage, Mask
from cnnviz.datasets.shapes import CLASSES, Shapes
from cnnviz.images import read_photo
from cnnviz.results.text import plural


class ShapesSamples(Dataset):
    """The first samples of a `Shapes` set.

    Parameters
    ----------
    shapes : Shapes
        The endless set.
    count : int
        How many samples.
    """

    def __init__(self, shapes: Shapes, count: int) -> None:
        self.shapes, self.count = shapes, count
        self.classes = tuple(CLASSES)

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        """Return split, index and class of a sample."""
        kind = self.classes[self.label(index)]
        return f"shapes {self.shapes.split} {index} ({kind})"

    def key(self, index: int) -> str:
        """Return what the sample is drawn from."""
        return f"{self.shapes!r} {index}"

    def label(self, index: int) -> int:
        """Return the class of a sample without drawing it."""
        return self.shapes.label(index)

    def read(self, index: int) -> DatasetImage:
        """Draw a sample."""
        drawn = self.shapes[index]
        return DatasetImage(read_photo(drawn.image, self.name(index)), drawn.label)

    def mask(self, index: int) -> Mask:
        """Draw a sample, and return the pixels of its shape."""
        return self.shapes[index].mask

    def describe(self) -> str:
        """Say which samples these are."""
        return f"shapes, {plural(self.count, f'{self.shapes.split} sample')}"
