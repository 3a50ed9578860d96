"""What of a network in training is watched: its layers, and the weights that each of them owns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import UninitializedParameter

from cnnviz.errors import LayerError, ModelError
from cnnviz.gradients.verdicts import NORMALISED_ALLOWANCE, SKIP_ALLOWANCE
from cnnviz.introspection import layers as layer_names
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model

_WATCHED = ("conv", "linear")
_LAYERS_A_SKIP = 6
"""From a sum for each six layers on, skips go around most of them: branches have two or three."""


@dataclass(frozen=True)
class MonitoredNetwork:
    """A network, and the layers of it that are watched.

    Attributes
    ----------
    root : torch.nn.Module
        The network itself, out of whatever wraps it.
    layers : mapping of str to torch.nn.Module
        By name, in the order of definition.
    audible : bool
        Whether its layers are called one by one; torch.compile makes one call of many.
    """

    root: nn.Module
    layers: Mapping[str, nn.Module]
    audible: bool

    def modules(self) -> dict[str, nn.Module]:
        """Return every module of the network, the layers under their names."""
        held = {id(layer): layer for layer in self.layers.values()}
        others = {n: module for n, module in self.root.named_modules() if id(module) not in held}
        return {**others, **self.layers}

    def kinds(self) -> dict[str, str]:
        """Return the class of each layer."""
        return {name: type(layer).__name__ for name, layer in self.layers.items()}


def monitored_network(model: nn.Module | Model, layers: Layers | None) -> MonitoredNetwork:
    """Find what to watch in a network.

    Parameters
    ----------
    model : torch.nn.Module or Model
        The network; it may be wrapped for several processes or compiled.
    layers : str or sequence of str, optional
        As for `cnnviz.introspection.layers.select`; by default every convolution and linear layer.

    Raises
    ------
    LayerError
        If there is no such layer.
    ModelError
        If the weights are spread over processes, so that none of them has a whole norm.
    """
    root = bare(model)
    _check_whole(root)
    given = model.module if isinstance(model, Model) else model
    compiled = any(_is_compiled(module) for module in [given, *root.modules()])
    return MonitoredNetwork(root, _select(root, layers), not compiled)


def bare(model: nn.Module | Model) -> nn.Module:
    """Return a network out of whatever wraps it."""
    root = model.module if isinstance(model, Model) else model
    while (inner := _inside(root)) is not None:
        root = inner
    return root


def name_of(model: nn.Module | Model) -> str:
    """Return what a network is called: the name of its class where it has none of its own."""
    return model.name if isinstance(model, Model) else type(bare(model)).__name__


def parameter_count(model: nn.Module | Model) -> int:
    """Return how many parameters a network has, without those whose shape is not known yet."""
    known = (p for p in bare(model).parameters() if not isinstance(p, UninitializedParameter))
    return sum(parameter.numel() for parameter in known)


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, (DataParallel, DistributedDataParallel)):
        wrapped: nn.Module = module.module
        return wrapped
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else None


def _is_compiled(module: nn.Module) -> bool:
    return "_orig_mod" in module._modules or module._compiled_call_impl is not None


def _check_whole(root: nn.Module) -> None:
    spread = any(hasattr(parameter, "placements") for parameter in root.parameters())
    if spread or any(type(m).__name__ == "FullyShardedDataParallel" for m in root.modules()):
        raise ModelError(
            "The weights of this network are spread over processes.",
            "Watch a run in which each process has all of them, such as DistributedDataParallel.",
        )


def _select(root: nn.Module, layers: Layers | None) -> dict[str, nn.Module]:
    if layers is not None:
        return layer_names.select(root, layers)
    if layer_names.kind(root) in _WATCHED:
        return {type(root).__name__.lower(): root}
    kinds = {layer_names.kind(layer) for layer in root.modules()}
    wanted = [kind for kind in _WATCHED if kind in kinds]
    if not wanted:
        raise LayerError(
            "The network has neither a convolution nor a linear layer.",
            "Name the layers to watch: layers=['block1', 'block2'].",
        )
    return layer_names.select(root, wanted)


def allowance(root: nn.Module, called: int, sums: int) -> float:
    """Return the decades by which a gradient may grow more than in a plain chain, and all is well.

    Where layers are normalised, and more where skips go around most of them: of `called` layers,
    with so many sums.
    """
    layers = max(called, 1)
    kinds = [layer_names.kind(module) for module in root.modules()]
    if 2 * kinds.count("norm") <= layers:
        return 0.0
    return NORMALISED_ALLOWANCE + SKIP_ALLOWANCE * (_LAYERS_A_SKIP * sums >= layers)


def layer_weights(layer: nn.Module) -> list[torch.Tensor]:
    """Return the weights of a layer: its parameters but the biases."""
    return [
        parameter
        for name, parameter in layer.named_parameters()
        if "bias" not in name.rpartition(".")[2]
        and not isinstance(parameter, UninitializedParameter)
    ]
