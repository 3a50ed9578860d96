"""Train the shipped networks on `shapes`: `python -m cnnviz.models.training NAME --out DIR`."""

from .data import draw_samples, normalise
from .loop import TRAINABLE, TrainingRecipe, train

__all__ = ["TRAINABLE", "TrainingRecipe", "draw_samples", "normalise", "train"]
