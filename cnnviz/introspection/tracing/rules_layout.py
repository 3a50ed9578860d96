"""Rules of the operators that move elements about without computing anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from cnnviz.introspection.tracing import kernel_taps as tapping
from cnnviz.introspection.tracing.field_reshape import concatenate, moved, permute, reshape
from cnnviz.introspection.tracing.field_union import gather, reduce, union
from cnnviz.introspection.tracing.fields import NOTHING, AxisFields, Ends, Field, compress
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look, UnknownFieldError, rule


@rule("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "_reshape_alias", "squeeze_copy")
def reshape_to_output(operation: Operation, look: Look, gateless: bool) -> Found:
    """The same elements in the same order."""
    field = look(operation["self"])
    return None if field is None else reshape(field, tuple(operation.outputs[0].shape))


@rule("as_strided")
def stride_anew(operation: Operation, look: Look, gateless: bool) -> Found:
    """Another view of the memory, which is how a reshape may be carried out."""
    source, size = operation["self"], list(operation["size"])
    field = look(source)
    if field is None:
        return None
    like = torch.empty_strided(source.shape, source.stride(), device="meta")
    if operation["storage_offset"] not in (None, source.storage_offset()):
        raise UnknownFieldError("another part of the memory is read")
    if source.numel() != math.prod(size):
        return _overlapping(field, source, size, list(operation["stride"]))
    try:
        same = like.view(size).stride() == tuple(operation["stride"])
    except RuntimeError:
        same = False
    if not same:
        raise UnknownFieldError("the elements are read in another order")
    return reshape(field, tuple(size))


def _overlapping(
    field: Field, source: torch.Tensor, size: Sequence[int], stride: Sequence[int]
) -> Field:
    """Return the field of windows that may overlap, as a spectrogram reads a signal."""
    if not source.is_contiguous():
        raise UnknownFieldError("the elements are read in another order")

    def change(ends: Ends) -> Ends:
        return np.asarray(torch.from_numpy(ends).as_strided(size, stride).numpy().copy())

    return moved(field, tuple(size), change, None)


@rule("permute", "transpose", "t")
def permute_dims(operation: Operation, look: Look, gateless: bool) -> Found:
    """Dimensions in another order."""
    field = look(operation["self"])
    if field is None:
        return None
    order = list(range(len(field.shape)))
    if operation.name == "permute":
        order = list(operation["dims"])
    elif len(order) > 1:
        one, other = (
            (operation["dim0"], operation["dim1"]) if "dim0" in operation.values else (0, 1)
        )
        order[one], order[other] = order[other], order[one]
    return permute(field, order)


@rule("expand")
def broadcast(operation: Operation, look: Look, gateless: bool) -> Found:
    """New dimensions in front, and dimensions of length 1 repeated."""
    field = look(operation["self"])
    return None if field is None else union([field], tuple(operation.outputs[0].shape))


@rule("slice", "flip", "index_select", "select", "unbind", "split", "split_with_sizes", "chunk")
@rule("unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk")
def pick(operation: Operation, look: Look, gateless: bool) -> Found:
    """Some positions of one dimension, or all in another order."""
    field = look(operation["self"])
    if field is None:
        return None
    if operation.name == "flip":
        for dim in operation["dims"]:
            field = gather(field, dim, tapping.chosen(np.arange(field.shape[dim])[::-1], None))
        return field
    if not field.shape:  # a number alone
        return field
    dim = operation["dim"] % len(field.shape)
    length = field.shape[dim]
    if operation.name in ("slice", "index_select"):
        if operation.name == "slice":
            chosen, step = (
                np.arange(length)[operation["start"] : operation["end"]],
                operation["step"],
            )
            return gather(field, dim, tapping.chosen(chosen[::step], step))
        if look(operation["index"]) is not None:
            raise UnknownFieldError("which positions are picked depends on the image")
        return gather(field, dim, tapping.chosen(operation["index"].cpu().numpy(), None))
    if operation.name == "select":
        one = gather(field, dim, tapping.chosen(np.array([operation["index"] % length]), 1))
        return reduce(one, [dim], keep=False)
    found, start = [], 0
    for output in operation.outputs:
        size = 1 if operation.name == "unbind" else output.shape[dim]
        part = gather(field, dim, tapping.chosen(np.arange(start, start + size), 1))
        found.append(reduce(part, [dim], keep=False) if operation.name == "unbind" else part)
        start += size
    return found


@rule("cat", "stack")
def join(operation: Operation, look: Look, gateless: bool) -> Found:
    """Tensors one after the other along a dimension."""
    parts = operation["tensors"]
    output = tuple(operation.outputs[0].shape)
    dim = operation["dim"] % len(output)
    fields = [look(part) for part in parts]
    if operation.name == "stack":
        single = (*output[:dim], 1, *output[dim + 1 :])
        fields = [None if field is None else reshape(field, single) for field in fields]
        return concatenate([(1, field) for field in fields], dim, output)
    if all(field is None for field in fields):
        return None
    lengths = [part.shape[dim] if part.ndim == len(output) else 0 for part in parts]
    return concatenate(
        [(size, field) for size, field in zip(lengths, fields, strict=True) if size], dim, output
    )


def padding_of(operation: Operation) -> Sequence[int]:
    """Return how much a padding adds before and after each dimension, the last one first."""
    amounts: Sequence[int] = operation["pad" if "pad" in operation.values else "padding"]
    return amounts


@rule("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
@rule("replication_pad1d", "replication_pad2d", "replication_pad3d")
def pad(operation: Operation, look: Look, gateless: bool) -> Found:
    """Positions added at the borders: constant, mirrored or repeated."""
    field = look(operation["self"])
    if field is None:
        return None
    kind = operation.name.partition("_pad")[0]
    return padded(field, padding_of(operation), _COPIED.get(kind))


Copied = Callable[[tapping.Numbers, int], tapping.Numbers]
"""Returns which positions of so many padding copies, given those it stands at, below 0 before."""


def wrapped(at: tapping.Numbers, length: int) -> tapping.Numbers:
    """Copy what lies at the other end."""
    return at % length


_COPIED: Mapping[str, Copied] = {
    "replication": lambda at, length: np.clip(at, 0, length - 1),
    "reflection": lambda at, length: length - 1 - np.abs(length - 1 - np.abs(at)),
}


def padded(field: Field, amounts: Sequence[int], copied: Copied | None = None) -> Field:
    """Return the field of a tensor with positions added at its borders.

    Parameters
    ----------
    field : Field
        The field of the tensor.
    amounts : sequence of int
        How many positions before and after each dimension, the last one first.
    copied : callable, optional
        What they copy; by default they read nothing.
    """
    for number in range(len(amounts) // 2):
        before, after = amounts[2 * number : 2 * number + 2]
        dim = len(field.shape) - 1 - number
        length = field.shape[dim]
        at = np.arange(-before, length + after, dtype=np.int64)
        read = None if copied is None else copied(at, length)
        field = gather(field, dim, tapping.padded(length, before, after, read))
    return field


@rule("pixel_shuffle", "pixel_unshuffle", "native_channel_shuffle", "channel_shuffle", "roll")
@rule("repeat", "unfold", "im2col", "diagonal", "index", "gather", "rot90")
def move(operation: Operation, look: Look, gateless: bool) -> Found:
    """Elements moved as the operator itself moves them."""
    field = look(operation["self"])
    if field is None:
        return None
    chosen = [*(operation["indices"] or ()), operation["index"]]
    if any(look(index) is not None for index in chosen):
        raise UnknownFieldError("which elements are picked depends on the image")
    rest, keywords = operation.args[1:], operation.kwargs

    def change(ends: Ends) -> Ends:
        # float64 holds every pixel number exactly, and every operator takes it. Zero padding reads
        # as no pixel because the numbers are shifted by NOTHING.
        full = torch.from_numpy(ends).to(torch.float64) - NOTHING
        answer = operation.func(full, *rest, **keywords) + NOTHING
        return np.asarray(answer.numpy().astype(np.int32))

    return moved(field, tuple(operation.outputs[0].shape), change, _touched(operation, field))


@rule("scatter", "index_put", "index_copy", "slice_scatter", "select_scatter")
def write(operation: Operation, look: Look, gateless: bool) -> Found:
    """Elements of one tensor put into places of another."""
    base, given = operation["self"], operation["values" if "put" in operation.name else "src"]
    given = operation["source"] if operation.name == "index_copy" else given
    if given is None:
        given = operation["value"]
    if operation["accumulate"] or operation["reduce"]:
        raise UnknownFieldError("what is written is added to what is there")
    chosen = [*(operation["indices"] or ()), operation["index"]]
    if any(look(index) is not None for index in chosen):
        raise UnknownFieldError("where it is written depends on the image")
    fields = [look(base), look(given)]
    if fields == [None, None]:
        return None

    def placed(axis: int, end: int) -> Ends:
        full = [
            torch.full(getattr(tensor, "shape", ()), float(NOTHING), dtype=torch.float64)
            if field is None
            else torch.from_numpy(np.broadcast_to(field.spans[axis].ends[end], tensor.shape) * 1.0)
            for tensor, field in zip((base, given), fields, strict=True)
        ]
        written = full[1] if isinstance(given, torch.Tensor) else float(NOTHING)
        swap = {id(base): full[0], id(given): written}
        args = [swap.get(id(one), one) for one in operation.args]
        answer = operation.func(*args, **operation.kwargs)
        return compress(np.asarray(answer.numpy().astype(np.int32)))

    count = next(len(field.spans) for field in fields if field is not None)
    spans = [AxisFields((placed(axis, 0), placed(axis, 1)), None) for axis in range(count)]
    return Field(tuple(operation.outputs[0].shape), tuple(spans))


def _touched(operation: Operation, field: Field) -> list[int] | None:
    if operation.name in ("native_channel_shuffle", "channel_shuffle"):
        return [1]
    if operation.name == "roll" and operation["dims"]:
        return list(operation["dims"])
    if operation.name == "repeat" and len(operation["repeats"]) == len(field.shape):
        return [dim for dim, times in enumerate(operation["repeats"]) if times != 1]
    if operation.name == "index":
        picked = [dim for dim, index in enumerate(operation["indices"]) if index is not None]
        if len(picked) == 1 and operation["indices"][picked[0]].ndim == 1:
            return picked
    return None
