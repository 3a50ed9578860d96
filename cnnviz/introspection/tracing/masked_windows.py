"""Convolutions some of whose taps are zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnnviz.introspection.tracing import kernel_taps as tapping
from cnnviz.introspection.tracing.fields import (
    NOTHING,
    AxisFields,
    Ends,
    Field,
    Frame,
    Shape,
    compress,
)
from cnnviz.introspection.tracing.kept_values import Known
from cnnviz.introspection.tracing.marks import Flags
from cnnviz.introspection.tracing.masked_products import least_used
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look
from cnnviz.introspection.tracing.rules_compute import (
    convolve,
)


def through_windows(operation: Operation, look: Look, gateless: bool, known: Known) -> Found:
    """Windows some of whose taps are zero, for each pair of channels."""
    weight, source = operation["weight"], look(operation["input"])
    kept = known.support(weight)
    if source is None or kept is None or kept.all() or look(weight) is not None:
        return None
    if operation["transposed"]:
        kept = _turned_kernel(kept, operation["groups"])
    output = tuple(operation.outputs[0].shape)
    taps = _taps(operation, source.shape, output)
    whole = convolve(operation, look, gateless)
    if not isinstance(whole, Field):
        return None
    spans = []
    for span, plain in zip(source.spans, whole.spans, strict=True):
        ends = tuple(_windowed(one, kept, taps, operation["groups"]) for one in span.ends)
        frame = _framed(span.frame, plain.frame, kept, taps, operation["groups"])
        spans.append(AxisFields((ends[0], ends[1]), frame))
    return Field(output, tuple(spans))


def _turned_kernel(kept: Flags, groups: int) -> Flags:
    """Return the kernel of a transposed convolution as that of any other: outputs first."""
    apart = kept.reshape(groups, -1, *kept.shape[1:]).swapaxes(1, 2)
    return apart.reshape(-1, *apart.shape[2:])


def _taps(operation: Operation, source: Shape, output: Shape) -> list[tapping.Taps]:
    kernel = tuple(operation["weight"].shape[2:])
    window = [operation.pair(name, len(kernel)) for name in ("stride", "padding", "dilation")]
    make = tapping.transposed if operation["transposed"] else tapping.sliding
    return [
        make(source[2 + axis], output[2 + axis], wide, *(each[axis] for each in window))
        for axis, wide in enumerate(kernel)
    ]


def _framed(
    frame: Frame | None, after: Frame | None, kept: Flags, taps: list[tapping.Taps], groups: int
) -> Frame | None:
    """Return the frame behind the windows, its ends as if the image went on."""
    if frame is None or after is None or not kept.any():
        return None
    first, last = (
        _windowed(ends, kept, taps, groups, (frame, sign))
        for ends, sign in zip(frame.ends, (1, -1), strict=True)
    )
    return replace(after, ends=(first, last))


def _windowed(
    ends: Ends,
    kept: Flags,
    taps: list[tapping.Taps],
    groups: int,
    beyond: tuple[Frame, int] | None = None,
) -> Ends:
    """Return the least end of what each window reads, tap by tap of the kernel."""
    found: Ends | None = None
    for at in np.ndindex(*kept.shape[2:]):
        used = kept[(..., *at)]
        if used.any():
            read = _one_tap(ends, at, taps, beyond)
            mixed = _mixed(read, used, groups)
            found = mixed if found is None else np.minimum(found, mixed)
    nothing = np.full((1,) * ends.ndim, NOTHING, np.int32)
    return nothing if found is None else compress(found)


def _one_tap(
    ends: Ends, at: tuple[int, ...], taps: list[tapping.Taps], beyond: tuple[Frame, int] | None
) -> Ends:
    for axis, (tap, place) in enumerate(zip(taps, at, strict=True)):
        dim, read = 2 + axis, tap.read[:, place]
        along = [1] * ends.ndim
        along[dim] = len(read)
        if ends.shape[dim] > 1:
            ends = ends.take(read, axis=dim)
        if beyond is not None and beyond[0].dim == dim:
            further = (tap.raw[:, place] - read) * beyond[0].stride * beyond[1]
            ends = (ends + further.reshape(along)).astype(np.int32)
        elif beyond is None and not tap.valid[:, place].all():
            ends = np.where(tap.valid[:, place].reshape(along), ends, np.int32(NOTHING))
    return ends


def _mixed(ends: Ends, used: Flags, groups: int) -> Ends:
    """Let each output channel depend on the input channels [outputs, inputs of a group] it uses."""
    outputs, inputs = used.shape
    if ends.shape[1] == 1:
        any_used = used.any(axis=1).reshape(1, -1, *(1,) * (ends.ndim - 2))
        return np.where(any_used, ends, np.int32(NOTHING))
    parts = []
    for group in range(groups):
        own = ends[:, group * inputs : (group + 1) * inputs].swapaxes(0, 1)
        rows = used[group * outputs // groups : (group + 1) * outputs // groups]
        # Many channels see the same.
        each, alike = np.unique(own.reshape(inputs, -1), axis=0, return_inverse=True)
        met = rows.astype(np.float32) @ (alike.reshape(-1, 1) == np.arange(len(each))) > 0
        least = np.broadcast_to(least_used(each, met), (len(rows), each.shape[1]))
        parts.append(least.reshape(len(rows), *own.shape[1:]))
    return np.concatenate(parts).swapaxes(0, 1)
