"""Scores are those of the layer's map, whatever the network does with rows and columns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from cnnviz.models import Model
from cnnviz.units.visualization.objective_scorer import scoring
from cnnviz.units.visualization.objectives import read_objectives
from cnnviz.units.visualization.value_range import given
from tests.helpers.each_case import each_case


class Changed(nn.Module):
    """A convolution of a picture that was bordered or turned."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.change = change
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.change(x)).mean((2, 3))


@each_case(
    "change, own",
    [
        (lambda x: x, (1, 2)),
        (lambda x: nn.functional.pad(x, (2, 0, 3, 0)), (4, 4)),
        (lambda x: x.transpose(2, 3), (2, 1)),
    ],
)
def test_a_position_is_that_of_the_map(
    change: Callable[[torch.Tensor], torch.Tensor], own: tuple[int, int]
) -> None:
    network = Changed(change)
    model = Model(network)
    pictures = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    objectives = read_objectives(model, "conv:1@1x2")
    with scoring(model, objectives[0].layer) as probe, torch.no_grad():
        scores, _ = probe.scores(pictures, objectives)
        at = network.conv(change(given(pictures, model.preprocessing)))[0, 1][own]
    assert float(scores[0]) == pytest.approx(float(at), rel=1e-5)
