"""Tensors within torch.vmap, beneath the wrappers of other transforms."""

from __future__ import annotations

import torch

from cnnviz.introspection.vmapped import is_vmapped


def test_a_tensor_within_vmap_is_told_where_it_is_differentiated_as_well() -> None:
    """As torch.func.grad wraps it, whose first use takes torch seconds."""
    functorch, found = torch._C._functorch, []

    def differentiated(row: torch.Tensor) -> torch.Tensor:
        level = functorch._grad_increment_nesting()
        try:
            wrapped = functorch._wrap_for_grad(row, level)
            found.append((functorch.is_batchedtensor(wrapped), is_vmapped(wrapped)))
        finally:
            functorch._grad_decrement_nesting()
        return row

    torch.vmap(differentiated)(torch.ones(2))
    differentiated(torch.ones(2))
    assert found == [(False, True), (False, False)]
