"""What an operation writes to is known by its schema."""

from __future__ import annotations

from typing import Any

import torch

from cnnviz.heatmaps.occlusion.patch_runner import _writes_to_first_only
from tests.helpers.each_case import each_case

OPERATIONS = {
    "in place": (torch.ops.aten.add_.Tensor, True),
    "into nothing": (torch.ops.aten.add.Tensor, False),
    "into what it is given to write to": (torch.ops.aten.add.out, False),
}


@each_case("kind", OPERATIONS)
def test_an_operation_that_writes_to_its_first_argument_is_known(kind: str) -> None:
    operation: Any
    operation, first_only = OPERATIONS[kind]
    assert _writes_to_first_only(operation) is first_only
