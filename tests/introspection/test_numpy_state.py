# ruff: noqa: NPY002 - these functions are what is tested
"""NumPy's global random numbers go on as if nothing had happened, however their state is read."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cnnviz.introspection import numpy_state
from cnnviz.introspection.numpy_state import NumpyState, numpy_mark, seed_numpy
from tests.helpers.each_case import each_case

DRAWS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "one number": np.random.random,
    "one normal number, so that one is left over": np.random.standard_normal,
    "two normal numbers": lambda: np.random.standard_normal(2),
    "all words anew": lambda: np.random.random(400),
    "whole numbers": lambda: np.random.randint(9, size=3),
    "an order": lambda: np.random.permutation(7),
    "a seed": lambda: np.random.seed(5),
}
BEFORE = [draw for draw in DRAWS if draw != "nothing"]


@pytest.fixture(params=["as memory", "as NumPy tells it"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "as memory":
        assert numpy_state._lies_in_one_piece()
    else:
        monkeypatch.setattr(numpy_state, "_lies_in_one_piece", lambda: False)
    held = np.random.get_state()
    yield
    np.random.set_state(held)


@each_case("before", BEFORE)
@each_case("meanwhile", DRAWS)
def test_what_is_drawn_afterwards_is_what_would_have_been(before, meanwhile):
    np.random.seed(3)
    DRAWS[before]()
    expected = [np.random.standard_normal(3).tolist(), np.random.random(700).tolist()]
    np.random.seed(3)
    DRAWS[before]()
    state = NumpyState()
    DRAWS[meanwhile]()
    state.put_back()
    assert [np.random.standard_normal(3).tolist(), np.random.random(700).tolist()] == expected


def test_a_state_is_put_back_more_than_once():
    np.random.seed(1)
    state = NumpyState()
    first = np.random.random(5).tolist()
    for _ in range(2):
        state.put_back()
        assert np.random.random(5).tolist() == first


@each_case("draw", DRAWS)
def test_a_draw_leaves_another_mark(draw):
    seed_numpy(0)
    start = numpy_mark()
    DRAWS[draw]()
    assert (numpy_mark() != start) == (draw != "nothing")


def test_a_seed_gives_the_numbers_that_numpy_gives_for_it():
    np.random.standard_normal()
    seed_numpy(12)
    reference = np.random.RandomState(12)
    assert np.random.standard_normal(3).tolist() == reference.standard_normal(3).tolist()
