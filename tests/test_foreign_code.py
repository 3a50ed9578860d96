"""Code of others is told from ours by where an error came up."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ModelError, TargetError
from cnnviz.foreign_code import Foreign, called, told
from cnnviz.introspection.forward import forward
from cnnviz.introspection.hooks import module_hooks
from tests.helpers.each_case import each_case


class _Failing(nn.Module):
    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.error = error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.error is not None:
            raise self.error
        return self.conv(images).mean((2, 3))


IMAGES = torch.zeros(1, 3, 8, 8)


@pytest.mark.parametrize("error", [KeyError("a"), StopIteration(), SystemExit(7), EOFError()])
def test_what_a_network_raises_is_its_own_fault(error: BaseException) -> None:
    said = rf"fails on an input .*{type(error).__name__}.* \(test_foreign_code.py, line \d+\)"
    with pytest.raises(ModelError, match=said) as found:
        forward(_Failing(error), IMAGES)
    assert found.value.__cause__ is error


@each_case("error", [KeyboardInterrupt(), GeneratorExit(), BrokenPipeError(32, "")])
def test_what_is_no_fault_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        forward(_Failing(error), IMAGES)


def test_what_ours_raises_inside_is_not_told_as_theirs() -> None:
    # As a function of a module of this package.
    exec("def fail(*_): raise KeyError('ours')", ours := {"__name__": "cnnviz.passes.made_up"})
    network = _Failing()
    with (
        module_hooks({"conv": network.conv}, before=ours["fail"]),
        pytest.raises(KeyError, match="ours"),
    ):
        forward(network, IMAGES)


def test_functions_without_a_frame_are_theirs() -> None:
    with pytest.raises(TargetError, match="It fails: KeyError: 'b'"):
        called(lambda what: TargetError(f"It fails: {what}."), {}.__getitem__, "b")


def test_a_target_and_an_objective_that_fail_are_told() -> None:
    def broken(output: torch.Tensor) -> torch.Tensor:
        raise KeyError("score")

    images = torch.zeros(1, 3, 8, 8)
    with pytest.raises(TargetError, match="The target callable broken fails: KeyError: 'score'"):
        cnnviz.capture(_Failing(), images, target=broken)
    with pytest.raises(TargetError, match="The objective fails: KeyError: 'score'"):
        cnnviz.gradient_flow(_Failing(), images, objective=broken)


def test_a_text_that_fails_or_goes_on_is_told_as_far_as_it_goes() -> None:
    class Wordless(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise ValueError

    assert told(Wordless()) == "Wordless"
    assert len(told(KeyError("word " * 1000))) < 400


def test_a_stop_of_an_iteration_is_told_inside_a_generator_too() -> None:
    with pytest.raises(ModelError, match="StopIteration"), Foreign(ModelError):
        next(iter(()))
