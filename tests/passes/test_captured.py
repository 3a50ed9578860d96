"""What a capture says of the network that was captured."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.models import Model
from cnnviz.passes.captures import capture


class _MapsOfClasses(nn.Module):
    """Averages a map of each of its three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.classes = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.classes(self.features(x).relu()).mean((2, 3))
        return found


def test_maps_of_classes_are_told_from_maps_of_features() -> None:
    held = capture(_MapsOfClasses().eval(), torch.rand(1, 3, 8, 8))
    assert held.holds_classes("classes")
    assert not held.holds_classes("features")


def one_answer(*names: str) -> Model:
    module = nn.Sequential(nn.Conv2d(3, 1, 8), nn.Flatten(), nn.Sigmoid())
    return Model(module.eval(), categories=names or None)


@pytest.mark.parametrize("names", [(), ("yes",), ("no", "yes")])
def test_one_logit_for_two_classes_may_have_a_name_for_each_or_for_itself(names) -> None:
    assert capture(one_answer(*names), torch.rand(1, 3, 8, 8)).logits.shape == (1, 1)


def test_one_logit_has_no_three_names() -> None:
    with pytest.raises(UsageError, match=r"3 class names and Sequential has 1 output\."):
        capture(one_answer("no", "yes", "maybe"), torch.rand(1, 3, 8, 8))
