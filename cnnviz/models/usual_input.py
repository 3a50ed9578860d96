"""The input of a network where nothing of a given one is known."""

from __future__ import annotations

from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.images.preprocessing import Preprocessing
from cnnviz.models.guesses import TO_UNIT_RANGE
from cnnviz.models.input_trials import NOMINAL_SIDE, find_input
from cnnviz.results.space import IMAGE


def usual_shape(module: nn.Module, preprocessing: Preprocessing) -> tuple[int, ...]:
    """Return channels and the size along each axis that photos come out with.

    Where it follows the photo, that of a square photo of 224 px; of a network that does not run on
    such, a size that it runs on.
    """
    return (preprocessing.channels, *preprocessing.usual_size(_side(module, preprocessing)))


def _side(module: nn.Module, preprocessing: Preprocessing) -> int:
    follows = preprocessing.size is None and preprocessing.resize is None
    # A detector of torchvision resizes what it is given by itself.
    if not follows or preprocessing.space != IMAGE or preprocessing is TO_UNIT_RANGE:
        return NOMINAL_SIDE
    try:
        found = find_input(module)
    except ModelChangedError:  # as it will be told where it is run
        return NOMINAL_SIDE
    if found is None or found.channels != preprocessing.channels:
        return NOMINAL_SIDE
    return found.side
