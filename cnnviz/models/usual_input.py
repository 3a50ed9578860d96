"""The input of a network where nothing of a given one is known."""

from __future__ import annotations

from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.images.array_preprocessing import ArrayPreprocessing
from cnnviz.images.preprocessing import Preprocessing
from cnnviz.models.array_trials import find_array
from cnnviz.models.guesses import TO_UNIT_RANGE
from cnnviz.models.input_trials import NOMINAL_SIDE, find_input


def usual_shape(module: nn.Module, preprocessing: Preprocessing) -> tuple[int, ...]:
    """Return channels and the size along each axis that inputs come out with.

    Where it follows what is given, a size that the network runs on: of images 224 px, and of
    signals and volumes the usual sizes, come first.
    """
    try:
        found = _accepted(module, preprocessing)
    except ModelChangedError:  # as it will be told where it is run
        found = None
    own = preprocessing.usual_size(NOMINAL_SIDE)
    size = own if found is None or len(found) != len(own) else found
    return (preprocessing.channels, *size)


def _accepted(module: nn.Module, preprocessing: Preprocessing) -> tuple[int, ...] | None:
    """Return a size that the network runs on; None where it is known, or no such is."""
    if isinstance(preprocessing, ArrayPreprocessing):
        if preprocessing.shape is not None or preprocessing.size is not None:
            return None
        array = find_array(module)
        return None if array is None else array.size
    # A detector of torchvision resizes what it is given by itself.
    follows = preprocessing.size is None and preprocessing.resize is None
    image = find_input(module) if follows and preprocessing is not TO_UNIT_RANGE else None
    return None if image is None else (image.side, image.side)
