"""Single layers of the fast copy: what is folded into them, packed, and read again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnviz.introspection.fast_copy import FastCopy
from cnnviz.introspection.fast_copy.folding import fold
from cnnviz.introspection.fast_copy.packed import PackedConvolution
from cnnviz.introspection.fast_copy.seen_outputs import SeenOutputs
from tests.helpers.foldable_networks import trained


@pytest.mark.parametrize("part", ["running_mean", "bias"])
def test_a_norm_that_would_leave_weights_beyond_all_numbers_is_not_folded(part: str) -> None:
    layer, norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6).eval()
    assert fold(layer, norm) is not None
    getattr(norm, part).data[2] = float("inf")
    assert fold(layer, norm) is None, "the factor is finite, and what is added is not"


def test_weights_that_were_folded_take_part_in_no_graph() -> None:
    made = fold(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6).eval())
    assert made is not None
    assert [each.requires_grad for each in made.parameters()] == [False, False]


def test_a_convolution_that_was_made_counts_before_it_is_packed() -> None:
    layer = nn.Conv2d(3, 6, 3)
    assert PackedConvolution(layer).bytes == 0, "it is the network's own"
    assert PackedConvolution(layer, again=lambda: layer).bytes == 6 * 3 * 9 * 4


def test_weights_that_are_folded_and_never_packed_are_compared_as_well() -> None:
    linear = nn.Linear(12, 5)
    network = trained(nn.Sequential(nn.Flatten(), linear, nn.BatchNorm1d(5)))
    copy = FastCopy(network)
    copy.check(network, torch.randn(2, 3, 2, 2), lambda module, images: module(images))
    assert copy.same_weights(thorough=True)
    linear.weight.data[3, 7] += 0.01
    assert not copy.same_weights(thorough=True)


def test_networks_that_call_other_layers_have_nothing_in_common() -> None:
    layer, images = nn.Conv2d(3, 6, 3), torch.randn(2, 3, 8, 8)
    seen = []
    for network in (nn.Sequential(layer), nn.Sequential(layer, nn.Identity())):
        seen.append(SeenOutputs(network))
        seen[-1].watch(lambda network=network: network(images))
    assert seen[0].difference(seen[0], without=()) == 0.0
    assert seen[0].difference(seen[1], without=()) == float("inf")
    assert seen[0].difference(seen[1], without=("1",)) == 0.0
