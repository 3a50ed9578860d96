"""What counts as data wherever a function takes images of which there may be many."""

from __future__ import annotations

from typing import Any, Protocol

from cnnviz.datasets.dataset import Dataset
from cnnviz.datasets.shapes import Shapes
from cnnviz.images.aliases import Unprepared


class IndexedData(Protocol):
    """A data set of torchvision, Hugging Face or their like: it has a length and an index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


Data = Dataset | Shapes | IndexedData | Unprepared
"""Whatever `open_dataset` opens; a text is "shapes", a folder, tar shards or one image."""
