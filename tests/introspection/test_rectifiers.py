"""Which calls are read as rectifiers, by what they are given."""

from __future__ import annotations

import pytest
import torch

from cnnviz.introspection.rectifiers import read_rectifier


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=["floats", "whole numbers"])
def test_whole_numbers_take_part_in_no_gradient_and_are_rectified_by_nothing(dtype) -> None:
    values = torch.tensor([-2, 0, 3]).to(dtype)
    calls = [
        (torch.clamp, (values, 0), {}),
        (torch.maximum, (values, torch.zeros_like(values)), {}),
        (torch.mul, (values, values > 0), {}),
        (torch.where, (values > 0, values, 0), {}),
    ]
    read = [read_rectifier(*call) is not None for call in calls]
    assert read == [values.is_floating_point()] * len(calls)
