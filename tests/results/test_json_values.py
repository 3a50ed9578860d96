"""Every value comes out of the JSON as it went in, or by a rule that says what stands for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch

from cnnviz.results.json_values import EXACT, INLINE, JsonValues, plain, pretty, references
from tests.helpers.each_case import each_case


def through(value: object) -> object:
    """Return what a reader of the JSON gets."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(pretty(plain(value)), parse_constant=refuse)


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    TWO = 2


class Point(NamedTuple):
    row: int
    column: int


@dataclass(frozen=True)
class Circle:
    derived: ClassVar[tuple[str, ...]] = ("area",)
    radius: np.float32

    @property
    def area(self) -> float:
        return 3.0 * float(self.radius) ** 2


EMPTY = {(0,): [], (0, 4): [], (2, 0): [[], []], (2, 0, 3): [[], []]}


@each_case(
    ("value", "expected"),
    [
        (None, None),
        (np.bool_(True), True),
        (np.str_("ß"), "ß"),
        (Colour.RED, "red"),
        (Number.TWO, 2),
        (Path("x/y.png"), "y.png"),
        (b"caf\xe9", "caf\\xe9"),
        ({3, 1, 2}, [1, 2, 3]),
        (Point(1, 2), {"row": 1, "column": 2}),
        (Circle(np.float32(2)), {"radius": 2.0, "area": 12.0}),
        (np.array(2.5), 2.5),
        (np.array([True, False]), [True, False]),
        (np.array([b"a", b"\xff"]), ["a", "\\xff"]),
        (np.array(["2026-11-26", "NaT"], "M8[D]"), ["2026-11-26", "NaT"]),
        (np.datetime64("NaT"), None),
        (np.array([(1, 2.5)], [("n", "i4"), ("x", "f4")]), {"n": [1], "x": [2.5]}),
        (np.array([(1, 2.5)], [("n", "i4"), ("x", "f4")])[0], {"n": 1, "x": 2.5}),
        (np.ma.masked_array([1, 2], [True, False]), [None, 2.0]),
        (np.array([1, "a", None], object), [1, "a", None]),
        (np.longdouble("0.5"), 0.5),
        (np.array([0.5, 2], np.longdouble), [0.5, 2.0]),
        (np.float16(0.1), float(np.float16(0.1))),
        (torch.Size([1, 2]), [1, 2]),
    ],
)
def test_values_of_every_kind(value: object, expected: object) -> None:
    assert through(value) == expected


@each_case("shape", EMPTY)
def test_an_empty_array_is_an_empty_list(shape: tuple[int, ...]) -> None:
    assert through(np.zeros(shape)) == EMPTY[shape]


@each_case("kind", [np.float16, np.float32, np.float64])
def test_a_float_comes_back_to_the_last_bit(kind: type[np.floating]) -> None:
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2**16, (40, 4), np.uint16).view(kind)
    edges = kind([0.1, -0.0, np.finfo(kind).smallest_subnormal])
    values = np.concatenate([bits.ravel()[:60], edges])
    values = values[np.isfinite(values)]
    back = np.array(through(values), kind)
    assert back.tobytes() == values.tobytes()
    assert [kind(through(value)).tobytes() for value in values] == [x.tobytes() for x in values]


@each_case(
    "value",
    [
        {"a~/b": [1.0, math.nan, -math.inf]},
        {"a~/b": (1.0, np.float32("nan"), np.float64("-inf"))},
        {"a~/b": np.array([1.0, np.nan, -np.inf], np.float16)},
        {"a~/b": torch.tensor([1.0, math.nan, -math.inf], dtype=torch.bfloat16)},
    ],
)
def test_what_is_not_finite_is_null_and_infinity_is_told(value: dict[str, object]) -> None:
    values = JsonValues()
    assert values.plain(value) == {"a~/b": [1.0, None, None]}
    assert values.infinite == {"/a~0~1b/2": "-inf"}
    named = plain(value, by_name=True)["a~/b"]
    assert [float(x) for x in named[::2]] == [1.0, -math.inf]
    assert named[1] == "nan"


@each_case(
    "value",
    [3 - 4j, np.complex64(3 - 4j), np.complex128(3 - 4j), torch.tensor(3 - 4j)],
)
def test_a_complex_number_is_its_two_parts(value: object) -> None:
    assert through(value) == {"real": 3.0, "imag": -4.0}


def test_complex_arrays_are_two_arrays_and_infinite_parts_are_told() -> None:
    values = JsonValues()
    found = values.plain({"x": np.array([[1 + 2j, complex(np.inf, np.nan)]], np.complex64)})
    assert found == {"x": {"real": [[1.0, None]], "imag": [[2.0, None]]}}
    assert values.infinite == {"/x/real/0/1": "inf"}


@each_case("name", ["bfloat16", "float16", "float8_e5m2", "int8", "bool"])
def test_tensors_have_their_values_whatever_their_type(name: str) -> None:
    tensor = torch.tensor([[1.5, -2.0], [0.0, 4.0]]).to(getattr(torch, name))
    assert through(tensor) == tensor.tolist()
    assert through(tensor[0, 0]) == tensor[0, 0].item()


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
def test_tensors_of_other_layouts_are_whole() -> None:
    dense = torch.tensor([[0.0, 1.5], [0.0, 0.0]], requires_grad=True)
    quantised = torch.quantize_per_tensor(dense.detach(), 0.5, 0, torch.qint8)
    waves = torch.tensor([1 + 2j])
    assert through(dense) == through(dense.detach().to_sparse()) == through(quantised)
    assert through(waves.conj()) == {"real": [1.0], "imag": [-2.0]}


@each_case("number", [EXACT, EXACT + 1, -EXACT - 1, 2**63, 2**64 - 1, 10**40])
def test_a_whole_number_that_readers_would_round_is_its_digits(number: int) -> None:
    expected: object = number if abs(number) <= EXACT else str(number)
    assert through(number) == expected
    assert float(EXACT + 1) == float(EXACT + 2), "a reader that holds doubles cannot tell them"
    if number < 2**64:
        kind = np.uint64 if number > 0 else np.int64
        assert through(kind(number)) == expected
        assert through(np.array([1, number], kind)) == [1, expected]


@each_case(
    ("value", "expected"),
    [
        ({3: "a", np.int64(20): "b"}, {"3": "a", "20": "b"}),
        ({Colour.RED: 1, "x": 2}, {"red": 1, "x": 2}),
        ({1: "a", "1": "b"}, [[1, "a"], ["1", "b"]]),
        ({True: 1, None: 2}, [[True, 1], [None, 2]]),
        ({("conv", 0): 1.5}, [[["conv", 0], 1.5]]),
        ({0.5: "a"}, [[0.5, "a"]]),
        ({}, {}),
    ],
)
def test_keys_that_are_no_text_lose_nothing(value: Mapping[Any, object], expected: object) -> None:
    assert through(value) == expected


@each_case("value", [object(), len, {"a": [3, lambda: 3]}, Circle])
def test_what_is_no_data_is_named(value: object) -> None:
    where = "/a/1 is a function" if isinstance(value, dict) else "This is a"
    with pytest.raises(TypeError, match=where):
        plain(value)


def test_an_array_is_inside_up_to_the_limit_and_beyond_it_a_reference() -> None:
    small, large = np.ones((2, INLINE // 2)), np.arange(INLINE + 1, dtype=np.int16)
    large[5] = -7
    waves = np.full(INLINE + 1, 1j, np.complex64)
    values = JsonValues({"waves of all": waves}, "a.npz")
    found = values.plain({"small": small, "two": [large, large], "waves": waves})
    assert found["small"] == small.tolist()
    assert found["two"][1] == {
        "array": "two.1",
        "file": "a.npz",
        "shape": [INLINE + 1],
        "dtype": "int16",
        "min": -7,
        "max": INLINE,
    }
    assert found["waves"]["array"] == "waves of all", "named as where it was known before"
    assert (found["waves"]["min"], found["waves"]["dtype"]) == (None, "complex64")
    assert set(values.arrays) == {"two.0", "two.1", "waves of all"}
    assert len(list(references(found))) == 3
    assert plain(large)["file"] is None


def test_the_range_of_a_large_array_is_that_of_what_is_finite() -> None:
    large = np.full(INLINE + 1, np.nan, np.float32)
    assert (plain(large)["min"], plain(large)["max"]) == (None, None)
    large[:3] = np.inf, 2.0, -1.0
    assert (plain(large)["min"], plain(large)["max"]) == (-1.0, 2.0)


def test_two_arrays_never_share_a_name() -> None:
    one, other = np.zeros(INLINE + 1), np.ones(INLINE + 1)
    values = JsonValues({"a": one})
    found = values.plain({"b": one, "a": other})
    assert [found[key]["array"] for key in ("b", "a")] == ["a", "a'"]
    assert values.arrays["a'"] is other


def test_text_is_one_line_for_each_row_and_reads_back() -> None:
    data = {"a": [[1, 2], [3, 4]], "b": {}, "c": [], "d": {"e": [None, True, "ß\n"]}, "f": [{}]}
    assert json.loads(pretty(data)) == data
    assert pretty({"a": [[1, 2], [3]]}) == '{\n "a": [\n  [1, 2],\n  [3]\n ]\n}\n'
    assert json.loads(pretty({"n": "photo\udcff.png"}).encode()) == {"n": "photo\udcff.png"}
    with pytest.raises(ValueError, match="Out of range"):
        pretty({"a": [math.nan]})
