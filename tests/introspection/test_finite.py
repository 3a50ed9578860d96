"""Numbers that are not finite are refused, and all others let through."""

from __future__ import annotations

import pytest
import torch

from cnnviz.errors import NotFiniteError
from cnnviz.introspection.finite import check_rankable, finite
from tests.helpers.each_case import each_case

NAN, INF = float("nan"), float("inf")


@each_case("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@each_case("bad", [[NAN], [INF], [-INF], [INF, -INF]])
def test_what_is_not_finite_is_counted(dtype: torch.dtype, bad: list[float]) -> None:
    with pytest.raises(
        NotFiniteError, match=rf"^The maps are not finite: {len(bad)} of {len(bad) + 2} are"
    ):
        finite(torch.tensor([1.0, *bad, 2.0], dtype=dtype), "The maps")


def test_finite_numbers_are_let_through_as_they_are() -> None:
    # The sum of the first passes the range of its type.
    for values in (torch.full((4,), 6e4, dtype=torch.float16), torch.empty(0), torch.arange(3)):
        assert finite(values, "The maps") is values


def test_minus_infinity_rules_a_class_out() -> None:
    scores = torch.tensor([1.0, -INF, 0.5])
    assert check_rankable(scores) is scores
    for bad in (NAN, INF):
        with pytest.raises(NotFiniteError, match="The class scores are not finite: 1 of 3"):
            check_rankable(torch.tensor([1.0, bad, -INF]))
