"""What the small trainings of the course share: scenes, epochs, measuring, and what chance does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

LEVEL = 0.05
"""A difference that chance makes no more often than this is taken for one."""
FEWEST = 6
"""With fewer seeds no choice of signs is rarer than the level."""
MOST = 12
"""At most how many seeds: of more there are too many choices of signs to count."""


def cannot_show(seeds: int) -> str:
    """Say that so many seeds show no difference."""
    return f"no difference that {'this seed' if seeds == 1 else 'these seeds'} can show"


@dataclass(frozen=True)
class Scenes:
    """Scenes with their classes: uint8 [N, side, side, 3] and [N]."""

    images: torch.Tensor
    labels: torch.Tensor


def epochs_of(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batches: Callable[[], Iterable[torch.Tensor]],
    inputs: Callable[[torch.Tensor], torch.Tensor],
    labels: torch.Tensor,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> Iterator[int]:
    """Train a network on the cross-entropy; yield after each epoch which it was, from 0.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place, in training mode.
    optimizer : torch.optim.Optimizer
        What takes the steps.
    epochs : int
        How many.
    batches : callable
        Returns the places of the samples of each batch, once an epoch.
    inputs : callable
        Returns the input of the samples at such places.
    labels : torch.Tensor
        The class of every sample, [N].
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        What sets the learning rate of the next step.
    """
    for epoch in range(epochs):
        network.train()
        for places in batches():
            given = inputs(places)
            optimizer.zero_grad()
            loss = F.cross_entropy(network(given), labels[places])
            torch.autograd.backward(loss)
            optimizer.step()
            if schedule is not None:
                schedule.step()
        yield epoch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch take one thread: sums come out the same on every count of processors.

    So small a network takes less time so as well, since threads wait for one another.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measure(network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return the mean cross-entropy of a network, and the share of its answers that are right."""
    network.eval()
    with torch.no_grad():
        logits = network(inputs)
    right = (logits.argmax(1) == labels).double().mean()
    return float(F.cross_entropy(logits, labels)), float(right)


def sign_flip(differences: NDArray[np.float64]) -> float:
    """Return how often chance alone makes a mean of paired differences as far from 0 as this.

    If a variant changed nothing, each difference would have either sign as easily. Of all choices
    of the signs (Fisher 1935) this is the share whose mean is as far from 0 or farther.

    Parameters
    ----------
    differences : ndarray of float64
        One for each seed, [S]; of fewer than six none can be below 0.05.
    """
    signs = np.array(list(product((1.0, -1.0), repeat=len(differences))))
    means = np.abs(signs @ differences)
    # The same sum in another order differs in its last digits.
    return float((means >= means[0] * (1.0 - 1e-9)).mean())
