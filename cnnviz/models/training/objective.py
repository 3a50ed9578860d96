"""What is asked of a network besides the right answer: good reasons and clean filters."""

from __future__ import annotations

import torch
from torch.nn.functional import pad


def misplaced(evidence: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Return how little of the strongest evidence for the class lies on the object.

    The network has to be right for the right reasons (Ross, Hughes and Doshi-Velez, 2017): the
    negative logarithm of the share, under a softmax over positions, of the cells on the object.

    Parameters
    ----------
    evidence : tensor, [N, h, w]
        What each position of the last maps adds to the logit of the true class.
    cells : tensor, [N, h, w]
        How much of each cell is object, in [0, 1].

    Returns
    -------
    tensor, [N]
    """
    share = evidence.flatten(1).softmax(1) * cells.flatten(1)
    return -(share.sum(1) + 1e-3).log()


def untidiness(kernels: torch.Tensor) -> torch.Tensor:
    """Return how far first-layer filters are from clean edges and colour opponents.

    Two terms, both independent of a filter's scale. The energy of the second differences (with
    zeros around the filter) over the energy is high for noise and for abrupt borders, and
    low for an edge or a stripe as wide as the filter. The share of the energy in the plain sum of
    all weights is 1 for a grey blob, which only measures brightness, and 0 for an edge of any
    colour and for a blob of one colour against another.

    Parameters
    ----------
    kernels : tensor, [F, C, K, K]

    Returns
    -------
    tensor, [F]
    """
    energy = kernels.square().sum((1, 2, 3)).clamp_min(1e-12)
    padded = pad(kernels, (1, 1, 1, 1))
    across = (padded[..., 2:] - 2 * padded[..., 1:-1] + padded[..., :-2]).square().sum((1, 2, 3))
    rows = padded.transpose(2, 3)
    down = (rows[..., 2:] - 2 * rows[..., 1:-1] + rows[..., :-2]).square().sum((1, 2, 3))
    grey = kernels.sum((1, 2, 3)).square() / kernels[0].numel()
    return ((across + down) / 12.0 + grey) / energy
