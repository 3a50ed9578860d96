"""Whether batches pull a layer the same way: the gradient of a step beside that of the one before.

Gradients that agree mean that there is something to learn; where every batch pulls elsewhere, the
steps are noise (McCandlish et al. 2018; Sankararaman et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

MOST = 4096
"""Weights of a layer that are looked at: a second copy of every gradient would cost too much, and
the cosine of two random directions in as many dimensions is 0 +- 0.016."""


class Agreement:
    """Holds some of each layer's gradient from one recorded step to the next."""

    def __init__(self) -> None:
        self._before: dict[str, torch.Tensor] = {}

    def take(self, name: str, gradients: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Return the cosine between a layer's gradient and its last one, NaN where one is zero.

        None at the first time, and where the number of weights has changed.
        """
        chosen = _spread(gradients)
        before = self._before.get(name)
        self._before[name] = chosen
        if before is None or before.shape != chosen.shape or before.device != chosen.device:
            return None
        norms = torch.linalg.vector_norm(chosen) * torch.linalg.vector_norm(before)
        cosine: torch.Tensor = torch.dot(chosen, before) / norms
        return cosine


def _spread(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return at most `MOST` numbers of gradients, evenly spread, at a size that cannot overflow."""
    parts = []
    for gradient in gradients:
        real = torch.view_as_real(gradient) if gradient.is_complex() else gradient
        flat = real.detach().reshape(-1)
        few = flat[:: -(-flat.numel() * len(gradients) // MOST) or 1]
        # Half precision is too coarse to scale in; single holds less than double may have.
        parts.append(few if few.dtype == torch.float64 else few.float())
    chosen = torch.cat(parts)
    largest = chosen.abs().amax() if chosen.numel() else chosen.sum()
    return (chosen / torch.where(largest > 0.0, largest, torch.ones_like(largest))).float()
