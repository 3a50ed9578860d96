"""The drawing of a network: which layers are one node, what a block is, and what is alike."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnviz.course.network_graph import MOST, Diagram, network_graph
from cnnviz.introspection.tracing import trace
from tests.helpers.architectures import ARCHITECTURES, build, thin


def drawn(name: str) -> tuple[Diagram, tuple[Diagram, ...]]:
    model, side = build(name), ARCHITECTURES[name]
    return network_graph(trace(model.module, (model.channels, side, side)), name)


def inputs_of(diagram: Diagram, node: int) -> list[int]:
    return [one for one, other in diagram.links if other == node]


@pytest.mark.parametrize("name", ["alexnet", "resnet152", "densenet121", "mobilenet_v3_small"])
def test_every_layer_that_does_something_is_drawn_once(name: str) -> None:
    model, side = thin(name), ARCHITECTURES[name]
    found = trace(model.module, (model.channels, side, side))
    trunk, _ = network_graph(found, name)
    layers = [layer for node in trunk.nodes for layer in node.layers]
    linked = {place for link in found.links for place in link}
    assert sorted(layers) == sorted(
        call.label for place, call in enumerate(found.calls) if place in linked
    )
    assert sum(node.parameters for node in trunk.nodes) == sum(c.parameters for c in found.calls)
    assert sum(node.macs for node in trunk.nodes) == found.macs
    assert len(trunk.nodes) <= MOST


def test_alexnet_is_eight_layers_and_its_pools_in_a_row() -> None:
    trunk, blocks = drawn("alexnet")
    assert blocks == ()
    kinds = [node.kind for node in trunk.nodes]
    assert (kinds.count("conv"), kinds.count("linear")) == (5, 3)
    assert trunk.nodes[0].label == "11x11 conv, stride 4"
    assert trunk.nodes[0].then == "ReLU"
    assert trunk.links == tuple((place - 1, place) for place in range(len(kinds) + 1))


def test_resnet_has_blocks_with_identity_and_with_projection() -> None:
    trunk, blocks = drawn("resnet18")
    skips = [node.skip for node in trunk.nodes if node.kind == "block"]
    assert skips == ["identity"] * 2 + ["projection", "identity"] * 3
    identity, projection = blocks
    assert [node.label for node in identity.nodes] == ["3x3 conv", "3x3 conv", "+"]
    assert inputs_of(identity, 2) == [-1, 1]
    assert [node.label for node in projection.nodes][2] == "1x1 conv, stride 2"
    assert identity.stands_for == ("layer1.0", "layer1.1", "layer2.1", "layer3.1", "layer4.1")


def test_a_deep_resnet_is_drawn_in_runs_with_their_count() -> None:
    trunk, _ = drawn("resnet152")
    assert [node.repeat for node in trunk.nodes if node.kind == "block"] == [
        *(1, 2),
        *(1, 7),
        *(1, 35),
        *(1, 2),
    ]


def test_an_inception_module_has_four_branches_side_by_side() -> None:
    trunk, (inception,) = drawn("googlenet")
    assert len(inception.stands_for) == 9
    assert len([one for one, _ in inception.links if one == -1]) == 4
    assert len(inputs_of(inception, len(inception.nodes) - 1)) == 4
    assert inception.nodes[-1].label == "concat"
    assert [node.label for node in trunk.nodes].count("Inception") == 9


def test_a_dense_block_connects_each_layer_to_all_before_it() -> None:
    trunk, blocks = drawn("densenet121")
    counts = [node.contains for node in trunk.nodes if node.kind == "block"]
    assert counts == [f"{number} x DenseLayer" for number in (6, 12, 24, 16)]
    dense = next(block for block in blocks if block.title == "DenseBlock")
    assert [node.kind for node in dense.nodes].count("gap") == 1
    assert inputs_of(dense, 2) == [-1, 0, 1]
    assert inputs_of(dense, len(dense.nodes) - 1) == list(range(-1, len(dense.nodes) - 1))
    layer = next(block for block in blocks if block.title == "DenseLayer")
    assert len(layer.stands_for) == 58


def test_blocks_of_a_class_are_blocks_also_where_they_do_not_branch() -> None:
    trunk, blocks = drawn("mobilenet_v2")
    assert [node.kind for node in trunk.nodes].count("block") == 17
    assert {node.skip for node in trunk.nodes} == {"", "identity"}
    assert sum(len(block.stands_for) for block in blocks) == 17


class Functional(nn.Module):
    """A network that calls everything itself."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(40))
        self.first, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = first = self.first(x).relu()
        for conv in self.convs:
            x = conv(x).relu()
        return self.head((x + first).mean((2, 3)))


def test_a_network_without_blocks_is_drawn_in_runs_and_its_skip_stays() -> None:
    trunk, blocks = network_graph(trace(Functional().eval(), (3, 8, 8)), "functional")
    assert blocks == ()
    assert [node.label for node in trunk.nodes] == [
        *("3x3 conv", "3x3 conv", "+", "global average pool", "linear")
    ]
    assert trunk.nodes[1].repeat == 40
    assert inputs_of(trunk, 2) == [0, 1]


class Pair(nn.Sequential):
    """Two layers of MobileNet v1."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU()
        )


@pytest.mark.parametrize("count", [3, 14])
def test_modules_that_come_again_are_blocks_where_their_layers_have_no_room(count: int) -> None:
    pairs = nn.Sequential(*(Pair() for _ in range(count)))
    network = nn.Sequential(nn.Conv2d(3, 4, 1), pairs, nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1))
    trunk, blocks = network_graph(trace(network.eval(), (3, 8, 8)), "pairs")
    within = ["3x3 depthwise conv", "1x1 conv"]
    inside = within * 3 if count == 3 else ["Pair"] * 14
    around = ["1x1 conv"], ["global average pool", "1x1 conv"]
    assert [node.label for node in trunk.nodes] == [*around[0], *inside, *around[1]]
    assert [[node.label for node in one.nodes] for one in blocks] == ([within] if count > 3 else [])


def test_what_has_no_room_in_a_row_is_counted_at_its_neighbour() -> None:
    layers = [nn.Conv1d(2, 2, kernel, padding="same") for kernel in (1, 3, 5, 7) * 10]
    trunk, _ = network_graph(trace(nn.Sequential(*layers).eval(), (2, 16)), "long")
    assert len(trunk.nodes) == 1
    assert trunk.nodes[0].others == 39
    assert len(trunk.nodes[0].layers) == 40


def test_signals_and_recurrent_layers_have_labels_of_their_own() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 4, 5, 2, dilation=3)
            self.reader = nn.LSTM(4, 6, batch_first=True, bidirectional=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.reader(self.conv(x).transpose(1, 2))[0].mean(1)

    trunk, _ = network_graph(trace(Reader().eval(), (1, 64)), "reader")
    assert trunk.nodes[0].label == "conv, kernel 5, stride 2, dilation 3"
    assert trunk.nodes[1].label == "LSTM"
    assert trunk.nodes[1].sign == ""
