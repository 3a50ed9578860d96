"""Derivatives that read maps which were laid out anew since the way forward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

from cnnviz.introspection.fast_copy.kept_maps import _READ_ANYHOW, kept_by_places
from tests.helpers.each_case import each_case

_OWN: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "prelu": lambda x, _: functional.prelu(x, x.new_tensor([0.1, 0.2, 0.3, 0.4])),
    "threshold": lambda x, _: functional.threshold(x, 0.1, 0.2),
    "threshold_": lambda x, _: functional.threshold_(x, 0.1, 0.2),
    "clamp": lambda x, y: torch.clamp(x, y - 0.5, y + 0.5),
    "clamp_": lambda x, y: x.clamp_(y - 0.5, y + 0.5),
    "clamp_min": torch.clamp_min,
    "clamp_min_": lambda x, y: x.clamp_min_(y),
    "where": lambda x, y: torch.where(y > 0.0, x * 1.0, y),
    "masked_fill": lambda x, y: x.masked_fill(y > 0.0, 0.5),
    "batch_norm": lambda x, _: functional.batch_norm(x, x.new_zeros(4) + 0.3, x.new_ones(4) * 2.0),
    "max_pool2d": lambda x, _: functional.max_pool2d(x, 3, 2, 1),
    "avg_pool2d": lambda x, _: functional.avg_pool2d(x, 3, 2, 1),
    "adaptive_avg_pool2d": lambda x, _: functional.adaptive_avg_pool2d(x, (3, 2)),
}
"""How each is called that takes more than a map, or is found elsewhere."""
_OF_TWO = {"mul", "mul_", "__mul__", "__rmul__", "__imul__", "maximum"}


def called(name: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    found: Any
    if name in _OWN:
        found = _OWN[name](x, y)
    elif name in _OF_TWO:
        found = getattr(torch.Tensor, name)(x, y)
    elif name in ("hardswish_", "silu_"):
        found = getattr(functional, name[:-1])(x, inplace=True)
    else:
        where = functional if hasattr(functional, name) else torch
        found = getattr(where, name)(x)
    assert isinstance(found, torch.Tensor)
    return found


def last(values: torch.Tensor) -> torch.Tensor:
    return values.contiguous(memory_format=torch.channels_last)


def gradients(
    name: str, layouts: tuple[Callable[[torch.Tensor], torch.Tensor], ...], side: int
) -> tuple[torch.Tensor, ...]:
    """Return the gradients of a function of a map and one that spreads over its rows."""
    generator = torch.Generator().manual_seed(0)
    first, second, back = layouts
    leaves = [
        torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((2, 4, 6, 5), (2, 4, side, 5))
    ]
    x, y = first(leaves[0] * 1.0).clone(), second(leaves[1] * 1.0)
    out = called(name, x, y)
    sent = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    found = torch.autograd.grad(out, leaves, back(sent), allow_unused=True)
    return tuple(one for one in found if one is not None)


@each_case("name", sorted(_READ_ANYHOW))
def test_its_derivative_reads_kept_maps_in_any_order_of_memory(name: str) -> None:
    for side in (6, 1):
        for layouts in [
            (torch.clone, torch.clone, last),
            (last, torch.clone, torch.clone),
            (torch.clone, last, last),
            (lambda values: values.transpose(2, 3).contiguous().transpose(2, 3), last, torch.clone),
        ]:
            expected = gradients(name, layouts, side)
            with kept_by_places():
                found = gradients(name, layouts, side)
            assert len(found) == len(expected) > 0
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
