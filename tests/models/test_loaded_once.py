"""What loads a network once for many tests hands out what `load` does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import cnnviz
from tests.helpers.architectures import drawn_from_tiles
from tests.helpers.loaded_once import loaded_once


@pytest.fixture(autouse=True)
def once() -> Iterator[None]:
    with loaded_once():
        yield


def module_and_digest(name: str = "shapes", weights: str = "DEFAULT") -> tuple[int, str]:
    model = cnnviz.load(name, weights)
    assert not any(each.training for each in model.module.modules())
    return id(model.module), model.sha256


def test_a_network_is_loaded_once_and_its_model_made_anew() -> None:
    first = cnnviz.load()
    first.remark("size", "It is small.")
    first.categories = ("a",) * 10
    module = first.module
    del first
    second = cnnviz.load("shapes-plain")
    assert second.module is module
    assert "It is small." not in second.findings
    assert second.categories is not None
    assert "star" in second.categories


def test_whoever_has_two_has_two() -> None:
    one, other = cnnviz.load(), cnnviz.load()
    assert one.module is not other.module
    assert one.sha256 == other.sha256


@pytest.mark.parametrize("how", ["written to", "frozen", "hooked", "given a gradient"])
def test_one_that_was_changed_is_loaded_anew(how: str) -> None:
    before = module_and_digest()
    module = cnnviz.load().module
    parameter = next(module.parameters())
    if how == "written to":
        with torch.no_grad():
            parameter.add_(1.0)
    elif how == "frozen":
        parameter.requires_grad_(False)
    elif how == "hooked":
        module.register_full_backward_hook(lambda *_: None)
    else:
        parameter.grad = torch.zeros_like(parameter)
    after = module_and_digest()
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert all(each.requires_grad for each in cnnviz.load().module.parameters())


def test_weights_that_are_drawn_in_another_way_are_others() -> None:
    with drawn_from_tiles():
        tiled = module_and_digest(weights="random")
    assert module_and_digest(weights="random")[1] != tiled[1]
