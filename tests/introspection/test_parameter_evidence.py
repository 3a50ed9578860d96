"""Parameters that were changed are found, whatever they hold and however they lie."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from cnnviz.introspection.parameter_evidence import ParameterEvidence, Values
from tests.helpers.each_case import each_case

MADE: dict[str, Callable[[], torch.Tensor]] = {
    "many": lambda: torch.randn(40, 30, 3, 3),
    "few": lambda: torch.randn(3),
    "one": lambda: torch.randn(()),
    "none": lambda: torch.randn(0, 4),
    "channels last": lambda: torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last),
    "turned around": lambda: torch.randn(30, 50).t(),
    "with gaps": lambda: torch.randn(30, 50)[:, ::2],
    "one number for all": lambda: torch.randn(1).expand(20, 20),
    "double": lambda: torch.randn(9, 9, dtype=torch.float64),
    "half": lambda: torch.randn(9, 9).half(),
    "bfloat16": lambda: torch.randn(9, 9).bfloat16(),
    "complex": lambda: torch.randn(9, 9, dtype=torch.complex64),
    "not a number": lambda: torch.full((5, 5), torch.nan),
    "large, channels last": lambda: torch.randn(80, 9, 3, 3).to(memory_format=torch.channels_last),
    "large, turned around": lambda: torch.randn(90, 70).t(),
    "large, with gaps": lambda: torch.randn(90, 140)[:, ::2],
    "large, one number for all": lambda: torch.randn(1).expand(90, 70),
    "large, double": lambda: torch.randn(90, 70, dtype=torch.float64),
    "large, an odd number of halves": lambda: torch.randn(91, 71).half(),
    "large, complex": lambda: torch.randn(90, 70, dtype=torch.complex64),
    "large, not a number": lambda: torch.full((90, 70), torch.nan),
}


def parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(make()) for make in MADE.values()]


@each_case("values", Values)
def test_nothing_is_found_where_nothing_was_changed(values: Values) -> None:
    evidence = ParameterEvidence(parameters(), values=values)
    assert evidence.changed() == []


@each_case("values", [Values.ALL, Values.SOME])
@each_case("number", [n for n, name in enumerate(MADE) if name != "none"])
def test_the_one_that_was_written_to_uncounted_is_found(number: int, values: Values) -> None:
    held = parameters()
    evidence = ParameterEvidence(held, values=values)
    changed = held[number]
    version = changed._version
    shared = changed.data.untyped_storage().nbytes() < changed.numel() * changed.element_size()
    (changed.data[:1, :1] if shared else changed.data).fill_(2.0)
    assert changed._version == version
    assert [id(each) for each in evidence.changed()] == [id(changed)]


@each_case("number", [n for n, name in enumerate(MADE) if name != "none"])
def test_where_all_values_count_any_one_of_them_does(number: int) -> None:
    held = parameters()
    evidence = ParameterEvidence(held, values=Values.ALL)
    held[number].data[(-1,) * held[number].ndim].fill_(2.0)
    assert [id(each) for each in evidence.changed()] == [id(held[number])]


@each_case("values", Values)
def test_one_that_lies_elsewhere_is_found_and_put_back(values: Values) -> None:
    held = parameters()
    places = [each.data_ptr() for each in held]
    evidence = ParameterEvidence(held, values=values)
    held[0].data = held[0].detach().clone()
    assert [id(each) for each in evidence.changed()] == [id(held[0])]
    evidence.put_back()
    assert [each.data_ptr() for each in held] == places


def test_another_sign_of_zero_is_a_change() -> None:
    parameter = nn.Parameter(torch.zeros(4))
    evidence = ParameterEvidence([parameter], values=Values.SOME)
    parameter.data.neg_()
    assert len(evidence.changed()) == 1
