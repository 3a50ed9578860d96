"""What a call of torch does, however it is written: one table for functions, methods and operators.

Networks add with ``+``, ``+=``, `torch.add`, `torch.Tensor.add_` or an operator of ATen, and every
part of the library that follows a forward pass has to know them all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

ADD, SUBTRACT, MULTIPLY, DIVIDE = "add", "subtract", "multiply", "divide"
MAXIMUM, MINIMUM = "maximum", "minimum"
CAT, STACK, SOFTMAX = "cat", "stack", "softmax"
CONVOLUTION, LINEAR, NORMALISATION = "convolution", "linear", "normalisation"
RECURRENT, ATTENTION, PRODUCT = "recurrent", "attention", "product"

_NAMES: Mapping[str, str] = {
    # What `torch.Tensor` and ATen call it, without the underscore of an in-place form.
    ADD: "add",
    SUBTRACT: "sub subtract rsub",
    MULTIPLY: "mul multiply",
    DIVIDE: "div divide true_divide",
    MAXIMUM: "maximum fmax",
    MINIMUM: "minimum fmin",
    CAT: "cat concat concatenate",
    STACK: "stack",
    SOFTMAX: "softmax log_softmax _softmax _log_softmax",
    CONVOLUTION: "convolution _convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d "
    "conv_transpose3d",
    LINEAR: "linear bilinear",
    RECURRENT: "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    ATTENTION: "multi_head_attention_forward",
    PRODUCT: "matmul mm bmm mv dot inner einsum tensordot addmm addmv addbmm baddbmm chain_matmul "
    "multi_dot",
    NORMALISATION: "batch_norm instance_norm group_norm layer_norm rms_norm native_batch_norm "
    "_native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm "
    "miopen_batch_norm native_layer_norm native_group_norm _fused_rms_norm",
}
_BY_NAME = {name: what for what, names in _NAMES.items() for name in names.split()}

_FUNCTIONS: Mapping[str, tuple[Any, ...]] = {
    ADD: (torch.Tensor.__add__, torch.Tensor.__iadd__, torch.Tensor.__radd__),
    SUBTRACT: (torch.Tensor.__sub__, torch.Tensor.__isub__, torch.Tensor.__rsub__),
    MULTIPLY: (torch.Tensor.__mul__, torch.Tensor.__imul__, torch.Tensor.__rmul__),
    DIVIDE: (torch.Tensor.__truediv__, torch.Tensor.__itruediv__, torch.Tensor.__rtruediv__),
    PRODUCT: (torch.Tensor.__matmul__, torch.Tensor.__rmatmul__),
}
"""Those whose name says too little."""


def _known() -> Iterator[tuple[Any, str]]:
    for what, functions in _FUNCTIONS.items():
        yield from ((function, what) for function in functions)
    for name, what in _BY_NAME.items():
        for owner in (torch, torch.Tensor, F, torch.special, torch.linalg):
            for written in (name, f"{name}_"):
                if hasattr(owner, written):
                    yield getattr(owner, written), what


_BY_FUNCTION = dict(_known())


def operation(func: Any) -> str | None:
    """Return what a call does, one of the words of this file, or None for anything else.

    Parameters
    ----------
    func : callable
        What a `cnnviz.introspection.function_calls.FunctionMode` or a dispatch mode is told of.
    """
    if isinstance(func, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
        packet = func.overloadpacket if isinstance(func, torch._ops.OpOverload) else func
        return of_operator(packet.__name__)
    try:
        return _BY_FUNCTION.get(func)
    except TypeError:  # An object that cannot be hashed is none of torch's.
        return None


def as_written(func: Any, named: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Return a call of an operator of ATen as the function of torch that takes the same arguments.

    Programs of `torch.export` call operators, and what is known of functions is known by them. It
    is for looking up: what runs is the operator.

    Parameters
    ----------
    func : callable
        What is called; anything but an operator of ATen is returned as it is.
    named : mapping
        The arguments given by name; what an operator calls ``self`` is ``input`` to a function.
    """
    packet = func.overloadpacket if isinstance(func, torch._ops.OpOverload) else func
    if not isinstance(packet, torch._ops.OpOverloadPacket):
        return func, named
    if not packet._qualified_op_name.startswith("aten::"):
        return func, named
    name = packet.__name__
    places = (torch, F, torch.Tensor)
    function = next((getattr(place, name) for place in places if hasattr(place, name)), func)
    return function, {"input" if key == "self" else key: value for key, value in named.items()}


def of_operator(name: str) -> str | None:
    """Return what an operator of ATen does, by its name, as `operation` does."""
    return _BY_NAME.get(name.removesuffix("_"))


@dataclass(frozen=True, eq=False)
class Addends:
    """The two tensors of one shape that a call adds: ``first_weight * first + weight * second``."""

    first: torch.Tensor
    second: torch.Tensor
    weight: float = 1.0
    first_weight: float = 1.0

    @property
    def differentiable(self) -> bool:
        """Whether a gradient is wanted of both."""
        return self.first.requires_grad and self.second.requires_grad


def addends(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Addends | None:
    """Return what a call adds, or None where it does not add two tensors of one shape."""
    if operation(func) != ADD or "out" in named:
        return None
    terms = (*args, *(named[name] for name in ("self", "input", "other") if name in named))
    if len(terms) != 2 or not all(isinstance(term, torch.Tensor) for term in terms):
        return None
    if terms[0].shape != terms[1].shape:
        return None
    return Addends(terms[0], terms[1], float(named.get("alpha", 1.0)))


def weighted_sum(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Addends | None:
    """Return what a call adds, in whichever of the forms there are, or None where it adds nothing.

    Besides what `addends` knows: differences, `torch.lerp`, `torch.addcmul` and its like, products
    with something added to them, and a term that is broadcast. Terms that the call makes itself
    are computed here once more, with their graph.
    """
    plain = addends(func, args, named)
    if plain is not None or "out" in named:
        return plain
    form = _FORMS.get(str(getattr(func, "__name__", "")).strip("_"))
    if form is None:
        return None
    try:
        found = form(*args, **named)
    except TypeError:  # Another way to call it, with numbers in place of tensors.
        return None
    if found is None or not found.differentiable:
        return None
    shape = np.broadcast_shapes(found.first.shape, found.second.shape)
    return replace(
        found,
        first=found.first if found.first.shape == shape else found.first.expand(shape),
        second=found.second if found.second.shape == shape else found.second.expand(shape),
    )


def _both(input: Any, other: Any, weight: float, first_weight: float = 1.0) -> Addends | None:
    if not isinstance(input, torch.Tensor) or not isinstance(other, torch.Tensor):
        return None
    return Addends(input, other, weight, first_weight)


def _plus(input: Any, other: Any, *, alpha: float = 1.0) -> Addends | None:
    return _both(input, other, float(alpha))


def _minus(input: Any, other: Any, *, alpha: float = 1.0) -> Addends | None:
    return _both(input, other, -float(alpha))


def _minus_reversed(input: Any, other: Any, *, alpha: float = 1.0) -> Addends | None:
    return _both(other, input, -float(alpha))


def _between(input: Any, end: Any, weight: Any) -> Addends | None:
    if isinstance(weight, torch.Tensor):
        return _both(input * (1 - weight), end * weight, 1.0)
    return _both(input, end, float(weight), 1.0 - float(weight))


def _with_product(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1.0) -> Addends | None:
    return _both(input, tensor1 * tensor2, float(value))


def _with_quotient(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1.0) -> Addends | None:
    return _both(input, tensor1 / tensor2, float(value))


def _with_matrices(
    input: Any, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0
) -> Addends | None:
    return _both(input, mat1 @ mat2, float(alpha), float(beta))


_FORMS: Mapping[str, Callable[..., Addends | None]] = {
    **dict.fromkeys(("add", "iadd", "radd"), _plus),
    **dict.fromkeys(("sub", "subtract", "isub"), _minus),
    "rsub": _minus_reversed,
    "lerp": _between,
    "addcmul": _with_product,
    "addcdiv": _with_quotient,
    **dict.fromkeys(("addmm", "baddbmm"), _with_matrices),
}
"""How to read the calls that add, by what they are called without underscores."""
