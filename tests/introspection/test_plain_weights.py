"""Networks that compute their weights do the same from plain ones, and keep their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from cnnviz.introspection.plain_weights import has_computed_weights, with_plain_weights
from tests.helpers.state import state


def _both(layer: nn.Conv2d) -> nn.Module:
    return parametrizations.spectral_norm(parametrizations.orthogonal(layer))


KINDS: dict[str, Callable[[nn.Conv2d], nn.Module]] = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "both": _both,
    "the older weight norm": nn.utils.weight_norm,
    "the older spectral norm": nn.utils.spectral_norm,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("kind", KINDS)
def test_the_copy_computes_the_same_from_plain_weights(kind: str) -> None:
    torch.manual_seed(0)
    layer = KINDS[kind](nn.Conv2d(3, 4, 3))
    network = nn.Sequential(layer, nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    image = torch.rand(1, 3, 6, 6)
    wanted = network(image)
    before = state(network)
    plain = with_plain_weights(network)
    assert has_computed_weights(network)
    assert not has_computed_weights(plain)
    torch.testing.assert_close(plain(image), wanted)
    assert {name for name, _ in plain.named_parameters()} == {
        f"{place}.{own}" for place in (0, 2) for own in ("weight", "bias")
    }
    assert state(network) == before
    torch.testing.assert_close(network(image), wanted, rtol=0, atol=0)


def test_plain_networks_are_told() -> None:
    assert not has_computed_weights(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
