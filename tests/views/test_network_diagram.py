"""The drawing of a network: every node has its place, its words, and nothing leaves the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.results.legibility import crowded
from cnnviz.views.network_diagram import NetworkDiagram, network_diagram
from cnnviz.views.pictures.diagram_layout import layout
from tests.helpers.architectures import ARCHITECTURES, build, lasting_network, thin


def of(name: str) -> NetworkDiagram:
    return network_diagram(build(name), ARCHITECTURES[name])


def texts(found: NetworkDiagram) -> list[str]:
    return [text.get_text() for axes in found.figure().axes for text in axes.texts]


@pytest.mark.parametrize(
    "name",
    ["alexnet", "googlenet", "resnet50", "densenet121", "mobilenet_v2", "inception_v3"],
)
def test_every_node_is_named_and_every_word_can_be_read(name: str) -> None:
    found = of(name)
    figure = found.figure()
    shown = [text.get_text() for axes in figure.axes for text in axes.texts]
    for node in found.trunk.nodes:
        assert str(node.output_shape[0]) in shown
    for letter, block in zip(found.letters, found.blocks, strict=True):
        assert letter in shown
        assert block.title in shown
    assert crowded(figure) == ""
    assert "at each block: above, the size of its maps; below, its channels" in shown
    width, height = figure.get_size_inches()
    assert width / height == pytest.approx(16 / 9, rel=1e-3)


def test_branches_stand_side_by_side_and_skips_lead_around() -> None:
    (inception,) = of("googlenet").blocks
    places = layout(inception).places
    starts = [other for one, other in inception.links if one == -1]
    assert sorted(places[node].lane for node in starts) == [-1.5, -0.5, 0.5, 1.5]
    assert {places[node].rank for node in starts} == {0}
    assert layout(inception).around == ()
    identity = of("resnet18").blocks[0]
    assert layout(identity).around == ((-1, 2),)


def test_numbers_come_out(tmp_path: Path) -> None:
    found = of("resnet18")
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["letters"] == ["A", "B"]
    assert data["trunk"]["nodes"][2]["skip"] == "identity"
    assert data["blocks"][0]["links"] == [[-1, 0], [-1, 2], [0, 1], [1, 2], [2, 3]]
    picture = found.save(tmp_path / "drawn.svg").read_text("utf-8")
    assert "<text" in picture
    assert "7x7 conv" in picture


def test_caption_says_what_was_drawn_as_one() -> None:
    deep = network_diagram(thin("resnet152"), ARCHITECTURES["resnet152"])
    assert "x 3 stands for three" in deep.caption()
    assert "the first three and the last" in of("densenet121").caption()
    assert "A, BasicBlock and B, BasicBlock" in of("resnet18").caption()
    plain = network_diagram(lasting_network(), 16)
    assert "skip" not in plain.caption()
    assert repr(of("resnet18")) == (
        "<NetworkDiagram: resnet18: 52 layers in 69 steps, 8 blocks of 2 kinds, 11.7 M parameters>"
    )


def test_heads_that_only_training_uses_are_told_and_not_drawn() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head, self.aux = nn.Conv2d(3, 4, 3), nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> object:
            pooled = self.body(x).mean((2, 3))
            return (self.head(pooled), self.aux(pooled)) if self.training else self.head(pooled)

    network = Auxiliary().train()
    found = network_diagram(network, 8)
    assert network.training
    assert found.uncalled == ("aux",)
    assert found.uncalled_parameters == 10
    assert "does not use them: aux, with 10 of the parameters" in found.caption()
    assert "Not drawn" not in network_diagram(lasting_network(), 16).caption()
    assert [node.label for node in found.trunk.nodes] == [
        *("3x3 conv", "global average pool", "linear")
    ]


def test_signals_and_volumes_are_drawn() -> None:
    signal = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    shown = texts(network_diagram(signal.eval(), 64))
    assert {"signal", "conv\nkernel 3", "64", "62"} <= set(shown)
    volume = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Flatten())
    assert "volume" in texts(network_diagram(volume.eval(), (6, 8, 8)))


class _Signs(nn.Module):
    """Adds, multiplies and joins, over signals, volumes or images."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.first, self.side = conv(2, 4, 3, padding=1), conv(4, 4, 1)
        self.gate, self.head = conv(4, 4, 1), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        held = torch.cat([x + self.side(x), x * self.gate(x).sigmoid()], 1)
        return self.head(held.flatten(2).mean(2))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_joins_are_drawn_as_signs_in_every_number_of_axes(axes: int) -> None:
    found = network_diagram(_Signs(axes).eval(), (8,) * axes if axes > 1 else 8)
    said = texts(found)
    for node in found.trunk.nodes:
        assert not node.sign or node.sign in said
    assert {"+", "×"} & {node.sign for node in found.trunk.nodes}


def test_misuse_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="image_size cannot be 0"):
        network_diagram(lasting_network(), image_size=(0, 8))
