"""A view of a capture says what it takes where it is given anything else."""

from __future__ import annotations

import inspect

import pytest
import torch

import cnnviz
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case

OF_CAPTURES = ("cam", "feature_maps", "localisation", "pooling", "predictions", "softmax")
TENSORS = [torch.rand(4, 5), torch.rand(1, 3, 2, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.int64)]


def test_the_views_of_captures_are_these() -> None:
    found = [
        name
        for name in cnnviz.__all__
        if inspect.isfunction(view := getattr(cnnviz, name))
        and next(iter(inspect.signature(view).parameters), "") == "capture"
    ]
    assert sorted(found) == list(OF_CAPTURES)


@each_case("name", OF_CAPTURES)
def test_what_is_no_capture_is_a_sentence(name: str) -> None:
    view, model = getattr(cnnviz, name), cnnviz.load()
    for tensor in TENSORS:
        with pytest.raises(UsageError, match=rf"{name} takes a capture first.*given a network"):
            view(model, tensor)
        with pytest.raises(UsageError, match=f"{name} takes a capture, .* given a Tensor"):
            view(tensor)
    with pytest.raises(UsageError, match="given a network"):
        view(model.module)
