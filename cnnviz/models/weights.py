"""The weight that a layer computes with, where it is made anew from others at every call."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from cnnviz.introspection.hooks import isolated


def layer_weight(layer: nn.Module) -> torch.Tensor:
    """Return the weight that a convolution or linear layer has in eval mode, detached.

    To read the weight of a layer with `torch.nn.utils.parametrizations.spectral_norm` in training
    mode takes a step of its power iteration, which writes to its buffers; and what the older
    `torch.nn.utils.weight_norm` and `spectral_norm` keep is the weight of the last call, which is
    another once a checkpoint was loaded. Neither holds here, and the layer is left as it was.
    """
    with isolated(layer, grad=False):
        return _current(layer).detach()


def _current(layer: nn.Module) -> torch.Tensor:
    weight: torch.Tensor
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == "weight":
            weight = hook.compute_weight(layer)
            return weight
        if isinstance(hook, SpectralNorm) and hook.name == "weight":
            weight = hook.compute_weight(layer, do_power_iteration=False)
            return weight
    weight = layer.weight  # type: ignore[assignment]
    return weight
