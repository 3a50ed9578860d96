"""One table of operations: every way of writing one is read alike by all that follow a pass."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.gradients.forward_recorder import ForwardRecorder
from cnnviz.introspection import operations
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.operations import addends, of_operator, operation
from cnnviz.introspection.residual_adds import additions
from cnnviz.introspection.tracing import trace
from tests.helpers.each_case import each_case

Binary = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SUMS: dict[str, Binary] = {
    "operator": lambda a, b: a + b,
    "operator in place": operator.iadd,
    "function": torch.add,
    "function by keyword": lambda a, b: torch.add(input=a, other=b),
    "function with a factor": lambda a, b: torch.add(a, b, alpha=2),
    "method": lambda a, b: a.add(b),
    "method in place": lambda a, b: a.add_(b),
    "dunder": lambda a, b: a.__add__(b),
    "reflected": lambda a, b: a.__radd__(b),
    "module": lambda a, b: torch.ao.nn.quantized.FloatFunctional().add(a, b),
    "operator of ATen": lambda a, b: torch.ops.aten.add.Tensor(a, b),
    "packet of ATen": torch.ops.aten.add,
}


class Joined(nn.Module):
    """Two convolutions, joined in some way."""

    def __init__(self, join: Binary) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.other, self.join = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), join

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.join(self.one(inputs), self.other(inputs))


@each_case("form", SUMS)
def test_every_reader_meets_every_way_of_adding(form: str) -> None:
    module = Joined(SUMS[form]).eval()
    inputs = torch.randn(1, 3, 2, 2)
    # Autograd, which knows nothing of the table, calls it an addition as well.
    output = module(inputs)
    assert output.grad_fn is not None
    assert output.grad_fn.name() == "AddBackward0"

    with additions(module) as seen:
        module(inputs)
    weights = [found.weight for found in seen.found]
    assert weights == [2.0 if "factor" in form else 1.0]

    with ForwardRecorder() as recorder:
        module(inputs)
    assert [met.kind for met in recorder.met] == ["conv", "conv", "add"]
    assert [call.kind for call in trace(module, (3, 2, 2)).calls] == ["conv", "conv", "add"]


@each_case(
    "join",
    [
        lambda a, b: a * b,
        lambda a, b: a + 1.0,
        lambda a, b: torch.cat([a, b], 1),
        torch.maximum,
    ],
)
def test_nothing_else_is_taken_for_an_addition_of_two_maps(join: Binary) -> None:
    module = Joined(join)
    with additions(module) as seen:
        module(torch.randn(1, 3, 2, 2))
    assert seen.found == []


@each_case(
    ("join", "weights"),
    [
        (lambda a, b: a - b, (1.0, -1.0)),
        (lambda a, b: a + 1.0 + b.sum(), (1.0, 1.0)),
        (lambda a, b: torch.lerp(a, b, 0.25), (0.75, 0.25)),
        (lambda a, b: torch.addcmul(a, b, b, value=2.0), (1.0, 2.0)),
        (lambda a, b: torch.stack([a, b]).mean(0), (0.5, 0.5)),
    ],
)
def test_sums_in_other_forms_are_additions_with_weights(
    join: Binary, weights: tuple[float, float]
) -> None:
    module = Joined(join)
    with additions(module) as seen:
        module(torch.randn(1, 3, 2, 2))
    assert [(one.first_weight, one.weight) for one in seen.found] == [weights]


class _Told(FunctionMode):
    """Keeps what each call is told to be."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str | None] = []

    def answer(self, func: Any, args: Any, named: Any) -> Any:
        self.words.append(operation(func))
        return func(*args, **named)


@each_case(
    ("word", "call"),
    [
        (operations.SUBTRACT, lambda a, b: a - b),
        (operations.SUBTRACT, lambda a, _: 1 - a),
        (operations.SUBTRACT, operator.isub),
        (operations.MULTIPLY, lambda a, b: a * b),
        (operations.MULTIPLY, operator.imul),
        (operations.MULTIPLY, torch.ops.aten.mul_.Tensor),
        (operations.DIVIDE, lambda a, b: a / b),
        (operations.DIVIDE, operator.itruediv),
        (operations.MAXIMUM, torch.fmax),
        (operations.MINIMUM, torch.minimum),
        (operations.CAT, lambda a, b: torch.concatenate([a, b])),
        (operations.CAT, lambda a, b: torch.cat((a, b), dim=1)),
        (operations.STACK, lambda a, b: torch.stack([a, b])),
        (operations.SOFTMAX, lambda a, _: a.log_softmax(1)),
        (operations.SOFTMAX, lambda a, _: F.softmax(a, 1)),
        (operations.SOFTMAX, lambda a, _: torch.special.softmax(a, 1)),
        (operations.LINEAR, lambda a, b: F.linear(a, b)),
        (operations.LINEAR, lambda a, b: F.bilinear(a, b, torch.ones(2, 3, 3))),
        (operations.CONVOLUTION, lambda a, b: F.conv1d(a[None], b[None])),
        (operations.NORMALISATION, lambda a, _: F.layer_norm(a, (3,))),
        (operations.NORMALISATION, lambda a, _: torch.layer_norm(a, (3,))),
        (operations.NORMALISATION, lambda a, _: nn.BatchNorm1d(3).eval()(a)),
        (None, lambda a, _: a.relu()),
        (operations.PRODUCT, torch.matmul),
        (operations.PRODUCT, lambda a, b: torch.einsum("ij,jk->ik", a, b)),
        (operations.PRODUCT, lambda a, b: a @ b),
    ],
)
def test_forms_of_the_other_operations(word: str | None, call: Binary) -> None:
    with _Told() as told:
        call(torch.rand(3, 3), torch.rand(3, 3))
    assert [one for one in told.words if one is not None] == ([] if word is None else [word])


def test_what_is_no_function_of_torch_is_nothing() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]
        __name__ = "add"

    def add(one: int, other: int) -> int:
        return one + other

    assert operation(Odd()) is None
    # A function of the user's own may be called what it likes.
    assert operation(add) is None
    assert of_operator("relu") is None
    assert of_operator("add_") == operations.ADD


def test_addends_are_two_tensors_of_one_shape() -> None:
    one, other = torch.ones(2, 2), torch.ones(2)
    assert addends(torch.add, (one, other), {}) is None
    assert addends(torch.add, (one, 1.0), {}) is None
    assert addends(torch.add, (one, one), {"out": one}) is None
    found = addends(torch.Tensor.add_, (one,), {"other": one, "alpha": 3})
    assert found is not None
    assert found.weight == 3.0
    assert not found.differentiable
