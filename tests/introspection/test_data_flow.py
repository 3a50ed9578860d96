"""The graph of a forward pass: which call reads what of which."""

from __future__ import annotations

import torch
from torch import nn

from cnnviz.introspection.tracing import Trace, trace


def links(found: Trace) -> set[tuple[str, str]]:
    names = {-1: "image", **{place: call.label for place, call in enumerate(found.calls)}}
    return {(names[one], names[other]) for one, other in found.links}


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = (
            nn.Conv2d(3, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.Dropout(),
        )
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.drop(self.norm(self.conv(x))).permute(0, 1, 3, 2)
        out += x
        return self.head(out.relu_().mean((2, 3)))


def test_views_and_dropout_hand_on_where_their_input_came_from() -> None:
    found = trace(Residual().eval(), (3, 8, 8))
    assert links(found) == {
        ("image", "conv"),
        ("conv", "norm"),
        ("norm", "add"),
        ("image", "add"),
        ("add", "relu"),
        ("relu", "mean"),
        ("mean", "head"),
    }
    assert [found.calls[place].label for place in found.answers] == ["head"]


class Distances(nn.Module):
    """Units as those of LeNet-5: how far the input lies from a code of each class."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.ones(5, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -(x[:, None] - self.codes).square().sum(-1)


def test_a_layer_of_plain_arithmetic_is_a_link_of_its_own() -> None:
    layers = [nn.Conv2d(1, 3, 4), nn.Flatten(), Distances()]
    found = trace(nn.Sequential(*layers).eval(), (1, 4, 4))
    assert links(found) == {("image", "0"), ("0", "1"), ("1", "2")}
    assert [found.calls[place].label for place in found.answers] == ["2"]


class Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        first, last = x.chunk(2, 1)
        both = torch.cat([self.one(first), self.other(last)], 1)
        tokens = both.flatten(2).transpose(1, 2)
        seen, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return {"maps": both, "seen": seen}


def test_parts_branches_and_several_answers() -> None:
    found = trace(Split().eval(), (4, 3, 3))
    graph = links(found)
    assert {("image", "one"), ("image", "other"), ("one", "cat"), ("other", "cat")} <= graph
    assert any(one == "cat" and other.startswith("attention") for one, other in graph)
    assert not {("one", "other"), ("one", "attention")} & graph
    ends = {found.calls[place].label for place in found.answers}
    assert "cat" in ends
    assert len(ends) == 2


def test_a_block_knows_the_calls_inside_it() -> None:
    inner = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    found = trace(nn.Sequential(inner, nn.Sequential(inner), nn.Flatten()).eval(), (3, 4, 4))
    spans = {(block.label, block.span) for block in found.blocks}
    assert ("0#0", (0, 2)) in spans
    assert ("0#1", (2, 4)) in spans
    assert ("1", (2, 4)) in spans
    assert ("(network)", (0, 5)) in spans
