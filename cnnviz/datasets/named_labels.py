"""Labels that stand beside each image as the names of classes, which the network alone knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cnnviz.datasets.dataset import Dataset, DatasetImage, Part


class NamedLabels(Part):
    """A data set whose labels are numbers of classes, or their names as they are written.

    Parameters
    ----------
    whole : Dataset
        The set.
    names : sequence of str
        The names of the classes, in their order.
    """

    def __init__(self, whole: Dataset, names: Sequence[str]) -> None:
        super().__init__(whole, range(len(whole)))
        self._class_of = classes_by_name(names)

    def label(self, index: int) -> int | None:
        """Return the number of the class, where there is one."""
        several = self.labels(index)
        return several[0] if len(several) == 1 else None

    def labels(self, index: int) -> tuple[int, ...]:
        """Return the numbers that stand there, or that of the name."""
        numbered = self.whole.labels(index)
        found = None if numbered else self._class_of.get(self.whole.named_label(index) or "")
        return numbered if found is None else (found,)

    def odd_label(self, index: int) -> str | None:
        """Return what stands as the label of the image, and is no class by number or name."""
        return None if self.labels(index) else self.whole.odd_label(index)

    def read(self, index: int) -> DatasetImage:
        """Read the image, with the number of its class."""
        read = self.whole.read(index)
        return DatasetImage(read.image, self.label(index) if read.label is None else read.label)


def classes_by_name(names: Sequence[str]) -> dict[str, int]:
    """Return the class of each name that no other class has."""
    times = Counter(names)
    return {name: place for place, name in enumerate(names) if times[name] == 1}
