"""Images, many or few, opened in one way and read only when they are asked for.

Importing this package does not import torch; using one of its names does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach

if TYPE_CHECKING:
    from cnnviz.datasets.dataset import Dataset as Dataset
    from cnnviz.datasets.dataset import DatasetImage as DatasetImage
    from cnnviz.datasets.dataset import Part as Part
    from cnnviz.datasets.opening import SAMPLES as SAMPLES
    from cnnviz.datasets.opening import SHAPES as SHAPES
    from cnnviz.datasets.opening import open_dataset as open_dataset
    from cnnviz.datasets.readable import nothing_left as nothing_left
    from cnnviz.datasets.streaming import LoadedBatch as LoadedBatch
    from cnnviz.datasets.streaming import Stream as Stream
    from cnnviz.datasets.streaming import stream as stream
    from cnnviz.datasets.workers import default_workers as default_workers

_HOMES = {
    "SAMPLES": "cnnviz.datasets.opening",
    "SHAPES": "cnnviz.datasets.opening",
    "Dataset": "cnnviz.datasets.dataset",
    "LoadedBatch": "cnnviz.datasets.streaming",
    "Part": "cnnviz.datasets.dataset",
    "DatasetImage": "cnnviz.datasets.dataset",
    "Stream": "cnnviz.datasets.streaming",
    "default_workers": "cnnviz.datasets.workers",
    "nothing_left": "cnnviz.datasets.readable",
    "open_dataset": "cnnviz.datasets.opening",
    "stream": "cnnviz.datasets.streaming",
}
__all__ = [
    "SAMPLES",
    "SHAPES",
    "Dataset",
    "DatasetImage",
    "LoadedBatch",
    "Part",
    "Stream",
    "default_workers",
    "nothing_left",
    "open_dataset",
    "stream",
]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
