"""The weights of a layer are those that it multiplies by, whatever they are computed from."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from cnnviz.gradients.probe import probe
from cnnviz.models import as_model
from tests.helpers.each_case import each_case


class _Adapted(nn.Linear):
    """Adds an adapter of low rank to its weights, and gives the sum to one linear layer."""

    def __init__(self) -> None:
        super().__init__(12, 4)
        self.down, self.up = nn.Parameter(torch.randn(2, 12)), nn.Parameter(torch.randn(4, 2))

    @property
    def used(self) -> torch.Tensor:
        return self.weight + self.up @ self.down

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.used, self.bias)


class _Standardised(_Adapted):
    @property
    def used(self) -> torch.Tensor:
        return self.weight / self.weight.std(1, keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.used.T + self.bias


def _old_weight_norm(layer: nn.Linear) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


COMPUTED: dict[str, Callable[[], nn.Module]] = {
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(12, 4)),
    "weight norm of old": lambda: _old_weight_norm(nn.Linear(12, 4)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(12, 4)),
    "pruned": lambda: prune.l1_unstructured(nn.Linear(12, 4), "weight", 0.7),
    "adapter": _Adapted,
    "standardised": _Standardised,
    "plain": lambda: nn.Linear(12, 4),
}


@each_case("name", COMPUTED)
def test_weights_are_those_that_the_layer_multiplies_by(name: str) -> None:
    torch.manual_seed(0)
    layer = COMPUTED[name]()
    network = nn.Sequential(nn.Flatten(), layer).eval()
    x, signs = (
        torch.randn(2, 3, 2, 2),
        torch.tensor([[1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, -1.0]]),
    )
    found = probe(as_model(network), x, objective=lambda output: (output * signs).sum())
    (point,) = found.layers
    used = layer.used if isinstance(layer, _Adapted) else layer.weight
    # Of y = x W' the gradient at W is that at y, turned, times x.
    slopes = signs.T @ x.flatten(1)
    assert point.weight_norm == pytest.approx(used.detach().norm().item(), rel=1e-5)
    assert point.weight_gradient_norm == pytest.approx(slopes.norm().item(), rel=1e-5)
    assert 0.0 < point.gain < math.inf


class _Functions(nn.Module):
    """Calls layers of several kinds as functions of one module."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.middle = nn.Parameter(torch.ones(4, 3, 1, 1)), nn.Linear(4, 4)
        self.hidden, self.last = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(2, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.middle(F.conv2d(x, self.kernels).mean((2, 3)))
        return F.linear(y, self.hidden) @ self.last.T


def test_layers_of_several_kinds_in_one_module_have_names_of_their_own() -> None:
    found = probe(as_model(_Functions()), torch.randn(2, 3, 2, 2))
    named = [(point.label, point.kind) for point in found.layers]
    assert named == [
        ("(network)#0", "conv"),
        ("middle", "linear"),
        ("(network)#1", "linear"),
        ("(network)#2", "linear"),
    ]
