"""Convolutions some of whose taps are zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

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

_Alike = tuple[Ends, NDArray[np.float32] | None]
"""Ends that differ [.., channels, ..], and which channel has which; None where all have one."""


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
    alike = _alike(ends, kept.shape[1], groups)
    for at in np.ndindex(*kept.shape[2:]):
        used = kept[(..., *at)]
        if used.any():
            read = partial(_one_tap, at=at, taps=taps, beyond=beyond)
            mixed = _mixed(read, alike, used)
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


def _alike(ends: Ends, inputs: int, groups: int) -> list[_Alike]:
    """Return the ends of the input channels of each group, those that are alike once.

    Many are, and every tap reads all of them at the same places.
    """
    if ends.shape[1] == 1:
        return [(ends, None)]
    found: list[_Alike] = []
    for group in range(groups):
        own = ends[:, group * inputs : (group + 1) * inputs].swapaxes(0, 1)
        each, which = np.unique(own.reshape(inputs, -1), axis=0, return_inverse=True)
        belongs = (which.reshape(-1, 1) == np.arange(len(each))).astype(np.float32)
        found.append((each.reshape(-1, *own.shape[1:]).swapaxes(0, 1), belongs))
    return found


def _mixed(read: Callable[[Ends], Ends], alike: list[_Alike], used: Flags) -> Ends:
    """Let each output channel depend on the input channels [outputs, inputs of a group] it uses."""
    parts = []
    for rows, (each, belongs) in zip(np.split(used, len(alike)), alike, strict=True):
        taken = read(each)
        if belongs is None:
            any_used = rows.any(axis=1).reshape(1, -1, *(1,) * (taken.ndim - 2))
            return np.where(any_used, taken, np.int32(NOTHING))
        own = taken.swapaxes(0, 1)
        least = least_used(own.reshape(len(own), -1), rows.astype(np.float32) @ belongs > 0)
        whole = np.broadcast_to(least, (len(rows), least.shape[1]))
        parts.append(whole.reshape(len(rows), *own.shape[1:]))
    return np.concatenate(parts).swapaxes(0, 1)
