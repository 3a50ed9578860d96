"""What is asked for is looked at before any work."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError
from cnnviz.images import IMAGENET
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.targets import Contrast, SumOf, Value
from cnnviz.views import VIEWS
from tests.helpers.architectures import tiny_network
from tests.helpers.pass_counter import counted

NAMES = ("koala", "tabby", "tiger cat", "t - shirt")
PHOTOS = [np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8) for seed in range(3)]
ASKED = [view for view in VIEWS if "target" in inspect.signature(view.function()).parameters]


@pytest.fixture
def model() -> Model:
    model = Model(tiny_network(), categories=NAMES)
    model.prepare(PHOTOS)  # which tries, once, what size the network takes
    return model


def _captured(model: Model, image: Any, target: Any) -> Any:
    return capture(model, image, target=target)


CALLS = {"capture": _captured} | {view.name: view.function() for view in ASKED}


@pytest.mark.parametrize("wrong", ["wombat", 4, "koala - wombat"])
@pytest.mark.parametrize("name", CALLS)
def test_no_view_begins_with_a_class_that_there_is_not(model: Model, name: str, wrong: Any) -> None:
    with counted(model.module) as passes, pytest.raises(TargetError, match=r"no class ('wom|4)"):
        CALLS[name](model, PHOTOS[0], target=wrong)
    assert [len(one.images) for one in passes.forward if one.computes] == [1]


def test_what_names_no_class_is_refused_in_a_sentence(model: Model) -> None:
    for wrong in (SumOf((0, 1)), Contrast([0], 1), SumOf(None), Value(1.5)):  # type: ignore[arg-type]
        with pytest.raises(TargetError, match=r"names no class|no value of the network"):
            capture(model, PHOTOS[0], target=wrong)


def test_a_mistake_in_the_last_of_many_costs_one_image(model: Model) -> None:
    with counted(model.module) as passes, pytest.raises(TargetError, match="'wombat'"):
        CALLS["skip_connections"](model, PHOTOS, target=["koala", "tabby", "wombat"])
    assert [len(one.images) for one in passes.forward] == [1]


def test_too_few_targets_cost_nothing(model: Model) -> None:
    with counted(model.module) as passes, pytest.raises(TargetError, match="2 targets for 3"):
        CALLS["skip_connections"](model, PHOTOS, target=["koala", "tabby"])
    assert passes.forward == []


@pytest.mark.parametrize(
    "target",
    [
        *(None, 0, "3", "Koala", "koala - tabby", "koala + tabby", "t - shirt"),
        *(SumOf("koala", 3), Contrast(0, "tabby"), Value(2), np.array([0, 1, 2]), ["koala", 1, 2]),
    ],
    ids=str,
)
def test_what_may_be_right_costs_nothing(model: Model, target: Any) -> None:
    batch = model.prepare(PHOTOS)
    with counted(model.module) as passes:
        assert checked_target(model, target, batch) is target or target == ["koala", 1, 2]
    assert passes.forward == []


def test_classes_without_names_are_left_to_the_view() -> None:
    model = Model(tiny_network())
    batch = model.prepare(PHOTOS)
    with counted(model.module) as passes:
        assert checked_target(model, 99, batch) == 99
    assert passes.forward == []


class OnlyTwoOrMore(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_network()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) < 2:
            raise ValueError("one image alone")
        out: torch.Tensor = self.inner(images)
        return out


def test_a_network_that_takes_no_image_alone_is_asked_with_the_others() -> None:
    model = Model(OnlyTwoOrMore(), categories=NAMES, preprocessing=IMAGENET)
    assert checked_target(model, "wombat", model.prepare(PHOTOS)) == "wombat"
