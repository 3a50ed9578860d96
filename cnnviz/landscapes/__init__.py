"""How the loss changes around a network's weights: directions, data, and points evaluated."""

from cnnviz.landscapes.data import Examples, examples
from cnnviz.landscapes.directions import Direction, random_direction
from cnnviz.landscapes.evaluation import Points, Surroundings

__all__ = ["Direction", "Examples", "Points", "Surroundings", "examples", "random_direction"]
