"""File, array or PIL image to checked RGB; preprocessing for a network; and back for display.

Importing this package imports neither torch nor matplotlib; preprocessing imports torch when it
runs.
"""

from cnnviz.images.array_preprocessing import ArrayPreprocessing, axis_names_of
from cnnviz.images.array_reading import ArrayInput, rate_of, values_of
from cnnviz.images.batch import Batch, Refusal, prepare
from cnnviz.images.photo import MAX_PIXELS, Photo, PhotoError
from cnnviz.images.photo_box import PhotoBox
from cnnviz.images.preprocessing import IMAGENET, Preprocessing
from cnnviz.images.reading import read_photo, sample_photo

__all__ = [
    "IMAGENET",
    "MAX_PIXELS",
    "ArrayInput",
    "ArrayPreprocessing",
    "Batch",
    "Photo",
    "PhotoBox",
    "PhotoError",
    "Preprocessing",
    "Refusal",
    "axis_names_of",
    "prepare",
    "rate_of",
    "read_photo",
    "sample_photo",
    "values_of",
]
