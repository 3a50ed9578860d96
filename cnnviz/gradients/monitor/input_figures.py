"""What goes into the first layer: whether it is finite, and how large."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from cnnviz.gradients.monitor.records import InputFigures


def input_sums(values: torch.Tensor | None) -> list[torch.Tensor]:
    """Return the count, the finite ones, their sum and their sum of squares, on the device.

    Nothing for an input of None, or of complex numbers, of which no mean is meant.
    """
    if values is None or values.is_complex():
        return []
    held = values.detach()
    known = torch.isfinite(held)
    exact = torch.float32 if held.device.type == "mps" else torch.float64
    clean = torch.where(known, held, torch.zeros_like(held)).to(exact)
    count = torch.full((1,), float(held.numel()), dtype=exact, device=held.device)
    return [count, known.sum().to(exact), clean.sum(), clean.square().sum()]


def read_sums(sums: Sequence[float]) -> InputFigures | None:
    """Return the figures of an input from the sums of all passes; None where there are none."""
    if not sums:
        return None
    count, known, total, squares = (sum(sums[place::4]) for place in range(4))
    mean = total / known if known else math.nan
    variance = max(squares / known - mean * mean, 0.0) if known else math.nan
    return InputFigures(mean, math.sqrt(variance), 1.0 - known / count)
