"""What a step has left on the devices, brought over once, and the figures that are made of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class StepValues:
    """Many small tensors, brought over from each device in one piece."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self._read: dict[int, Numbers] = {}
        groups: dict[torch.device, dict[int, torch.Tensor]] = defaultdict(dict)
        for tensor in tensors:
            groups[tensor.device][id(tensor)] = tensor
        for device, group in groups.items():
            exact = torch.float32 if device.type == "mps" else torch.float64
            flat = torch.cat([tensor.reshape(-1).to(exact) for tensor in group.values()])
            ends = np.cumsum([tensor.numel() for tensor in group.values()])[:-1]
            parts = np.split(flat.cpu().numpy().astype(np.float64), ends)
            self._read.update(zip(group, parts, strict=True))

    def one(self, held: Mapping[str, torch.Tensor], name: str) -> float | None:
        """Return the number held for a layer; None where there is none."""
        return float(self._read[id(held[name])][0]) if name in held else None

    def many(self, tensors: Sequence[torch.Tensor]) -> list[Numbers]:
        """Return the numbers of each tensor."""
        return [self._read[id(tensor)] for tensor in tensors]


def root_mean_square(parts: list[Numbers], scale: float = 1.0) -> float | None:
    """Return the root mean square of the samples of all passes."""
    norms = np.concatenate(parts) if parts else np.zeros(0)
    if not norms.size:
        return None
    largest = float(norms.max())
    if largest == 0.0 or not math.isfinite(largest):
        return largest / scale
    return largest * float(np.sqrt(np.square(norms / largest).mean())) / scale


def ratio(update: float | None, weight: float | None) -> float | None:
    """Return an update as a share of the weights; None where that has no meaning."""
    if update is None or weight is None:
        return None
    if weight == 0.0:
        return 0.0 if update == 0.0 else None
    return update / weight


def always(passes: list[Numbers]) -> float:
    """Return the share of channels that were dead in every pass."""
    if any(len(one) != len(passes[0]) for one in passes):
        return float(np.mean([one.mean() for one in passes]))
    return float(np.minimum.reduce(passes).mean())


def mean(passes: list[Numbers]) -> float:
    """Return the mean over all passes."""
    return float(np.mean(passes))


def worst(
    values: StepValues,
    held: Mapping[tuple[tuple[str, int], int], list[torch.Tensor]],
    call: tuple[str, int],
    combine: Callable[[list[Numbers]], float],
) -> float | None:
    """Return the greatest share among the activations that follow a layer."""
    found = [combine(values.many(tensors)) for (own, _), tensors in held.items() if own == call]
    return max(found, default=None)


def first_numbers(output: Any) -> torch.Tensor | None:
    """Return the first tensor of real or complex numbers in what a layer took or gave."""
    if isinstance(output, torch.Tensor):
        numbers = output.is_floating_point() or output.is_complex()
        return output if numbers and output.layout == torch.strided and output.numel() else None
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return next(
            (found for entry in output if (found := first_numbers(entry)) is not None), None
        )
    return None
