"""Which layers no step of an optimizer can move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from cnnviz.gradients.monitor.guard import Guard
from cnnviz.gradients.monitor.monitored_layers import layer_weights


def frozen_layers(
    layers: Iterable[tuple[str, nn.Module]], optimizer: torch.optim.Optimizer | None, guard: Guard
) -> dict[str, str]:
    """Return the layers among these that no step can move, and why."""
    groups = optimizer.param_groups if optimizer is not None else []
    rates = {id(one): group.get("lr") for group in groups for one in group["params"]}
    found = {}
    for name, layer in layers:
        with guard.over(name):
            why = why_frozen(layer_weights(layer), rates if groups else None)
            if why:
                found[name] = why
    return found


def why_frozen(weights: Sequence[torch.Tensor], rates: Mapping[int, Any] | None) -> str:
    """Return why no step moves any of these weights; empty where one may.

    Said of one layer and of many alike. `rates` are the learning rates of the optimizer's
    parameters, None without an optimizer.
    """
    if not weights:
        return ""
    if not any(weight.requires_grad for weight in weights):
        return "requires_grad is False"
    held = [weight for weight in weights if rates is None or id(weight) in rates]
    if not held:
        return "the optimizer was not given the weights"
    if all(weight.grad is None for weight in weights):
        return "no gradient is computed for the weights, as behind detach() or no_grad()"
    if rates is not None and any(rates.values()) and not any(rates[id(one)] for one in held):
        return "the learning rate is 0"
    return ""
