"""Which layers no step of an optimizer can move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch


def why_frozen(weights: Sequence[torch.Tensor], rates: Mapping[int, Any] | None) -> str:
    """Return why no step moves any of these weights; empty where one may.

    `rates` are the learning rates of the optimizer's parameters, None without an optimizer.
    """
    if not weights:
        return ""
    if not any(weight.requires_grad for weight in weights):
        return "requires_grad is False"
    held = [weight for weight in weights if rates is None or id(weight) in rates]
    if not held:
        return "it is not among the parameters of the optimizer"
    if all(weight.grad is None for weight in weights):
        return "no gradient is computed for it, as behind detach() or no_grad()"
    if rates is not None and any(rates.values()) and not any(rates[id(one)] for one in held):
        return "its learning rate is 0"
    return ""
