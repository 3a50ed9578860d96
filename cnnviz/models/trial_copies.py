"""Copies of networks to be run on inputs that may not fit, unheard."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from cnnviz.default_device import made_as_the_caller_has_set
from cnnviz.introspection.hooks import isolated
from cnnviz.models.called_network import CalledNetwork
from cnnviz.models.randomness import seeded


def copy_modules(module: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of all modules of a network, in eval mode, with tensors on another device.

    Unlike `copy.deepcopy` it takes any attribute as it is, so that it neither fails on one that
    cannot be copied nor doubles the memory. Parameters on their own device are shared; buffers are
    copied. What a run stores in an attribute stays in the copy.
    """
    made: dict[int, nn.Module] = {}
    tensors: dict[int, torch.Tensor] = {}

    def moved(tensor: torch.Tensor | None, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
        if tensor is not None and id(tensor) not in tensors:
            tensors[id(tensor)] = change(tensor)
        return None if tensor is None else tensors[id(tensor)]

    def copied(old: nn.Module | None) -> nn.Module | None:
        if old is None or id(old) in made or isinstance(old, torch.jit.ScriptModule):
            return None if old is None else made.get(id(old), old)
        # Each `torch.fx` graph made by its class gets a class of its own, without a forward.
        maker = object if isinstance(old, torch.fx.GraphModule) else old.__class__
        new = made[id(old)] = maker.__new__(old.__class__)
        held = {
            name: list(value) if type(value) is list else dict(value) if type(value) is dict
            else value
            for name, value in vars(old).items()
        }  # fmt: skip
        held["_parameters"] = {
            name: moved(tensor, lambda one: _parameter(one, device))
            for name, tensor in old._parameters.items()
        }
        held["_buffers"] = {
            name: moved(tensor, lambda one: _buffer(one, device))
            for name, tensor in old._buffers.items()
        }
        held["training"] = False
        vars(new).update(held)
        vars(new)["_modules"] = {name: copied(child) for name, child in old._modules.items()}
        _redirect(vars(new), made)
        return new

    inner = module.called if isinstance(module, CalledNetwork) else module
    network = copied(inner)
    assert network is not None
    return module.around(network) if isinstance(module, CalledNetwork) else network


def _parameter(one: torch.Tensor, device: torch.device) -> torch.Tensor:
    return one if one.device == device else nn.Parameter(one.detach().to(device), False)


def _buffer(one: torch.Tensor, device: torch.device) -> torch.Tensor:
    try:
        return one.detach().to(device, copy=True)
    except RuntimeError as error:
        # Some kinds cannot be copied, such as numbers of 4 bits, of which torch 2.6 says no more.
        if not isinstance(error, NotImplementedError) and not one.is_quantized:
            raise
        return one.detach()


def _redirect(held: dict[str, Any], made: dict[int, nn.Module]) -> None:
    """Let hooks that are methods of a copied module, or of its owner, call the copy."""
    for name in ("_forward_hooks", "_forward_pre_hooks"):
        held[name] = type(held[name])(held[name])
    for name, value in held.items():
        if isinstance(value, nn.Module) and id(value) in made:
            held[name] = made[id(value)]


@contextlib.contextmanager
def quietly(network: nn.Module) -> Iterator[None]:
    """Run a copy of a network without a word, and with draws of its own."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        seeded(),
        isolated(network, grad=False),
        made_as_the_caller_has_set(),
    ):
        warnings.simplefilter("ignore")
        yield
