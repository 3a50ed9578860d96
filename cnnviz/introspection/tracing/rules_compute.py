"""Rules of the operators that combine elements: arithmetic, windows, sums, products, statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from cnnviz.introspection.tracing import kernel_taps as tapping
from cnnviz.introspection.tracing.field_reshape import reshape
from cnnviz.introspection.tracing.field_union import gather, hull, mixed_channels, reduce, union
from cnnviz.introspection.tracing.fields import Ends, Field, Shape, rearranged
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look, UnknownFieldError, rule


@rule("clone", "alias", "detach", "_to_copy", "lift_fresh", "where", "masked_fill", "prelu")
@rule("_prelu_kernel", "hardswish", "log_sigmoid_forward", "rrelu_with_noise", "lift")
@rule("_conj", "_conj_physical", "_neg_view", "resolve_conj", "resolve_neg", "complex")
@rule("native_dropout", "threshold", "__and__", "__or__", "fake_quantize_per_tensor_affine")
def combine(operation: Operation, look: Look, gateless: bool) -> Found:
    """Elementwise; without gates, an operand that is one value for the whole map is passed over."""
    shape = tuple(operation.outputs[0].shape)
    fields = [field for tensor in operation.inputs if (field := look(tensor)) is not None]
    if len(fields) == 1 and fields[0].shape == shape:
        return fields[0]
    if gateless and len(fields) > 1:
        fields = [field for field in fields if not _is_gate(field, fields, shape)] or fields
    return union(fields, shape) if fields else None


def _is_gate(field: Field, others: Sequence[Field], shape: Shape) -> bool:
    lengths = (1,) * (len(shape) - len(field.shape)) + field.shape
    for other in others:
        if other is field or len(other.shape) < len(shape) or len(shape) < 3:
            continue
        dims = other.positions() or (len(shape) - 2, len(shape) - 1)
        broadcast = [lengths[dim] == 1 and other.shape[dim] > 1 for dim in dims]
        if any(broadcast) and all(lengths[dim] == 1 for dim in dims):
            return True
    return False


@rule("copy", "fill", "normal", "bernoulli")
def replace_values(operation: Operation, look: Look, gateless: bool) -> Found:
    """What is written, or what is drawn by, in place of what was there."""
    read = [tensor for tensor in operation.inputs if tensor is not operation.overwritten]
    fields = [field for tensor in read if (field := look(tensor)) is not None]
    return union(fields, tuple(operation.outputs[0].shape)) if fields else None


@rule(
    "fake_quantize_per_tensor_affine_cachemask",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
    "fake_quantize_per_channel_affine_cachemask",
    "_fused_moving_avg_obs_fq_helper",
)
def round_values(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every element is rounded where it is, as training for quantised weights does."""
    source = look(operation["self"])
    return union([source], tuple(operation.outputs[0].shape)) if source is not None else None


@rule("convolution", "_convolution")
def convolve(operation: Operation, look: Look, gateless: bool) -> Found:
    """Windows along the spatial dimensions, all channels of a group mixed."""
    source, weight = look(operation["input"]), look(operation["weight"])
    kernel = tuple(operation["weight"].shape[2:])
    count = len(kernel)
    output = operation.outputs[0]
    found: list[Field] = []
    if source is not None:
        field = mixed_channels(source, 1, operation["groups"], output.shape[1])
        window = [operation.pair(name, count) for name in ("stride", "padding", "dilation")]
        for axis in range(count):
            make = tapping.transposed if operation["transposed"] else tapping.sliding
            length, size = field.shape[2 + axis], output.shape[2 + axis]
            field = gather(
                field, 2 + axis, make(length, size, kernel[axis], *(w[axis] for w in window))
            )
        found.append(field)
    if weight is not None and not (gateless and found):
        found.append(reduce(weight, range(len(weight.shape)), keep=True))
    return union(found, tuple(output.shape)) if found else None


@rule("max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d")
@rule("avg_pool3d", "max_pool2d", "max_pool1d", "max_pool1d_with_indices")
def pool(operation: Operation, look: Look, gateless: bool) -> Found:
    """Windows along the spatial dimensions, each channel alone."""
    field = look(operation["self"])
    if field is None:
        return None
    window = pool_window(operation)
    count = len(window["kernel"])
    for axis in range(count):
        dim = len(field.shape) - count + axis
        taps = tapping.sliding(
            field.shape[dim],
            operation.outputs[0].shape[dim],
            window["kernel"][axis],
            window["stride"][axis],
            window["padding"][axis],
            window["dilation"][axis],
        )
        field = gather(field, dim, taps)
    return field


def pool_window(operation: Operation) -> dict[str, tuple[int, ...]]:
    """Return kernel, stride, padding and dilation of a pooling operation."""
    count = next((n for n in (1, 3) if f"{n}d" in operation.name), 2)
    kernel = operation.pair("kernel_size", count)
    dilation = operation.pair("dilation", count) if "dilation" in operation.values else ()
    return {
        "kernel": kernel,
        "stride": operation.pair("stride", count) or kernel,
        "padding": operation.pair("padding", count),
        "dilation": dilation or (1,) * count,
    }


@rule("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d")
@rule("adaptive_max_pool3d", "adaptive_avg_pool1d", "adaptive_max_pool1d")
def pool_adaptively(operation: Operation, look: Look, gateless: bool) -> Found:
    """Windows that tile the map; one output position sees the whole map."""
    field = look(operation["self"])
    if field is None:
        return None
    output = operation.outputs[0]
    size = operation["output_size"]
    count = 1 if isinstance(size, int) else len(size)
    for dim in range(output.ndim - count, output.ndim):
        if field.shape[dim] != output.shape[dim]:
            field = gather(field, dim, tapping.adaptive(field.shape[dim], output.shape[dim]))
    return field


@rule("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "prod")
@rule("logsumexp", "linalg_vector_norm", "norm", "argmax", "argmin", "median", "any", "all")
def reduce_dims(operation: Operation, look: Look, gateless: bool) -> Found:
    """Everything along the reduced dimensions united."""
    if operation["other"] is not None:
        return combine(operation, look, gateless)
    field = look(operation["self"])
    if field is None:
        return None
    dims = operation["dim"]
    if isinstance(dims, int):
        dims = [dims]
    everything = range(len(field.shape))
    return reduce(field, list(dims) if dims else everything, keep=bool(operation["keepdim"]))


@rule("_fft_r2c", "_fft_c2c", "_fft_c2r")
def transform(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every frequency depends on all positions, and every position on all frequencies."""
    field = look(operation["self"])
    if field is None:
        return None
    return Field(tuple(operation.outputs[0].shape), hull(field, operation["dim"]).spans)


@rule("cummax", "cummin", "cumsum", "cumprod", "logcumsumexp")
def accumulate(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every position depends on all before it."""
    field = look(operation["self"])
    if field is None or not field.shape:
        return field
    return _accumulated(field, operation["dim"] % len(field.shape))


def _accumulated(field: Field, dim: int, *, backwards: bool = False) -> Field:
    def over(ends: Ends) -> Ends:
        turned = np.flip(ends, dim) if backwards else ends
        found = np.minimum.accumulate(turned, axis=dim)
        return np.flip(found, dim) if backwards else found

    return rearranged(field, field.shape, over, lambda frame: None if frame.dim == dim else frame)


@rule("grid_sampler_2d", "grid_sampler_3d", "_grid_sampler_2d_cpu_fallback", "cudnn_grid_sampler")
def sample(operation: Operation, look: Look, gateless: bool) -> Found:
    """Where it looks comes from the image, so that it could be anywhere."""
    field, grid = look(operation["input"]), look(operation["grid"])
    if grid is None:
        raise UnknownFieldError("where it looks is a number that was not computed here")
    found = [reduce(grid, [-1], keep=False)]
    found = [_with_channels(one) for one in found]
    if field is not None:
        found.append(reduce(field, range(2, len(field.shape)), keep=True))
    return union(found, tuple(operation.outputs[0].shape))


@rule("affine_grid_generator")
def generate_grid(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every place on the grid depends on the whole transform."""
    field = look(operation["theta"])
    if field is None:
        return None
    whole = reduce(field, range(len(field.shape)), keep=False)
    return union([whole], tuple(operation.outputs[0].shape))


@rule("view_as_real")
def split_complex(operation: Operation, look: Look, gateless: bool) -> Found:
    """The two parts of each number along a new last dimension."""
    field = look(operation["self"])
    if field is None:
        return None
    return union([reshape(field, (*field.shape, 1))], tuple(operation.outputs[0].shape))


@rule("view_as_complex")
def join_complex(operation: Operation, look: Look, gateless: bool) -> Found:
    """One number of the two parts along the last dimension."""
    field = look(operation["self"])
    return None if field is None else reduce(field, [-1], keep=False)


def _with_channels(field: Field) -> Field:
    return reshape(field, (field.shape[0], 1, *field.shape[1:]))


@rule("mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn")
def recur(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every step of a sequence depends on all channels of the steps read before it."""
    source, outputs = look(operation["input"]), operation.outputs
    others = [look(tensor) for tensor in operation.inputs if tensor is not operation["input"]]
    found = [reduce(one, range(len(one.shape)), keep=False) for one in others if one is not None]
    if source is None:
        return [union(found, tuple(output.shape)) for output in outputs] if found else None
    last = [*found, reduce(source, range(len(source.shape)), keep=False)]
    steps = reduce(source, [-1], keep=True)
    if operation.name == "mkldnn_rnn_layer":
        steps = _accumulated(steps, 0, backwards=bool(operation["reverse"]))
    else:
        # One call of several layers, which may go both ways.
        steps = hull(steps, [0, 1])
    rest = [union(last, tuple(output.shape)) for output in outputs[1:]]
    return [union([*found, steps], tuple(outputs[0].shape)), *rest]


@rule("_softmax", "_log_softmax", "_safe_softmax", "sort", "topk")
def mix_along(operation: Operation, look: Look, gateless: bool) -> Found:
    """All elements along one dimension mixed."""
    field = look(operation["self"])
    if field is None:
        return None
    united = hull(field, [operation["dim"]])
    return Field(tuple(operation.outputs[0].shape), united.spans)


FACTORS = {
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "baddbmm": ("batch1", "batch2"),
    "mv": ("self", "vec"),
    "addmv": ("mat", "vec"),
    "dot": ("self", "tensor"),
}
"""The names of the two factors of each matrix product."""


@rule(*FACTORS)
def multiply_matrices(operation: Operation, look: Look, gateless: bool) -> Found:
    """A row of the first factor and a column of the second for every element."""
    name = operation.name
    first, second = (look(operation[factor]) for factor in FACTORS[name])
    bias = look(operation["self"]) if name in ("addmm", "baddbmm", "addmv") else None
    matrix = name.endswith("mm")
    found = [bias] if bias is not None else []
    if first is not None:
        found.append(reduce(first, [-1], keep=matrix))
    if second is not None:
        found.append(reduce(second, [-2 if matrix else -1], keep=name != "dot"))
    return union(found, tuple(operation.outputs[0].shape)) if found else None


@rule("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention")
@rule("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention")
@rule("_scaled_dot_product_fused_attention_overrideable", "_scaled_dot_product_attention_math")
def attend(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every token depends on its query and on all keys and values."""
    query = look(operation["query"])
    others = [look(operation[name]) for name in ("key", "value")]
    found = [] if query is None else [reduce(query, [-1], keep=True)]
    found += [reduce(field, [-2, -1], keep=True) for field in others if field is not None]
    return union(found, tuple(operation.outputs[0].shape)) if found else None


@rule("_native_multi_head_attention", "_transformer_encoder_layer_fwd")
def attend_at_once(operation: Operation, look: Look, gateless: bool) -> Found:
    """Every token depends on all tokens."""
    names = ("src", "query", "key", "value")
    fields = [look(operation[name]) for name in names if operation[name] is not None]
    found = [reduce(field, [1, 2], keep=True) for field in fields if field is not None]
    return union(found, tuple(operation.outputs[0].shape)) if found else None


@rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
@rule("cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_no_update")
def normalise_batch(operation: Operation, look: Look, gateless: bool) -> Found:
    """Elementwise with stored statistics; with those of the input, a global gate."""
    field = look(operation["input"])
    if field is None or gateless or not operation["training"]:
        return field
    return hull(field, [dim for dim in range(len(field.shape)) if dim != 1])


@rule("native_layer_norm", "_fused_rms_norm")
def normalise_layer(operation: Operation, look: Look, gateless: bool) -> Found:
    """Statistics over the last dimensions; a global gate where these hold positions."""
    field = look(operation["input"])
    if field is None:
        return None
    dims = range(len(field.shape) - len(operation["normalized_shape"]), len(field.shape))
    spatial = any(span.frame is not None and span.frame.dim in dims for span in field.spans)
    return field if gateless and spatial else hull(field, dims)


@rule("native_group_norm")
def normalise_groups(operation: Operation, look: Look, gateless: bool) -> Found:
    """Statistics over a group of channels and all positions: a global gate."""
    field = look(operation["input"])
    if field is None or gateless:
        return field
    united = mixed_channels(field, 1, operation["group"], field.shape[1])
    return hull(united, range(2, len(field.shape)))


@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d")
@rule("upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa")
@rule("upsample_trilinear3d", "_upsample_nearest_exact3d")
@rule("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_bicubic2d_aa")
def resample(operation: Operation, look: Look, gateless: bool) -> Found:
    """Interpolation, whose taps are read off by interpolating one row of ones at a time."""
    field = look(operation["self"] if operation["self"] is not None else operation["input"])
    if field is None:
        return None
    rest = operation.args[1:]
    for dim in range(2, len(field.shape)):
        length = field.shape[dim]
        shape = [length, 1, *field.shape[2:]]
        basis = torch.eye(length).view([length if d in (0, dim) else 1 for d in range(len(shape))])
        answer = operation.func(basis.expand(shape).contiguous(), *rest, **operation.kwargs)
        along = answer.movedim(dim, 1).reshape(length, answer.shape[dim], -1)[..., 0]
        field = gather(field, dim, tapping.marked((along != 0).numpy()))
    return field
