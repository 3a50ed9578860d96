"""What convolutions and pooling do to patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from cnnviz.heatmaps.occlusion.call import Call, rule
from cnnviz.heatmaps.occlusion.geometry import ChangedSpan, SlidingWindow, whole
from cnnviz.heatmaps.occlusion.partial import PartialTensor
from cnnviz.heatmaps.occlusion.patches import (
    Patches,
    PendingPatches,
    padded,
    read_windows,
    whole_maps,
)
from cnnviz.heatmaps.occlusion.rules import average_whole_maps, on_whole_maps
from cnnviz.heatmaps.occlusion.weights import LaidOutConvolution, laid_out

Windows = tuple[SlidingWindow, SlidingWindow]


def _slide(
    call: Call,
    windows: Windows,
    fill: float,
    compute: Callable[[torch.Tensor, ChangedSpan, ChangedSpan], torch.Tensor],
) -> PartialTensor:
    """Compute the outputs that read what changed.

    `compute` gets what the windows read, and the part of the output that it has to give.
    """
    clean = call.clean()
    clean = clean[0] if isinstance(clean, tuple) else clean
    read, rows, columns = _read(call, windows, fill, clean)
    return call.passage.wrap(Patches(compute(read, rows, columns), rows, columns), clean)


def _read(
    call: Call, windows: Windows, fill: float, clean: torch.Tensor
) -> tuple[torch.Tensor, ChangedSpan, ChangedSpan]:
    """Return what the windows read, and the part of the output that they give from it."""
    source = call.inputs[0]
    assert source.clean is not None
    outputs = (int(clean.shape[-2]), int(clean.shape[-1]))
    rows, columns = call.passage.reach(source.patches, windows, outputs)
    given = (source.clean, windows, outputs, fill)
    border = call.passage.kept((call.order, "border"), given, lambda: padded(*given))
    return read_windows(source.patches, border, windows, (rows, columns)), rows, columns


@rule("convolution")
def convolve(call: Call) -> Any:
    """Convolve, by windows that are read without padding."""
    source, weight, bias, stride, padding, dilation, transposed, _, groups = call.args
    if transposed or source.ndim != 4 or len(call.inputs) > 1 or source is not call.inputs[0]:
        return NotImplemented
    patches = source.patches
    windows = _windows(tuple(weight.shape[2:]), stride, padding, dilation)

    def lay_out() -> LaidOutConvolution:
        sizes = zip(windows, patches.values.shape[2:], strict=True)
        shape = [*patches.shape[:2], *(max(window.extent, size) for window, size in sizes)]
        place = (stride, dilation, groups)
        return laid_out(weight, bias, place, shape, packs=call.passage.packs)

    given = (weight, bias, stride, dilation, groups)
    compute = call.passage.kept((call.order, "weights"), given, lay_out)
    clean = None if call.full else call.clean()
    if clean is None:
        read, margin = patches.values, padding
        rows, columns = (
            whole(call.count, window.outputs(length))
            for window, length in zip(windows, source.shape[-2:], strict=True)
        )
    else:
        read, rows, columns = _read(call, windows, 0.0, clean)
        margin = (0, 0)
    found = PendingPatches(
        read,
        len(weight),
        rows,
        columns,
        lambda rectified: compute(read, margin, "relu" if rectified else "none"),
    )
    return call.passage.wrap(found, clean)


@rule("max_pool2d_with_indices")
def pool_largest(call: Call) -> Any:
    """Take the largest value of each window; padding is less than any value."""
    source = call.inputs[0]
    if source.ndim != 4:
        return NotImplemented
    kernel, stride = call.args[1], call.argument(2) or call.args[1]
    padding, dilation = call.argument(3, [0]), call.argument(4, [1])
    # Nobody can use these indices by mistake: they hold no numbers.
    if call.full:
        found = functional.max_pool2d(source.patches.values, *call.args[1:])
        return call.passage.wrap(whole_maps(found), None), torch.empty(found.shape, device="meta")
    windows = _windows(kernel, stride, padding, dilation)
    made = _slide(
        call,
        windows,
        float("-inf"),
        lambda read, *_: functional.max_pool2d(read, kernel, stride, 0, dilation),
    )
    return made, torch.empty(made.shape, device="meta")


@rule("avg_pool2d")
def pool_average(call: Call) -> Any:
    """Average each window, over as many pixels as it counts."""
    source = call.inputs[0]
    if source.ndim != 4:
        return NotImplemented
    if call.full:
        return on_whole_maps(call)
    kernel, stride = call.args[1], call.argument(2) or call.args[1]
    windows = _windows(kernel, stride, call.argument(3, [0]), [1])
    counts_padding, divisor = call.argument(5, True), call.argument(6)
    rows, columns = (
        _counted(window, length, counts_padding)
        for window, length in zip(windows, source.shape[-2:], strict=True)
    )

    def compute(read: torch.Tensor, *part: ChangedSpan) -> torch.Tensor:
        total = functional.avg_pool2d(read, kernel, stride, divisor_override=divisor or 1)
        return total if divisor else total / _areas(rows, columns, *part).to(total)

    return _slide(call, windows, 0.0, compute)


@rule("_adaptive_avg_pool2d")
def pool_to_size(call: Call) -> Any:
    """Average windows that tile the map evenly."""
    source, (height, width) = call.inputs[0], call.args[1]
    if source.ndim == 4 and (height, width) == (1, 1):
        return average_whole_maps(call, keep=True)
    if call.full:
        return on_whole_maps(call)
    if source.ndim != 4 or source.shape[-2] % height or source.shape[-1] % width:
        return NotImplemented
    kernel = (source.shape[-2] // height, source.shape[-1] // width)
    windows = _windows(kernel, kernel, (0,), (1,))
    return _slide(call, windows, 0.0, lambda read, *_: functional.avg_pool2d(read, kernel))


def _windows(
    kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Windows:
    down, across = (
        SlidingWindow(
            *(int(each[place % len(each)]) for each in (kernel, stride, padding, dilation))
        )
        for place in (0, 1)
    )
    return down, across


def _counted(window: SlidingWindow, length: int, padding: bool) -> Callable[[int], int]:
    """Return how many positions an output's window counts along one dimension."""

    def count(output: int) -> int:
        start = output * window.stride - window.padding
        # Where the last window overhangs, what lies beyond the padding never counts.
        end = min(start + window.kernel, length + window.padding)
        return end - start if padding else min(end, length) - max(start, 0)

    return count


def _areas(
    down: Callable[[int], int],
    across: Callable[[int], int],
    rows: ChangedSpan,
    columns: ChangedSpan,
) -> torch.Tensor:
    high, wide = (
        torch.tensor([[count(start + step) for step in range(part.size)] for start in part.starts])
        for count, part in ((down, rows), (across, columns))
    )
    return (high[:, :, None] * wide[:, None, :])[:, None]
