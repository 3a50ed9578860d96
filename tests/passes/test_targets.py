"""Targets: classes, names, sums, contrasts, regions and callables become one score an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError
from cnnviz.models import Model
from cnnviz.models.outputs import scores_of
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Contrast, Region, SumOf, score
from cnnviz.views.cam import cam
from tests.helpers.architectures import tiny_network

NAMES = ("koala", "tabby", "tiger cat", "t - shirt")
LOGITS = torch.tensor([[1.0, 5.0, -2.0, 0.5], [4.0, 0.0, 3.0, 8.0]])


@pytest.fixture
def model() -> Model:
    return Model(tiny_network(), categories=NAMES)


@pytest.mark.parametrize(
    ("target", "values", "names", "classes"),
    [
        (None, [5.0, 8.0], ("tabby", "t - shirt"), (1, 3)),
        (2, [-2.0, 3.0], ("tiger cat",) * 2, (2, 2)),
        ("Koala", [1.0, 4.0], ("koala",) * 2, (0, 0)),
        (["tabby", 0], [5.0, 4.0], ("tabby", "koala"), (1, 0)),
        (SumOf("tabby", 2), [3.0, 3.0], ("tabby + tiger cat",) * 2, (None, None)),
        ("tabby + tiger cat", [3.0, 3.0], ("tabby + tiger cat",) * 2, (None, None)),
        (Contrast("koala", 1), [-4.0, 4.0], ("koala - tabby",) * 2, (None, None)),
        ("koala - tabby", [-4.0, 4.0], ("koala - tabby",) * 2, (None, None)),
        ("t - shirt", [0.5, 8.0], ("t - shirt",) * 2, (3, 3)),
        ([Contrast(0, 1), 2], [-4.0, 3.0], ("koala - tabby", "tiger cat"), (None, 2)),
    ],
)
def test_scores(
    model: Model,
    target: object,
    values: list[float],
    names: tuple[str, ...],
    classes: tuple[int | None, ...],
) -> None:
    found = score(model, LOGITS, target, 2)
    assert found.values.tolist() == values
    assert tuple(resolved.name for resolved in found.resolved_targets) == names
    assert tuple(resolved.class_index for resolved in found.resolved_targets) == classes
    again = [
        resolved.score(LOGITS[n : n + 1]).item()
        for n, resolved in enumerate(found.resolved_targets)
    ]
    assert again == values, "an aim scores any variant of its image"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("opossum", ["Its likeliest answers here are 't - shirt', 'koala' and 'tiger cat'."]),
        ("tabbi", ["Did you mean 'tabby'?", "Its likeliest answers here are"]),
        ("Tabby cat", ["Did you mean 'tabby'?", "'tiger cat'."]),
    ],
)
def test_a_class_that_there_is_not_is_told_with_the_answers(
    model: Model, target: str, told: list[str]
) -> None:
    with pytest.raises(TargetError) as caught:
        score(model, LOGITS, [0, target], 2)
    assert all(words in caught.value.remedy for words in told)


def test_a_word_of_a_class_is_enough_to_be_told_it(model: Model) -> None:
    with pytest.raises(TargetError) as caught:
        model.class_index("house cat")
    assert caught.value.remedy == "Did you mean 'tiger cat'?"


def test_a_logit_of_minus_infinity_spoils_no_other(model: Model) -> None:
    logits = LOGITS.clone()
    logits[:, 3] = -torch.inf
    assert score(model, logits, 0, 2).values.tolist() == [1.0, 4.0]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("koala - wombat", "no class called 'wombat'|'wombat'"),
        (SumOf(), "No class was given"),
        (SumOf([0, 1]), "A list names no class"),
        (Contrast(None, 0), "A NoneType names no class"),
        (SumOf(1.5), "A float names no class"),
        (Contrast(0, 9), "no class 9"),
        (Region(0), "makes no map of classes"),
    ],
)
def test_what_does_not_fit(model: Model, target: object, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        score(model, LOGITS, target, 2)


class Segmenter(nn.Module):
    """Labels each pixel by its strongest channel, and returns a dict as torchvision does."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": 2 * self.features(x), "aux": x.mean((2, 3))}


@pytest.fixture
def scene() -> torch.Tensor:
    image = torch.zeros(1, 3, 4, 6)
    image[0, 0] = 0.5
    image[0, 1, :2, :3] = 1.0
    return image


def test_a_region_is_scored_where_the_class_is_the_answer(scene: torch.Tensor) -> None:
    held = capture(Segmenter(), scene, target=1)
    assert held.scores.tolist() == [12.0]
    assert held.targets == ("class 1 in a region",)
    inside = held.gradients["features"][0, 1]
    assert (inside[:2, :3] == 2).all()
    assert inside.sum() == 12
    heat = cam(held).on_photo()
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert row < 2
    assert column < 3


def test_a_region_can_be_given(scene: torch.Tensor) -> None:
    mask = np.zeros((4, 6), bool)
    mask[3, 5] = True
    assert capture(Segmenter(), scene, target=Region(0, mask)).scores.tolist() == [1.0]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (2, "region of 'class 2' is empty"),
        (Region(0, np.ones((2, 2), bool)), r"mask has the shape \[2, 2\]"),
        (Contrast(0, 1), "is no class of a network that segments"),
    ],
)
def test_regions_that_do_not_fit(scene: torch.Tensor, target: object, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        capture(Segmenter(), scene, target=target)


def test_the_scores_in_the_common_outputs() -> None:
    one, two = torch.zeros(2, 3), torch.ones(2, 3)
    for output, wanted in (
        (one, one),
        ({"aux": two, "logits": one}, one),
        ((one, two), one),
        ([torch.zeros(1, dtype=torch.long), two], two),
        ({"head": {"logits": two}, "features": [one]}, two),
    ):
        assert scores_of(Model(tiny_network()), output) is wanted
