"""What speaks against the kind that an output is guessed to be is told wherever the guess is."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz


class Ending(nn.Module):
    """A small network whose scores go through something at the end."""

    def __init__(self, end, count: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head, self.end = nn.Linear(4, count), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.head(self.body(x)))


UNIT, POSITIVE = "lie from 0 to 1, as probabilities do", "none of its values is below 0"
ENDS = {
    "turned sigmoid": (lambda x: 1 - x.sigmoid(), UNIT),
    "squared": (lambda x: x.sigmoid() ** 2, UNIT),
    "evidence": (lambda x: F.softplus(x) + 1, POSITIVE),
    "rates": (lambda x: (3 * x).exp() + 2, POSITIVE),
    "scores": (lambda x: x - 5, ""),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("count", [1, 4])
def test_values_that_are_no_scores_are_told(name: str, count: int) -> None:
    end, doubt = ENDS[name]
    model = cnnviz.Model(Ending(end, count).eval())
    held = cnnviz.capture(model, torch.rand(2, 3, 12, 12), layers="body.1", target=0)
    for found in (cnnviz.cam(held), cnnviz.predictions(held)):
        told = found.provenance.output
        assert (UNIT in told, POSITIVE in told) == (doubt == UNIT, doubt == POSITIVE)


@pytest.mark.parametrize("doubt", [True, False])
def test_features_are_no_map_of_classes_without_doubt(doubt: bool) -> None:
    torch.manual_seed(0)
    pyramid = nn.Sequential(nn.Conv2d(3, 4, 3), *([nn.ReLU()] if doubt else []))
    held = cnnviz.capture(pyramid.eval(), 9 * torch.rand(1, 3, 12, 12), layers="0")
    assert (POSITIVE in cnnviz.predictions(held).provenance.output) == doubt


def test_a_report_says_it_on_its_first_screen() -> None:
    model = cnnviz.Model(Ending(ENDS["evidence"][0], 4).eval())
    photo = np.random.default_rng(0).integers(0, 255, (20, 20, 3)).astype(np.uint8)
    made = cnnviz.report(model, photo, "predictions")
    assert POSITIVE in made.answers[0].output
    declared = cnnviz.Model(Ending(ENDS["evidence"][0], 4).eval(), output="value")
    assert POSITIVE not in cnnviz.report(declared, photo, "predictions").answers[0].output


@dataclass
class Answer:
    """What a network may return: an object with two tensors, one made of the other."""

    scores: torch.Tensor
    features: torch.Tensor
    loss: object = None


class Told(Ending):
    """Returns its maps beside the scores that are made of them."""

    def __init__(self) -> None:
        super().__init__(None, 3)

    def forward(self, x: torch.Tensor) -> Answer:
        maps = self.body[:2](x)
        return Answer(self.head(maps.mean((2, 3))), maps)


@pytest.mark.parametrize(
    "view",
    [
        cnnviz.faithfulness,
        cnnviz.loss_landscape,
        lambda model, x, **more: cnnviz.attribute(model, x, steps=4),
        lambda model, x, **more: cnnviz.occlusion(model, x, window=6, stride=6),
        lambda model, x, **more: cnnviz.gradient_flow(model, x, remedies=False),
    ],
)
def test_every_view_takes_the_member_that_the_others_are_steps_towards(view) -> None:
    model = cnnviz.Model(Told().eval())
    found = view(model, torch.rand(1, 3, 12, 12))
    assert "'scores' is explained, and not 'features'" in " ".join(found.provenance.notes)
