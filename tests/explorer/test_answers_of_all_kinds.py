"""Networks that end in a softmax, in sigmoids, in one logit, or whose images mix."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import TargetError
from cnnviz.explorer import explore


def network(*last: nn.Module, classes: int = 6) -> nn.Module:
    torch.manual_seed(0)
    stem = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)]
    return nn.Sequential(*stem, *head, *last).eval()


PHOTO = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))


def head_of(page: str) -> dict:
    text = re.search(r'id="head">(.*?)</script>', page, re.DOTALL)[1]
    return json.loads(text)["subjects"][0]


@pytest.mark.parametrize(
    ("module", "output", "rule"),
    [
        (network(), "classes", "softmax"),
        (network(nn.Softmax(1)), "classes", "softmax"),
        (network(nn.LogSoftmax(1)), "classes", "softmax"),
        (network(), "labels", "sigmoid"),
        (network(nn.Sigmoid()), "labels", "sigmoid"),
    ],
    ids=["scores", "softmax", "log softmax", "labels", "sigmoids"],
)
def test_the_page_knows_what_makes_the_probabilities(module, output: str, rule: str) -> None:
    made = explore(cnnviz.load(module, output=output), PHOTO)
    assert head_of(made.page)["rule"] == rule
    assert made.exact


def test_one_logit_is_a_sentence() -> None:
    with pytest.raises(TargetError, match="1 score and 2 classes"):
        explore(cnnviz.load(network(classes=1), output="logit"), PHOTO)


class Mixing(nn.Module):
    """Answers to an image by how it differs from the mean of those beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = network()[:2]
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 144, 6))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.stem(images)
        return self.head(maps - 0.5 * maps.mean(0, keepdim=True))


def test_images_that_mix_are_muted_one_at_a_time() -> None:
    model = cnnviz.load(Mixing().eval(), output="classes")
    seen = cnnviz.capture(model, PHOTO, layers=["stem"], gradients=False)
    from cnnviz.explorer.layers import explored_layers
    from cnnviz.explorer.what_if import muted_answers
    from cnnviz.results.progress import silent

    (layer,) = explored_layers(seen, PHOTO, ["stem"], [0, 1, 2], silent)
    assert layer.head is None
    muted = muted_answers(seen, layer, silent)
    assert muted is not None
    for row, channel in enumerate(muted.channels):
        maps = seen.activations["stem"].clone()
        maps[:, int(channel)] = 0.0
        with torch.no_grad():
            wanted = model.module.head(0.5 * maps)[0, :3]
        np.testing.assert_allclose(muted.scores[row], wanted, atol=1e-5)
