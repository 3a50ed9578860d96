"""How the loss changes around a network's weights: directions, data, and points evaluated."""

from cnnviz.gradients.landscape.data import LabelledImages, labelled_images
from cnnviz.gradients.landscape.directions import WeightDirection, random_direction
from cnnviz.gradients.landscape.evaluation import LandscapePoints, LossSurroundings

__all__ = [
    "LabelledImages",
    "LandscapePoints",
    "LossSurroundings",
    "WeightDirection",
    "labelled_images",
    "random_direction",
]
