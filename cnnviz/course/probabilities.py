"""From logits to probabilities step by step, and what the cross-entropy sends back to them.

The softmax, its temperature and its gradient p - y are those of Bridle (1990) and of Goodfellow,
Bengio and Courville, Deep Learning (2016), sections 6.2.2 and 3.10; temperature as Hinton, Vinyals
and Dean (2015) have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

CURVE = np.geomspace(0.1, 10.0, 81)
"""The temperatures over which probabilities are drawn as curves."""


@dataclass(frozen=True, eq=False)
class SoftmaxSteps:
    """The softmax of N rows of K logits, with what it goes through.

    Attributes
    ----------
    exponentials : torch.Tensor
        e to the power of each logit less the largest of its row, [N, K]. Without the subtraction
        large logits would overflow; the shares are the same.
    totals : torch.Tensor
        The sum of each row of them, [N].
    probabilities : torch.Tensor
        The exponentials as shares of that sum, [N, K].
    """

    exponentials: torch.Tensor
    totals: torch.Tensor
    probabilities: torch.Tensor


def softmax_steps(logits: torch.Tensor) -> SoftmaxSteps:
    """Return the softmax of logits [N, K] with its steps."""
    exponentials = (logits - logits.amax(1, keepdim=True)).exp()
    return SoftmaxSteps(exponentials, exponentials.sum(1), torch.softmax(logits, 1))


def at_temperatures(logits: torch.Tensor, temperatures: Sequence[float]) -> torch.Tensor:
    """Return the softmax of logits [N, K] over each of T temperatures, [N, T, K]."""
    divided = logits[:, None] / logits.new_tensor(temperatures)[:, None]
    return torch.softmax(divided, 2)


def cross_entropies(logits: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy in nats that each class would have as the right one, [N, K]."""
    return 0.0 - torch.log_softmax(logits, 1)  # no loss is 0, and not -0


def softmax_gradients(probabilities: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the gradient p - y of the cross-entropy by all logits, for some classes as the truth.

    Parameters
    ----------
    probabilities : torch.Tensor
        [N, K].
    classes : torch.Tensor
        The indices of the classes that are taken as right in turn, [N, k].

    Returns
    -------
    torch.Tensor
        [N, k, K].
    """
    truths = F.one_hot(classes, probabilities.shape[1]).to(probabilities.dtype)
    return probabilities[:, None] - truths


def sigmoids_at(logits: torch.Tensor, temperatures: Sequence[float]) -> torch.Tensor:
    """Return the sigmoid of logits [N, K] over each of T temperatures, [N, T, K]."""
    return torch.sigmoid(logits[:, None] / logits.new_tensor(temperatures)[:, None])


def binary_cross_entropies(logits: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy in nats of each label, if wrong and if right, [N, K, 2]."""
    return torch.stack([F.softplus(logits), F.softplus(-logits)], 2)


def sigmoid_gradients(probabilities: torch.Tensor) -> torch.Tensor:
    """Return the gradient p - y of it by each logit, for y = 0 and y = 1, [N, K, 2]."""
    return torch.stack([probabilities, probabilities - 1.0], 2)
