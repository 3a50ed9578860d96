"""Whether all is linear between a layer and a score, told beforehand and of the graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from cnnviz.introspection.fast_copy import FastCopy, is_linear
from tests.helpers.each_case import each_case
from tests.helpers.foldable_networks import trained

Head = Callable[["Headed", torch.Tensor], torch.Tensor]


class Headed(nn.Module):
    """A convolution, a rectifier, and a head of which it is to be told whether it is linear."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()
        self.linear, self.last = nn.Linear(6, 4), nn.BatchNorm1d(6)
        self.twice = nn.Conv2d(6, 6, 1)
        self.head = head
        trained(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self, self.relu(self.norm(self.conv(x))))


LINEAR: dict[str, Head] = {
    "mean": lambda n, x: n.linear(x.mean((2, 3))),
    "pooled": lambda n, x: n.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1)),
    "two pools": lambda n, x: n.linear(functional.avg_pool2d(x, 3).sum((2, 3))) * 0.3,
    "norm and dropout": lambda n, x: n.linear(
        functional.dropout(n.last(x.mean((2, 3))), training=False)
    ),
    "a convolution": lambda n, x: n.twice(x).mean((2, 3)),
    "a map of classes": lambda n, x: functional.interpolate(
        n.twice(x), scale_factor=2.0, mode="bilinear"
    ).mean((2, 3)),
    "two ways": lambda n, x: torch.cat([x.mean((2, 3)), n.twice(x)[:, :, 0, 0]], 1) + 1.0,
    "scaled": lambda n, x: x.mean((2, 3)) * n.last.weight / 3.0,
}
OTHER: dict[str, Head] = {
    "a rectifier": lambda n, x: n.linear(n.twice(x).relu().mean((2, 3))),
    "in place": lambda n, x: n.linear(n.twice(x).relu_().mean((2, 3))),
    "a max-pool": lambda n, x: n.linear(functional.adaptive_max_pool2d(x, 1).flatten(1)),
    "softmax": lambda n, x: n.linear(x.mean((2, 3))).softmax(1),
    "squared": lambda n, x: x.mean((2, 3)) ** 2,
    "by itself": lambda n, x: x.mean((2, 3)) * x.sum((2, 3)),
    "by another map": lambda n, x: (n.twice(x) * x).mean((2, 3)),
    "attention": lambda n, x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)).flatten(1),
    "divided by itself": lambda n, x: x.mean((2, 3)) / (x.sum((2, 3)) + 9.0),
    "divided": lambda n, x: 1.0 / (x.mean((2, 3)) + 9.0),
    "clamped": lambda n, x: n.linear(x.mean((2, 3))).clamp(max=0.0),
    "a selection": lambda n, x: x.flatten(2).topk(3).values.mean(2),
    "a norm of the moment": lambda n, x: functional.batch_norm(x, None, None, training=True).mean(
        (2, 3)
    ),
}
LATER: dict[str, Head] = {
    "a norm with weights of the maps": lambda n, x: functional.batch_norm(
        x.mean((2, 3)), n.last.running_mean, n.last.running_var, x.mean((0, 2, 3))
    ),
}
"""What seems linear by what is called, and not by the graph, which is asked before it is used."""


def graph(network: Headed) -> torch.Tensor:
    start = torch.rand(2, 6, 10, 10, requires_grad=True)
    return network.requires_grad_(False).head(network, start)[:, 1].sum()


def checked(network: Headed) -> tuple[FastCopy, torch.Tensor]:
    copy = FastCopy(network.double())
    inputs = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    copy.check(network, inputs, lambda module, images: module(images))
    return copy, inputs


@each_case("head", [*LINEAR, *OTHER, *LATER])
def test_it_is_told_of_the_graph_of_a_score(head: str) -> None:
    network = Headed((LINEAR | OTHER | LATER)[head])
    assert is_linear(graph(network)) == (head in LINEAR)


@each_case("head", LINEAR)
def test_it_is_told_beforehand_from_which_layers_on_all_is_linear(head: str) -> None:
    network = Headed(LINEAR[head])
    copy, inputs = checked(network)
    assert copy.linear_above(inputs, ["relu"])
    assert not copy.linear_above(inputs, ["norm"])
    assert not copy.linear_above(inputs, ["relu", "conv"])


@each_case("head", OTHER)
def test_it_is_told_beforehand_that_a_head_is_not_linear(head: str) -> None:
    network = Headed(OTHER[head])
    copy, inputs = checked(network)
    assert not copy.linear_above(inputs, ["relu"])


def test_a_layer_that_is_called_again_after_a_rectifier_is_not_followed_by_linear_ones() -> None:
    def head(n: Headed, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = n.twice(n.twice(x).relu()).mean((2, 3))
        return found

    copy, inputs = checked(Headed(head))
    assert not copy.linear_above(inputs, ["twice"])
