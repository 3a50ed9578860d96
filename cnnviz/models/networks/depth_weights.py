"""First weights by the schemes whose effect on gradients the literature describes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}
_RECTIFIERS = ("relu", "leaky_relu", "elu", "gelu", "silu")
INITIALISATIONS = ("kaiming", "xavier", "orthogonal", "lecun", "default")


def activation_module(name: str) -> nn.Module:
    """Return a new activation; a ReLU works in place, as torchvision's do."""
    return nn.ReLU(inplace=True) if name == "relu" else ACTIVATIONS[name]()


@torch.no_grad()
def draw(layers: Iterable[nn.Module], scheme: str, activation: str, gain: float) -> None:
    """Fill the weights of convolutions and linear layers, and set their biases to zero.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
        Layers with a `weight` [out, in, ...].
    scheme : str
        "kaiming": normal, variance 2 / fan-in (He et al. 2015); "xavier": normal, variance
        2 / (fan-in + fan-out) (Glorot and Bengio 2010); "lecun": normal, variance 1 / fan-in
        (LeCun et al. 1998); "orthogonal": orthonormal rows, times the square root of 2 where the
        activation is a rectifier (Saxe et al. 2014); "default": what torch draws, biases included.
    activation : str
        Which activation follows, for "orthogonal".
    gain : float
        The weights are multiplied by it.
    """
    for layer in layers:
        weight, bias = layer.weight, layer.bias
        if not isinstance(weight, torch.Tensor):
            continue
        if scheme == "default":
            weight.mul_(gain)
            continue
        _fill(weight, scheme, activation)
        weight.mul_(gain)
        if isinstance(bias, torch.Tensor):
            bias.zero_()


def _fill(weight: torch.Tensor, scheme: str, activation: str) -> None:
    if scheme == "kaiming":
        nn.init.normal_(weight, std=math.sqrt(2.0 / weight[0].numel()))
    elif scheme == "lecun":
        nn.init.normal_(weight, std=math.sqrt(1.0 / weight[0].numel()))
    elif scheme == "xavier":
        nn.init.xavier_normal_(weight)
    else:
        nn.init.orthogonal_(weight, math.sqrt(2.0) if activation in _RECTIFIERS else 1.0)
