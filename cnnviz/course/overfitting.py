"""Small trainings on few scenes: how a network learns them by heart, and what holds it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.course.small_trainings import Scenes, epochs_of, measure, one_thread
from cnnviz.datasets.shapes import CLASSES, Shapes
from cnnviz.datasets.shapes.streams import Split
from cnnviz.introspection.random_draws import RandomDraws, own_generator
from cnnviz.models.training.data import augment, normalise

SIDE, DIFFICULTY = 32, "easy"
"""The scenes: their side in pixels, and what they are drawn from."""
BATCH, RATE = 20, 2e-3
_HIDDEN = 64


@dataclass(frozen=True)
class Recipe:
    """How one variant is trained."""

    name: str
    augmented: bool = False
    dropout: float = 0.0
    weight_decay: float = 0.0


def recipes(dropout: float, weight_decay: float) -> tuple[Recipe, ...]:
    """Return how each variant is trained; the first has nothing that holds it back."""
    return (
        Recipe("plain"),
        Recipe("augmentation", augmented=True),
        Recipe("dropout", dropout=dropout),
        Recipe("weight decay", weight_decay=weight_decay),
    )


def draw_scenes(seed: int, split: Split, start: int, count: int) -> Scenes:
    """Draw scenes of `shapes`; ten in a row have the ten classes."""
    samples = Shapes(seed, split=split, difficulty=DIFFICULTY, size=SIDE)[start : start + count]
    return Scenes(
        torch.from_numpy(np.stack([sample.image for sample in samples])),
        torch.tensor([sample.label for sample in samples], device="cpu"),
    )


def small_network(dropout: float = 0.0) -> nn.Sequential:
    """Return two convolutions with max pooling and two linear layers, dropout before each."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(dropout), nn.Linear(32 * (SIDE // 8) ** 2, _HIDDEN), nn.ReLU(),
        nn.Dropout(dropout), nn.Linear(_HIDDEN, len(CLASSES)),
    ).to("cpu", torch.float32)  # fmt: skip


def parameter_count() -> int:
    """Return how many parameters the small network has."""
    with RandomDraws():  # Weights are drawn to be counted.
        return sum(one.numel() for one in small_network().parameters())


def train(
    recipe: Recipe, scenes: Scenes, judged: Sequence[Scenes], epochs: int, seed: int
) -> NDArray[np.float64]:
    """Train a network, and return its loss and accuracy after every epoch.

    With one seed every recipe starts from the same weights and has the same batches. The global
    generators are put back.

    Parameters
    ----------
    recipe : Recipe
        What holds it back.
    scenes : Scenes
        What it is trained on.
    judged : sequence of Scenes
        On what it is measured, without dropout and as they are.
    epochs : int
        How often it sees each scene.
    seed : int
        The seed of its weights, batches, augmentation and dropout.

    Returns
    -------
    ndarray of float64
        The mean cross-entropy and the share that is right, [2, J, E].
    """
    order, changes = (own_generator(seed, name, 0) for name in ("batches", "augmentation"))
    found = np.zeros((2, len(judged), epochs))
    inputs = [(normalise(one.images), one.labels) for one in judged]

    def batches() -> Sequence[torch.Tensor]:
        shuffled = torch.randperm(len(scenes.labels), generator=order)
        return torch.split(shuffled, BATCH)

    def shown(places: torch.Tensor) -> torch.Tensor:
        images = scenes.images[places]
        if recipe.augmented:
            images, _ = augment(images, images[..., 0], changes)
        return normalise(images)

    # A caller may hold gradients off; these are the network's own.
    with torch.inference_mode(False), torch.enable_grad(), RandomDraws(seed), one_thread():
        network = small_network(recipe.dropout)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=RATE, weight_decay=recipe.weight_decay
        )
        for epoch in epochs_of(network, optimizer, epochs, batches, shown, scenes.labels):
            found[:, :, epoch] = np.transpose([measure(network, *one) for one in inputs])
    return found
