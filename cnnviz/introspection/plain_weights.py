"""A network whose layers hold their weights themselves, not what they are computed from."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from cnnviz.errors import ModelError
from cnnviz.introspection.copies import copy_network

_Module = TypeVar("_Module", bound=nn.Module)


def check_dense_weights(module: nn.Module, name: str) -> None:
    """Raise `ModelError` if a weight whose gradient is looked at is sparse, for want of a norm."""
    for place, weight in module.named_parameters():
        if weight.layout is not torch.strided:
            raise ModelError(
                f"The weight {place!r} of {name} is sparse ({weight.layout}).",
                "Give a network whose weights are dense: weight.to_dense() makes one of it.",
            )


def has_computed_weights(module: nn.Module) -> bool:
    """Whether a layer computes a weight of its own, such as under weight norm or pruned."""
    return any(parametrize.is_parametrized(child) or _hooks(child) for child in module.modules())


def with_plain_weights(module: _Module) -> _Module:
    """Return a copy of a network in eval mode that computes the same from plain weights.

    Parametrisations, the older weight norm and spectral norm, and pruning are replaced by the
    weights that they give.
    """
    copied = copy_network(module)
    for child in list(copied.modules()):
        if parametrize.is_parametrized(child):
            _unparametrise(child)
        for key in _hooks(child):
            hook: Any = child._forward_pre_hooks.pop(key)
            hook.remove(child)
    return copied


def _unparametrise(module: nn.Module) -> None:
    # torch's own way back takes the weight out of the class, which the original shares.
    held: Any = module.parametrizations
    found = {name: getattr(module, name).detach().clone() for name in held}
    del module.parametrizations
    module.__class__ = type(module).__bases__[0]
    for name, value in found.items():
        setattr(module, name, nn.Parameter(value))


def _hooks(module: nn.Module) -> list[int]:
    kinds = (WeightNorm, SpectralNorm, prune.BasePruningMethod)
    return [key for key, hook in module._forward_pre_hooks.items() if isinstance(hook, kinds)]
