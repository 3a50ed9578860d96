"""How the loss changes around a network's weights: directions, data, and points evaluated."""

from cnnviz.gradients.landscape.data import Examples, examples
from cnnviz.gradients.landscape.directions import Direction, random_direction
from cnnviz.gradients.landscape.evaluation import Points, Surroundings

__all__ = ["Direction", "Examples", "Points", "Surroundings", "examples", "random_direction"]
