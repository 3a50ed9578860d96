"""A test of many small cases fails for each that fails, and says which it is."""

from __future__ import annotations

import pytest

from tests.helpers.each_case import each_case

TRIED: list[tuple[int, int]] = []


@each_case("one", [1, 2])
@each_case("other", (3, 4), ids=lambda case: f"the other is {case}")
def pairs(one: int, other: int) -> None:
    TRIED.append((one, other))
    assert one + other != 5
    if other == 3 and one == 1:
        pytest.fail("no exception of the code")


def test_all_cases_are_tried_and_those_that_fail_are_named() -> None:
    with pytest.raises(BaseExceptionGroup, match="2 of 2 cases fail") as told:
        pairs()
    assert TRIED == [(1, 3), (1, 4), (2, 3), (2, 4)]
    first, second = told.value.exceptions
    assert isinstance(first, BaseExceptionGroup)
    assert isinstance(second, AssertionError)
    assert second.__notes__ == ["In the case the other is 3", "In the case 2"]


def test_what_is_no_case_is_a_fixture() -> None:
    @each_case("case", [pytest.param(2, id="two"), pytest.param(3)])
    def sums(case: int, fixture: int) -> None:
        assert case + fixture > 4

    sums(fixture=3)
    with pytest.raises(AssertionError, match="case"):
        sums(fixture=2)
