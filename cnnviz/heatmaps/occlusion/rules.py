"""What operations do to patches that do not look at a neighbourhood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cnnviz.heatmaps.occlusion.call import Call, rule
from cnnviz.heatmaps.occlusion.geometry import ChangedSpan, united
from cnnviz.heatmaps.occlusion.partial import PartialTensor, mapped
from cnnviz.heatmaps.occlusion.patches import Patches, PendingPatches, cut, set_into, whole_maps

_POINTWISE = (
    *("celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish"),
    *("_prelu_kernel", "silu", "softplus", "threshold"),
    *("zeros_like", "ones_like", "full_like"),
)


@rule(*_POINTWISE)
def pointwise(call: Call) -> Any:
    """Compute each element of the patches from the same element of every input."""
    tensors = [one for one in _arguments(call) if isinstance(one, torch.Tensor)]
    rank = max(one.ndim for one in tensors)
    extents = _broadcast([tuple(one.shape) for one in tensors])[-2:]
    aligned = all(one.ndim == rank and one.shape[-2:] == extents for one in call.inputs)
    # A tensor with a row for each position is one that the occluder has changed all over.
    changed = any(
        not isinstance(one, PartialTensor) and one.ndim == rank and one.shape[0] == call.count
        for one in tensors
    )
    if call.full or changed or not aligned:
        return on_whole_maps(call)
    rows, columns = _union(call.inputs)

    def part(one: Any) -> Any:
        if isinstance(one, PartialTensor):
            return _part(one, rows, columns)
        if isinstance(one, torch.Tensor) and one.ndim and max(one.shape[-2:]) > 1:
            constant = one.expand(*one.shape[:-2], *extents)
            constant = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
            return cut(constant, rows.starts, columns.starts, (rows.size, columns.size))
        return one

    args = tuple(part(one) for one in call.args)
    kwargs = {key: part(one) for key, one in call.kwargs.items()}
    found = call.func(*args, **kwargs)
    return call.passage.wrap(Patches(found, rows, columns), call.clean())


@rule("relu")
def rectify(call: Call) -> Any:
    """Rectify, as part of the convolution where one waits to be computed."""
    source = call.inputs[0]
    if not isinstance(source.patches, PendingPatches):
        return pointwise(call)
    return call.passage.wrap(source.patches.rectified(), None if call.full else call.clean())


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    found: torch.Size = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return tuple(found)


def _arguments(call: Call) -> list[Any]:
    return [*call.args, *call.kwargs.values()]


def _union(inputs: list[PartialTensor]) -> tuple[ChangedSpan, ChangedSpan]:
    return (
        united([one.patches.rows for one in inputs]),
        united([one.patches.columns for one in inputs]),
    )


def _part(one: PartialTensor, rows: ChangedSpan, columns: ChangedSpan) -> torch.Tensor:
    if one.clean is None:
        return one.patches.values
    return set_into(one.patches, one.clean, rows, columns)


def on_whole_maps(call: Call) -> Any:
    """Run the operation on whole maps, as nothing less will do."""
    args, kwargs = mapped(call.passage.whole, (call.args, call.kwargs))
    return _wrapped(call, call.func(*args, **kwargs))


def _wrapped(call: Call, values: torch.Tensor) -> torch.Tensor:
    if values.ndim < 3 or values.shape[0] != call.count:
        return values
    return call.passage.wrap(whole_maps(values), None)


@rule("cat")
def concatenate(call: Call) -> Any:
    """Join patches along the channels, each widened to what changed in any of them."""
    parts, dim = call.args[0], call.argument(1, 0)
    if not _between(dim, call.inputs[0].ndim):
        return NotImplemented
    if call.full or len(call.inputs) < len(parts):
        return on_whole_maps(call)
    rows, columns = _union(call.inputs)
    found = torch.cat([_part(one, rows, columns) for one in call.inputs], dim)
    return call.passage.wrap(Patches(found, rows, columns), call.clean())


@rule("native_batch_norm", "_native_batch_norm_legit_no_training")
def normalise(call: Call) -> Any:
    """Normalise each channel with the statistics that the network holds."""
    if call.func.overloadpacket.__name__ == "native_batch_norm" and call.args[5]:
        return NotImplemented
    source = call.inputs[0]
    found, *statistics = call.func(source.patches.values, *call.args[1:])
    clean = None if call.full else call.clean()[0]
    rows, columns = source.patches.rows, source.patches.columns
    return call.passage.wrap(Patches(found, rows, columns), clean), *statistics


def _between(dim: int, rank: int) -> bool:
    """Whether a dimension lies between that of the batch and the last two."""
    return 0 < dim % rank < rank - 2


@rule("view", "_unsafe_view", "reshape")
def view(call: Call) -> Any:
    """Regroup the dimensions between the batch and the last two."""
    source = call.inputs[0]
    if call.func._overloadname != "default":
        return NotImplemented
    shape = torch.empty(source.shape, device="meta").view(call.args[1]).shape
    if len(shape) < 3 or shape[0] != call.count or shape[-2:] != source.shape[-2:]:
        # Flattened for a head, where everything depends on everything.
        return call.passage.leave(call.func, call.args, call.kwargs, named=False)
    middle = shape[1:-2]
    return _same_memory(call, lambda maps: maps.reshape(maps.shape[0], *middle, *maps.shape[-2:]))


@rule("alias", "detach")
def same(call: Call) -> Any:
    """Give the same values another name."""
    return _same_memory(call, call.func)


@rule("transpose", "select", "split", "split_with_sizes", "unbind", "unsqueeze", "slice")
def rearrange(call: Call) -> Any:
    """Move, take or divide the dimensions between the batch and the last two."""
    rank, name = call.inputs[0].ndim, call.func.overloadpacket.__name__
    if name == "slice" and _keeps_all(call):
        return _same_memory(call, torch.ops.aten.alias)
    if name == "transpose":
        dims = [call.args[1], call.args[2]]
    else:
        dims = [call.argument(1 if name in ("select", "unbind", "unsqueeze", "slice") else 2, 0)]
    if name == "unsqueeze":
        fits = 0 < dims[0] % (rank + 1) < rank - 1
    else:
        fits = all(_between(dim, rank) for dim in dims)
    if not fits or call.kwargs:
        return NotImplemented
    return _same_memory(call, lambda maps: call.func(maps, *call.args[1:]))


def _keeps_all(call: Call) -> bool:
    """Whether a slice is a whole dimension; torch 2.6 cuts one for every colon in an index."""
    length = call.inputs[0].shape[call.argument(1, 0)]
    start, end, step = call.argument(2), call.argument(3), call.argument(4, 1)
    whole = start in (None, 0) and (end is None or end >= length) and step == 1
    return whole and not call.kwargs


def _same_memory(call: Call, function: Callable[[torch.Tensor], Any]) -> Any:
    source = call.inputs[0]
    patches = source.patches
    found = function(patches.values)
    several = isinstance(found, (list, tuple))
    clean = None if source.clean is None else function(source.clean)
    values = list(found) if several else [found]
    cleans = list(clean) if several and clean is not None else [clean] * len(values)
    made = [
        call.passage.wrap(Patches(one, patches.rows, patches.columns), other, source.family)
        for one, other in zip(values, cleans, strict=True)
    ]
    return made if several else made[0]


@rule("mean")
def mean(call: Call) -> Any:
    """Average whole maps, by what the patches add to the clean average."""
    source = call.inputs[0]
    dims = {dim % source.ndim for dim in call.argument(1) or range(source.ndim)}
    if dims != {source.ndim - 2, source.ndim - 1} or call.kwargs:
        return NotImplemented
    return average_whole_maps(call, bool(call.argument(2, False)))


def average_whole_maps(call: Call, keep: bool) -> Any:
    """Return the average of each map, by what the patch adds to the clean average."""
    source, dims = call.inputs[0], (-2, -1)
    patches = source.patches
    if source.clean is None:
        return _wrapped(call, patches.values.mean(dims, keepdim=keep))
    size = (patches.rows.size, patches.columns.size)
    before = cut(source.clean, patches.rows.starts, patches.columns.starts, size)
    area = patches.rows.length * patches.columns.length
    change = (patches.values - before).sum(dims, keepdim=keep) / area
    return _wrapped(call, source.clean.mean(dims, keepdim=keep) + change)


@rule("constant_pad_nd")
def pad(call: Call) -> Any:
    """Shift the patches by the border that is set around the maps."""
    border = [*call.args[1], 0, 0, 0, 0][:4]
    if len(call.args[1]) > 4 or min(border) < 0:
        return NotImplemented
    if call.full:
        return on_whole_maps(call)
    left, right, top, bottom = border
    patches = call.inputs[0].patches
    rows, columns = _moved(patches.rows, top, bottom), _moved(patches.columns, left, right)
    return call.passage.wrap(Patches(patches.values, rows, columns), call.clean())


def _moved(span: ChangedSpan, before: int, after: int) -> ChangedSpan:
    lows, highs, starts = (
        tuple(place + before for place in places) for places in (span.lows, span.highs, span.starts)
    )
    return ChangedSpan(lows, highs, span.length + before + after, span.size, starts)
