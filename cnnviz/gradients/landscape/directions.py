"""Random directions in the space of the weights, each filter as long as the network's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from cnnviz.errors import ModelError

_LEAST = 1e-10
"""What Li et al. (2018) add to the norm of a drawn filter before they divide by it."""


@dataclass(frozen=True, eq=False)
class WeightDirection:
    """A direction in the space of the weights.

    Attributes
    ----------
    steps : dict of str to torch.Tensor
        One step along it for each parameter that moves, by name and in the parameter's shape;
        parameters that stay are absent.
    """

    steps: dict[str, torch.Tensor]

    @property
    def size(self) -> int:
        """How many numbers move."""
        return sum(step.numel() for step in self.steps.values())

    def cosine(self, other: WeightDirection) -> float:
        """Return the cosine of the angle to another direction."""
        ours, theirs = (
            torch.cat([step.detach().double().flatten().cpu() for step in one.steps.values()])
            for one in (self, other)
        )
        lengths = float(ours.norm() * theirs.norm())
        return float(ours @ theirs) / lengths if lengths > 0.0 else 0.0


def random_direction(module: nn.Module, seed: int) -> WeightDirection:
    """Draw a direction, and give each filter the norm of the network's own (Li et al. 2018).

    For a convolution a filter is what makes one output channel, for a linear layer the weights of
    one output, and so on: a step of 1 changes every filter by as much as it is long, whatever the
    scale at which the network happens to hold it. Biases and gains do not move, as in the paper:
    parameters with fewer than two dimensions, and those that no layer of torch's own multiplies
    by and that are longer than one along fewer than two, such as a layer scale [C, 1, 1].

    Parameters
    ----------
    module : torch.nn.Module
        The network; its layers hold their weights themselves
        (`cnnviz.introspection.plain_weights`).
    seed : int
        What is drawn depends on it and on the shapes of the parameters alone.

    Raises
    ------
    ModelError
        If no parameter moves.
    """
    generator = torch.Generator().manual_seed(seed)
    turned, filters = _transposed(module), _filters(module)
    steps = {}
    for name, parameter in module.named_parameters():
        long = parameter.ndim if name in filters else sum(side > 1 for side in parameter.shape)
        if long < 2 or not parameter.is_floating_point():
            continue
        held = parameter.detach()
        drawn = torch.randn(held.shape, generator=generator, dtype=torch.float64)
        drawn = drawn.to(device=held.device, dtype=held.dtype)
        groups = turned.get(name, 0)
        scale = filter_norms(held, groups) / (filter_norms(drawn, groups) + _LEAST)
        steps[name] = drawn * scale
    if not steps:
        raise ModelError(
            f"{type(module).__name__} has no weights of two or more dimensions to move along.",
            "Give a network with convolutions or linear layers.",
        )
    return WeightDirection(steps)


def filter_norms(weight: torch.Tensor, groups: int = 0) -> torch.Tensor:
    """Return the L2 norm of each filter of a weight, in a shape that spreads over the weight.

    Parameters
    ----------
    weight : torch.Tensor
        [out, ...]; or, of a transposed convolution, [in, out / groups, ...].
    groups : int
        The groups of a transposed convolution; 0 for any other weight.
    """
    if groups == 0:
        norms: torch.Tensor = torch.linalg.vector_norm(
            weight, dim=tuple(range(1, weight.ndim)), keepdim=True
        )
        return norms
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    places = (1, *range(3, parts.ndim))
    found: torch.Tensor = torch.linalg.vector_norm(parts, dim=places, keepdim=True)
    spread = found.expand(-1, parts.shape[1], *[-1] * (parts.ndim - 2))
    return spread.flatten(0, 1)


def _filters(module: nn.Module) -> set[str]:
    """Return the names of all parameters that torch's own convolutions and linear layers hold."""
    return {
        f"{name}.{own}" if name else own
        for name, layer in module.named_modules()
        if isinstance(layer, (_ConvNd, nn.Linear, nn.Bilinear))
        for own, _ in layer.named_parameters(recurse=False)
    }


def _transposed(module: nn.Module) -> dict[str, int]:
    """Return the groups of every transposed convolution by the name of its weight."""
    return {
        f"{name}.weight" if name else "weight": layer.groups
        for name, layer in module.named_modules()
        if isinstance(layer, _ConvTransposeNd)
    }
