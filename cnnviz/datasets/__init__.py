"""Images, many or few, opened in one way and read only when they are asked for."""

from cnnviz.datasets.dataset import Dataset, Part, Sample, counted
from cnnviz.datasets.opening import SAMPLES, SHAPES, open_dataset
from cnnviz.datasets.streaming import Loaded, Stream, default_workers, nothing_left, stream

__all__ = [
    "SAMPLES",
    "SHAPES",
    "Dataset",
    "Loaded",
    "Part",
    "Sample",
    "Stream",
    "counted",
    "default_workers",
    "nothing_left",
    "open_dataset",
    "stream",
]
