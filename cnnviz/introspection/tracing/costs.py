"""What one operation is, what it costs, and how its window fits its input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnviz.introspection import operations
from cnnviz.introspection.operator_kinds import ACTIVATIONS, PADS, POOLS
from cnnviz.introspection.tracing.operation import Operation, tensors
from cnnviz.introspection.tracing.registry import RULES
from cnnviz.introspection.tracing.rule_lookup import CONSTANT
from cnnviz.introspection.tracing.rules_compute import FACTORS, pool, pool_window
from cnnviz.results.space import IMAGE, space_of
from cnnviz.results.text import dimensions

_KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "conv": "torchvision::deform_conv2d",
        "linear": " ".join((*FACTORS, "_trilinear")),
        "recurrent": "mkldnn_rnn_layer _cudnn_rnn miopen_rnn",
        "attention": "_native_multi_head_attention _transformer_encoder_layer_fwd "
        "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
        "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention",
        "pool": POOLS,
        "activation": ACTIVATIONS
        + " _prelu_kernel clamp clamp_min log_sigmoid_forward rrelu_with_noise",
        "upsample": "upsample_nearest2d upsample_bilinear2d upsample_bicubic2d "
        "_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_nearest_exact2d pixel_shuffle "
        "upsample_nearest1d upsample_linear1d _upsample_nearest_exact1d upsample_nearest3d "
        "upsample_trilinear3d _upsample_nearest_exact3d",
        "pad": PADS,
    }.items()
    for name in names.split()
}
_ALWAYS: Mapping[str | None, str] = {
    operations.CONVOLUTION: "conv",
    operations.NORMALISATION: "norm",
    operations.SOFTMAX: "activation",
    operations.CAT: "cat",
    operations.STACK: "cat",
}
"""The kinds of operations that the library's table knows, whatever goes in."""
_MERGES: Mapping[str | None, str] = {
    operations.ADD: "add",
    operations.SUBTRACT: "add",
    operations.MULTIPLY: "multiply",
    operations.DIVIDE: "multiply",
    operations.MAXIMUM: "maximum",
    operations.MINIMUM: "minimum",
}
"""Of those that are of account where both sides, or a parameter, go in."""


def operation_kind(
    operation: Operation, dependent: int, parameters: int, *, pools: bool
) -> str | None:
    """Return what an operation is to a reader of the network, or None if it is of no account.

    Parameters
    ----------
    operation : Operation
        The operation.
    dependent : int
        How many of its inputs depend on the image.
    parameters : int
        How many parameters of the network it reads.
    pools : bool
        Whether it sums a map up over its positions.
    """
    name = operation.name
    what = operations.of_operator(name)
    if name in _KINDS or what in _ALWAYS:
        return _KINDS.get(name) or _ALWAYS[what]
    if what in _MERGES:
        if dependent > 1:
            return _MERGES[what]
        scales = what in (operations.MULTIPLY, operations.DIVIDE)
        return ("scale" if scales else "add") if parameters else None
    if pools or (name == "mean" and len(operation.values.get("dim") or ()) != 1):
        return "pool"
    if name in ("view", "_unsafe_view", "reshape"):
        before, after = operation["self"], operation.outputs[0]
        # Each image keeps its row, or rows of a map and steps of a sequence are set apart.
        whole = before.ndim in (3, 4, 5) and after.ndim == 2 and len(before) == len(after)
        return "flatten" if whole else None
    if name in CONSTANT or (operation.overwritten is not None and name != "copy"):
        return None
    if parameters:
        return "scale" if operation.pointwise else "other"
    return None if name in RULES or operation.pointwise else "other"


_FAMILIAR = {
    "convolution": "conv",
    "addmm": "linear",
    "mm": "matmul",
    "bmm": "matmul",
    "max_pool2d_with_indices": "max_pool2d",
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
    "_trilinear": "bilinear",
    "mkldnn_rnn_layer": "rnn_layer",
}


def common_name(operation: Operation, what: str) -> str:
    """Return the name by which users know an operator, given its kind."""
    name = operation.name
    if what == "flatten":
        return what
    if what == "norm" and "batch_norm" in name:
        return "batch_norm"
    return _FAMILIAR.get(name, name.lstrip("_"))


def multiply_accumulates(operation: Operation) -> int:
    """Return the multiply-accumulate operations of a convolution or matrix product, else 0.

    They are those of real numbers. torch makes three real convolutions of a complex one, which are
    met each by itself; a product of complex matrices takes four of each of its own. Those of an
    operation that `is_uncounted` are not known.
    """
    count = _of_its_numbers(operation)
    return 4 * count if count and operation.outputs[0].is_complex() else count


def _of_its_numbers(operation: Operation) -> int:
    name = operation.name
    if name == "torchvision::deform_conv2d":
        weight = operation["weight"].shape
        return int(math.prod(operation.outputs[0].shape) * math.prod(weight[1:]))
    if name in _RECURRENT:
        # Each position of a sequence meets every weight once.
        weights = tensors([operation[given] for given in _RECURRENT[name]])
        matrices = sum(one.numel() for one in weights if one.ndim == 2)
        return int(math.prod(operation["input"].shape[:-1]) * matrices)
    if name == "_trilinear":
        # One side meets the weights, what comes of it the other side.
        rows, columns = operation["i2"].shape[-2:] if operation["i2"].ndim == 3 else (1, 1)
        return int(operation.outputs[0].numel() * (rows + 1) * columns)
    if operations.of_operator(name) == operations.CONVOLUTION:
        weight = operation["weight"].shape
        # A transposed convolution meets the kernel at every input, any other at every output.
        site = operation["input"] if operation["transposed"] else operation.outputs[0]
        return int(math.prod(site.shape) * math.prod(weight[1:]))
    if name in FACTORS:
        return math.prod(operation.outputs[0].shape) * int(operation[FACTORS[name][0]].shape[-1])
    if name in _TERMS:
        factor, axes = _TERMS[name]
        terms = math.prod(operation[factor].shape[axis] for axis in axes)
        return math.prod(operation.outputs[0].shape) * int(terms)
    if name.startswith("_scaled_dot_product"):
        query, key, value = (operation[part].shape for part in ("query", "key", "value"))
        tokens = math.prod(query[:-1]) * key[-2]
        return int(tokens * (query[-1] + value[-1]))
    if name == "_native_multi_head_attention":
        batch, tokens, width = operation["query"].shape
        return int(batch * (4 * tokens * width**2 + 2 * tokens**2 * width))
    return 0


def weights_of(operation: Operation) -> tuple[Any, ...]:
    """Return what may hold the weights of a convolution or of a product of two matrices."""
    if operations.of_operator(operation.name) == operations.CONVOLUTION:
        return (operation["weight"],)
    return tuple(operation[factor] for factor in reversed(FACTORS.get(operation.name, ())))


_RECURRENT = {
    "mkldnn_rnn_layer": ("weight0", "weight1"),
    "_cudnn_rnn": ("weight",),
    "miopen_rnn": ("weight",),
}
"""The names of the weights of each recurrent operator."""
_TERMS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "conv_tbc": ("weight", (0, 1)),
    "addbmm": ("batch1", (0, 2)),
    "_addmm_activation": ("mat1", (1,)),
    "_int_mm": ("self", (1,)),
    "vdot": ("self", (0,)),
}
"""Of products without a rule of their own: the factor over whose axes each element is a sum."""
_COSTLY = (
    *("_fft_", "linalg_", "_linalg_", "_cdist_", "_pdist_", "_sparse_", "sspaddmm", "cholesky"),
    *("geqrf", "orgqr", "ormqr", "triangular_solve", "lu_solve", "_trilinear"),
    # Ways to call a convolution or a product that are meant for torch itself.
    *("slow_conv", "_slow_conv", "thnn_conv", "_nnpack_", "mkldnn_conv", "mkldnn_linear"),
    *("cudnn_conv", "miopen_conv", "miopen_depthwise", "_conv_depthwise", "conv_depthwise"),
    *("_grouped_mm", "_foreach_mm", "_scaled_mm", "_scaled_grouped", "_weight_int", "_dyn_quant"),
)
_FREE = ("linalg_vector_norm", "linalg_cross")
_INTERPOLATING = ("torchvision::roi_align", "torchvision::roi_pool", "torchvision::nms")


def is_uncounted(operation: Operation) -> bool:
    """Tell whether an operation costs something that `multiply_accumulates` cannot count.

    Transforms, decompositions and operators that are not torch's own do; interpolation and what
    goes element by element has no matrix product in it.
    """
    name = operation.name
    if "::" in name:
        return name not in (*_INTERPOLATING, "torchvision::deform_conv2d")
    costly = name.startswith(_COSTLY) and name not in _FREE
    return costly and not multiply_accumulates(operation)


@dataclass(frozen=True)
class Windows:
    """The sliding windows of a convolution or pooling layer, and how they fit its input.

    Attributes
    ----------
    kernel, stride, dilation : tuple of int
        One number for each spatial dimension.
    padding, padding_after : tuple of int
        What the layer adds before and after the input, along each dimension.
    groups : int or None
        Groups of channels; None for pooling.
    leftover : tuple of int
        Pixels of the input at its end, along each dimension, that no window covers.
    overhang : tuple of int
        Pixels by which the last windows reach beyond the padded input, along each dimension: their
        number was rounded up.
    uneven : str or None
        A sentence where the stride does not divide evenly, else None.
    gaps : str or None
        A sentence where windows lie so far apart that positions between them are never read.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    padding_after: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int | None
    leftover: tuple[int, ...]
    overhang: tuple[int, ...]
    uneven: str | None
    gaps: str | None = None


Pads = tuple[tuple[int, int], ...]
"""What is added before and after, along each of the last dimensions."""


def windows(operation: Operation, pads: Pads = ()) -> Windows | None:
    """Return the sliding windows of an operation that has some.

    `pads` is what its layer added to its input before: by another operation where the padding is
    not of zeros, or not the same at both ends.
    """
    if operations.of_operator(operation.name) == operations.CONVOLUTION:
        kernel = tuple(operation["weight"].shape[2:])
        found: dict[str, Any] = {
            name: operation.pair(name, len(kernel)) for name in ("stride", "padding", "dilation")
        }
        found |= {"kernel": kernel, "groups": int(operation["groups"])}
        source = operation["input"]
        if operation["transposed"]:
            nothing = (0,) * len(kernel)
            after = found["padding"]
            return Windows(
                **found, padding_after=after, leftover=nothing, overhang=nothing, uneven=None
            )
    elif RULES.get(operation.name) is pool:
        found = {**pool_window(operation), "groups": None}
        source = operation["self"]
    else:
        return None
    count = len(found["kernel"])
    own = ((0, 0),) * (count - len(pads)) + pads[-count:]
    sizes = [size - sum(pad) for size, pad in zip(source.shape[-count:], own, strict=True)]
    given = found["padding"]
    found["padding"] = tuple(pad + before for pad, (before, _) in zip(given, own, strict=True))
    found["padding_after"] = tuple(pad + after for pad, (_, after) in zip(given, own, strict=True))
    parts = ("kernel", "stride", "padding", "padding_after", "dilation")
    axes = [
        _Fit(*numbers)
        for numbers in zip(
            sizes,
            operation.outputs[0].shape[-count:],
            *(found[name] for name in parts),
            strict=True,
        )
    ]
    gaps = _gaps(axes)
    return Windows(
        **found,
        leftover=tuple(axis.leftover for axis in axes),
        overhang=tuple(axis.overhang for axis in axes),
        uneven=None if gaps else _uneven(axes),
        gaps=gaps,
    )


@dataclass(frozen=True)
class _Fit:
    """How windows fit along one dimension."""

    size: int
    outputs: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int

    @property
    def reach(self) -> int:
        return self.dilation * (self.kernel - 1) + 1

    @property
    def rest(self) -> int:
        return (self.size + self.before + self.after - self.reach) % self.stride

    @property
    def overhang(self) -> int:
        # Beyond the padded input, where the number of windows was rounded up.
        return max(0, self._end - self.size - self.after)

    @property
    def leftover(self) -> int:
        return max(0, self.size - self._end)

    @property
    def _end(self) -> int:
        """Where the last window ends, counted from the start of the input."""
        return (self.outputs - 1) * self.stride - self.before + self.reach

    def formula(self) -> str:
        padding = padding_text(self.before, self.after)
        exact = (self.size + self.before + self.after - self.reach) / self.stride + 1
        return f"({self.size}{padding} − {self.reach})/{self.stride} + 1 = {exact:.4g}"


def padding_text(before: int, after: int) -> str:
    """Return what padding adds to a size, as a term of a formula: " + 2·1", " + 1 + 2"."""
    if not (before or after):
        return ""
    return f" + 2·{before}" if before == after else f" + {before} + {after}"


def _gaps(axes: list[_Fit]) -> str | None:
    if not any(axis.stride > axis.reach for axis in axes):
        return None
    window, moves, read, size = (
        dimensions(numbers)
        for numbers in zip(
            *((axis.kernel, axis.stride, axis.outputs * axis.kernel, axis.size) for axis in axes),
            strict=True,
        )
    )
    return f"Its {window} window moves by {moves}: it reads {read} of {size} positions."


def _uneven(axes: list[_Fit]) -> str | None:
    odd = [axis for axis in axes if axis.rest]
    if not odd:
        return None
    formulas = list(dict.fromkeys(axis.formula() for axis in odd))
    start = " and ".join(formulas) + f" {'is' if len(formulas) == 1 else 'are'} not whole: "
    if any(axis.overhang for axis in odd):
        reach = max(axis.overhang for axis in odd)
        unit = space_of(len(axes)).unit
        return f"{start}rounded up, the last windows reach {reach} {unit} beyond the border."
    if any(axis.leftover for axis in axes):
        names = space_of(len(axes)).names
        lost = [_last(axis.leftover, name) for axis, name in zip(axes, names, strict=True)]
        words = " and ".join(filter(None, lost))
        size = dimensions(axis.size for axis in axes)
        return f"{start}rounded down, {words} of its {size} input {_verb(axes)} in no window."
    lost_none = "no pixel" if len(axes) == IMAGE.axes else "nothing"
    return f"{start}rounded down, only padding is left over and {lost_none} is lost."


def _last(count: int, name: str) -> str:
    return "" if count == 0 else f"the last {f'{count} {name}s' if count > 1 else name}"


def _verb(axes: list[_Fit]) -> str:
    return "is" if sum(axis.leftover for axis in axes) == 1 else "are"
