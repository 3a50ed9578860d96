"""What a layer is called in a drawing of a network: "3x3 conv, stride 2", "BN", "ReLU"."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.introspection.tracing.map_layout import NoMap
from cnnviz.introspection.tracing.terms import Terms
from cnnviz.introspection.tracing.trace import LayerCall
from cnnviz.results.space import space_of
from cnnviz.results.text import once_or_each

_JOINS = {"add": "+", "multiply": "×", "cat": "concat", "maximum": "max", "minimum": "min"}
_NORMS = (
    ("batch", "BN"),
    ("frozen", "BN"),
    ("layer", "LN"),
    ("group", "GN"),
    ("instance", "IN"),
    ("rms", "RMSN"),
    ("local", "LRN"),
)
_ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "hardtanh": "ReLU6",
    "hardswish": "hard swish",
    "hardsigmoid": "hard sigmoid",
    "silu": "SiLU",
    "gelu": "GELU",
    "elu": "ELU",
    "softmax": "softmax",
}


_POOLS = (
    *(("logsumexp", "log-sum-exp"), ("max", "max"), ("avg", "average"), ("mean", "average")),
    *(("min", "min"), ("median", "median"), ("sum", "sum"), ("norm", "norm")),
)
"""What a pooling takes of its windows, by what is in the name of its layer or operator."""


def layer_label(call: LayerCall) -> str:
    """Return what a layer is, with its kernel and stride, in a few words."""
    if call.kind in _JOINS:
        # A module that does more than join, such as an LSTM, goes by its own name.
        return _JOINS[call.kind] if call.operation is not None else call.type
    if call.kind == "conv":
        return _convolution(call)
    if call.kind == "pool":
        return _pooling(call)
    if call.kind == "norm":
        name = call.type.lower()
        return next((short for word, short in _NORMS if word in name), "norm")
    if call.kind == "activation":
        return _ACTIVATIONS.get(call.type.lower(), call.type)
    return call.type if call.kind == "other" else call.kind


def sign(call: LayerCall) -> str:
    """Return "+" or "×" for an operation that does nothing else; "" for all others."""
    both = call.kind in ("add", "multiply") and call.operation is not None
    return _JOINS[call.kind] if both else ""


def _sizes(numbers: Sequence[int]) -> str:
    return "x".join(map(str, numbers))


def _kernel(call: LayerCall) -> tuple[int, ...]:
    assert call.windows is not None
    axes = len(call.output_shape) - 2
    return call.windows.kernel[-axes:] if axes > 0 else call.windows.kernel


def _stride(call: LayerCall) -> str:
    assert call.windows is not None
    return _setting("stride", call.windows.stride, call)


def _dilation(call: LayerCall) -> str:
    assert call.windows is not None
    return _setting("dilation", call.windows.dilation, call)


def _setting(name: str, numbers: Sequence[int], call: LayerCall) -> str:
    own = numbers[-len(_kernel(call)) :]
    return "" if set(own) == {1} else f", {name} {once_or_each(own, 'x')}"


def _convolution(call: LayerCall) -> str:
    windows = call.windows
    if windows is None:
        return "conv"
    terms = _terms(call)
    what = "conv"
    if terms is not None and terms.sort == "transposed convolution":
        what = "up-conv"
    groups = windows.groups or 1
    if groups > 1 and groups == call.input_shape[1]:
        what = f"depthwise {what}"
    elif groups > 1:
        what = f"{what} in {groups} groups"
    return f"{_sized(what, call)}{_stride(call)}{_dilation(call)}"


def _sized(what: str, call: LayerCall) -> str:
    kernel = _kernel(call)
    return f"{what}, kernel {kernel[0]}" if len(kernel) == 1 else f"{_sizes(kernel)} {what}"


def _terms(call: LayerCall) -> Terms | None:
    return next((one for one in call.terms if "convolution" in one.sort), None)


def _pooling(call: LayerCall) -> str:
    name = call.type.lower()
    what = next((f"{kind} pool" for word, kind in _POOLS if word in name), "pool")
    if call.windows is not None:
        return f"{_sized(what, call)}{_stride(call)}{_dilation(call)}"
    places = () if isinstance(call.map, NoMap) else call.map.size
    if not places or places == space_of(len(places)).one_place:
        return f"global {what}"
    return f"{what} to {_sizes(places)}"
