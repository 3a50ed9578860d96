"""Findings that the suite shares are those of an equal network, and of no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.independence import independence
from cnnviz.testing import small_network
from tests.helpers import shared_findings
from tests.helpers.pass_counter import counted
from tests.helpers.shared_findings import SharedFindings, contents


@pytest.fixture
def findings() -> SharedFindings:
    """Return findings of this test alone, which is one of those that have all found anew."""
    assert "shared" in NetworkCache._known.__qualname__, "the suite runs with it"
    made = SharedFindings()
    with made.in_place():
        yield made


def test_of_equal_networks_the_same_is_found_as_of_each_by_itself(findings) -> None:
    images = torch.rand(2, 3, 16, 16)

    def found():
        model = Model(small_network())
        traced = trace(model.module, (3, 16, 16))
        calls = [(one.name, one.shape, one.map) for one in call_order(model, images).calls]
        return model.preprocessing, traced, independence(model, images), calls

    first, second = found(), found()
    assert second[1] is first[1]
    findings.taken = False
    for shared, alone in zip(second, found(), strict=True):
        assert repr(shared) == repr(alone)


def _write(network: nn.Sequential) -> None:
    network[0].weight.data[0, 0, 0, 0] += 1e-6


def _hook(network: nn.Sequential) -> None:
    network[1].register_forward_hook(lambda *_: None)


def _own_forward(network: nn.Sequential) -> None:
    network.forward = lambda x: x


def _another_class(network: nn.Sequential) -> None:
    network[5] = nn.ReLU6()


def _another_number(network: nn.Sequential) -> None:
    network[4].eps = 1e-3


def _in_training(network: nn.Sequential) -> None:
    network[4].train()


def _frozen(network: nn.Sequential) -> None:
    network[0].requires_grad_(False)


def _of_our_own(network: nn.Sequential) -> None:
    class Mine(nn.ReLU):
        pass

    network[5] = Mine()


@pytest.mark.parametrize(
    "change",
    [
        *(_write, _hook, _own_forward, _another_class, _another_number),
        *(_in_training, _frozen, _of_our_own),
    ],
)
def test_of_another_network_all_is_found_anew(findings, change: Callable[..., None]) -> None:
    network, other = small_network(), small_network()
    assert contents(network) == contents(other)
    change(other)
    assert contents(network) != contents(other)
    cache, found = shared_findings._CACHES[0], []
    for one in (network, other):
        cache.get(one, "question", lambda: found.append(None))
    assert len(found) == 2


def test_a_layer_that_stands_twice_is_not_two_that_are_equal() -> None:
    layer = nn.Conv2d(1, 1, 1)
    other = nn.Conv2d(1, 1, 1)
    other.load_state_dict(layer.state_dict())
    tied = nn.Conv2d(1, 1, 1)
    tied.weight, tied.bias = layer.weight, layer.bias
    kinds = [contents(nn.Sequential(layer, one)) for one in (layer, other, tied)]
    assert None not in kinds
    assert len(set(kinds)) == 3


def test_what_is_found_while_passes_are_counted_is_found_anew(findings) -> None:
    trace(small_network(), (3, 16, 16))
    network = small_network()
    with counted(network) as passes:
        trace(network, (3, 16, 16))
    assert len(passes.forward) == 1
