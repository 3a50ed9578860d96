"""How goals are written, and what each of them scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError, TargetError, UsageError
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model
from cnnviz.units.visualization import Direction, Objective, read_objectives
from tests.helpers.architectures import lasting_network
from tests.helpers.each_case import each_case


def model(module: nn.Module | None = None) -> Model:
    return Model(module or lasting_network(), categories=["ant", "bee", "cat", "dog"])


@each_case(
    ("written", "names"),
    [
        ("3:2", ["3:2"]),
        ("3:2,4-6", ["3:2", "3:4", "3:5", "3:6"]),
        ("0:*", [f"0:{channel}" for channel in range(6)]),
        ("conv:0", ["0:0", "3:0"]),
        ("[03]:1", ["0:1", "3:1"]),
        ("3:2@4x5", ["3:2@4x5"]),
        ("3:2@middle", ["3:2@56x56"]),
        ("class:bee", ["class:bee"]),
        ("class:2", ["class:cat"]),
        ("5", ["5"]),
        ("3:1; class:ant ;3:1", ["3:1", "class:ant"]),
        (Unit("3", 7), ["3:7"]),
        (["3:1", Unit("0", 2)], ["3:1", "0:2"]),
        (Direction("3", np.arange(8), "up"), ["3:up"]),
    ],
)
def test_goals_are_read(written, names) -> None:
    assert [objective.name for objective in read_objectives(model(), written)] == names


@each_case(
    ("written", "error", "message"),
    [
        ("", UsageError, "No unit was named"),
        (7, UsageError, "7 is no unit"),
        ([7], UsageError, "7 is no unit"),
        ("3:", UsageError, "'3:' is no unit"),
        ("3:x", UsageError, "'x' is neither a channel"),
        ("3:8", LayerError, "no channel 8"),
        ("nope:1", LayerError, "no layer 'nope'"),
        ("3#1:0", LayerError, "no call 1"),
        ("3:1@200x1", LayerError, "no position 200x1"),
        ("3:1@here", UsageError, "'here' is no position"),
        ("8:1@middle", LayerError, "has no positions"),
        ("class:cow", TargetError, "no class 'cow'"),
        ("class:9", TargetError, "no class 9"),
        ("class:ant - bee", UsageError, "more than one class"),
        (Direction("3", np.ones(3)), UsageError, "does not fit '3'"),
        (Direction("3", np.zeros(8)), UsageError, "has no length"),
    ],
)
def test_what_means_nothing_is_a_sentence(written, error, message: str) -> None:
    with pytest.raises(error, match=message):
        read_objectives(model(), written)


def test_a_dimension_of_an_embedding_is_no_class() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    embedding = Model(module, output="embedding")
    with pytest.raises(UsageError, match="'1' is no class: the output is an embedding"):
        read_objectives(embedding, "class:1")


class Normalised(nn.Module):
    """An embedding of length 1, which nobody says."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.head(self.conv(images).relu().mean((2, 3))))


def test_what_an_output_means_is_told_by_what_the_network_gives() -> None:
    embedding = Model(Normalised().eval())
    with pytest.raises(UsageError, match="'1' is no class: the output is an embedding"):
        read_objectives(embedding, "class:1")
    seen = cnnviz.capture(embedding, torch.rand(1, 3, 8, 8), layers=(), gradients=False)
    assert seen.provenance.output.startswith("an embedding"), "what was read before leaves no trace"


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3)
        self.alias = self.second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.second(self.relu(self.first(x)))).mean((2, 3))


def test_a_layer_that_is_called_twice_needs_its_call() -> None:
    with pytest.raises(LayerError, match="called 2 times"):
        read_objectives(model(_Twice()), "relu:0")
    (objective,) = read_objectives(model(_Twice()), "relu#1:0")
    assert (objective.name, objective.layer) == ("relu#1:0", ("relu", 1))


def test_a_layer_of_two_names_is_found_by_both() -> None:
    (objective,) = read_objectives(model(_Twice()), "alias:1")
    assert objective.layer == ("second", 0)


def test_scores() -> None:
    values = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    weights = np.array([0.6, 0.0, -0.8], np.float32)
    key = ("layer", 0)
    expected = {
        Objective("", "channel", key, 1): values[:, 1].mean((1, 2)),
        Objective("", "channel", key, 1, rectified=True): values[:, 1].relu().mean((1, 2)),
        Objective("", "position", key, 2, (3, 4)): values[:, 2, 3, 4],
        Objective("", "direction", key, weights=weights): (
            0.6 * values[:, 0] - 0.8 * values[:, 2]
        ).mean((1, 2)),
        Objective("", "layer", key): values.square().mean((1, 2, 3)),
    }
    for objective, wanted in expected.items():
        torch.testing.assert_close(objective.score(values), wanted)
    logits = values[:, :, 0, 0]
    torch.testing.assert_close(Objective("", "class", None, 2).score(logits), logits[:, 2])


def test_two_directions_of_one_name_are_told_apart() -> None:
    one, two = (
        read_objectives(model(), Direction("3", weights))[0]
        for weights in (np.ones(8), np.arange(8))
    )
    assert one.name == two.name
    assert one.digest != two.digest


class _TwoHeads(nn.Module):
    def __init__(self, first: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU())
        self.age, self.kind = nn.Linear(6, first), nn.Linear(6, 4)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.body(images).mean((2, 3))
        return {"age": self.age(found), "kind": self.kind(found)}


@pytest.mark.parametrize("first", [1, 2, 9])
def test_classes_are_those_of_the_head_that_is_explained(first: int) -> None:
    names = ["ant", "bee", "cat", "dog"]
    heads = Model(_TwoHeads(first).eval(), categories=names, member="kind")
    read = read_objectives(heads, "class:dog;class:0")
    assert [objective.name for objective in read] == ["class:dog", "class:ant"]
    assert [objective.channel for objective in read] == [3, 0]
    with pytest.raises(TargetError, match="no class 4"):
        read_objectives(heads, "class:4")
