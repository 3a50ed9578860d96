"""The weight that a layer computes with, where it is made anew from others at every call."""

from __future__ import annotations

from operator import attrgetter

import torch
from torch import nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from cnnviz.introspection.hooks import isolated


def layer_weight(layer: nn.Module, name: str = "weight") -> torch.Tensor:
    """Return the weight that a convolution or linear layer has in eval mode, detached.

    To read the weight of a layer with `torch.nn.utils.parametrizations.spectral_norm` in training
    mode takes a step of its power iteration, which writes to its buffers; and what the older
    `torch.nn.utils.weight_norm` and `spectral_norm` keep is the weight of the last call, which is
    another once a checkpoint was loaded. Neither holds here, and the layer is left as it was.

    Parameters
    ----------
    layer : torch.nn.Module
        The layer.
    name : str
        What it calls its weight.
    """
    with isolated(layer, grad=False):
        return _current(layer, name).detach()


def _current(layer: nn.Module, name: str) -> torch.Tensor:
    weight: torch.Tensor
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == name:
            weight = hook.compute_weight(layer)
            return weight
        if isinstance(hook, SpectralNorm) and hook.name == name:
            weight = hook.compute_weight(layer, do_power_iteration=False)
            return weight
    weight = attrgetter(name)(layer)
    return weight
