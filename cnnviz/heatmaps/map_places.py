"""Where maps lie in the image: stretched over it, over a part of it, or joined with one another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from cnnviz.introspection.tracing.map_layout import Extent, whole
from cnnviz.results.space import space_of


def stretched(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return maps [K, C, ...] at another size, between whose values it goes straight."""
    mode = space_of(len(size)).interpolation
    return F.interpolate(maps, tuple(size), mode=mode, align_corners=False)


def over_input(maps: torch.Tensor, extent: Extent, size: Sequence[int]) -> torch.Tensor:
    """Return maps [K, ...] at the size of the input, [K, 1, *size], where in it they lie."""
    if extent == whole(len(size)):
        return stretched(maps[:, None], size)
    return over_image(maps, extent, size)[:, None]


def fused(maps: list[torch.Tensor], gain: float = 2.0) -> torch.Tensor:
    """Join the maps of several layers into one (Jiang et al. 2021, section III-C).

    Of each map the evidence for the class is scaled to its maximum and sharpened by tanh; the
    largest at each place stands.

    Parameters
    ----------
    maps : list of torch.Tensor
        For each layer [N, h, w]; the result has the size of the largest.
    gain : float
        The factor inside tanh; 2 in the paper.
    """
    size = max((tuple(each.shape[1:]) for each in maps), key=math.prod)
    places = tuple(range(1, 1 + len(size)))
    joined = []
    for each in maps:
        positive = each.relu()
        top = positive.amax(places, keepdim=True)
        sharp = torch.tanh(gain * positive / torch.where(top > 0.0, top, 1.0))
        joined.append(stretched(sharp[:, None], size)[:, 0])
    return torch.stack(joined).amax(0)


def summed(maps: list[torch.Tensor], extents: Sequence[Extent], *, relu: bool) -> torch.Tensor:
    """Add up the maps of the levels of a detector's pyramid.

    The levels are read beside one another, so that each has a share of the score of its own: that
    of a box mostly comes from the one level that fits its size. They are therefore not scaled, but
    summed as they are, which is the formula of a map applied to the channels of all levels
    together.

    Parameters
    ----------
    maps : list of torch.Tensor
        For each level [N, h, w]; the result has the resolution of the finest.
    extents : sequence of tuple of (float, float)
        What each level covers, as `cnnviz.introspection.tracing.map_layout.MapLayout.extent`.
    relu : bool
        Whether evidence against is set to zero, at each level's own resolution.
    """
    sizes = [covered(each, extent) for each, extent in zip(maps, extents, strict=True)]
    finest = max(sizes, key=math.prod)
    kept = [each.relu() if relu else each for each in maps]
    levels = [over_image(each, extent, finest) for each, extent in zip(kept, extents, strict=True)]
    return torch.stack(levels).sum(0)


def covered(maps: torch.Tensor, extent: Extent) -> tuple[int, ...]:
    """Return how many rows and columns of maps [N, h, w] of this extent lie over the image."""
    axes = zip(maps.shape[1:], extent, strict=True)
    return tuple(max(1, math.ceil(count / (end - begin) - 1e-6)) for count, (begin, end) in axes)


def over_image(maps: torch.Tensor, extent: Extent, size: Sequence[int]) -> torch.Tensor:
    """Return maps [N, h, w] of an extent at a size [N, *size] that is the image.

    Between values it goes straight, as in `stretched`; the outermost continue to the edge of the
    image. Around a part that was cut out of the image they are zero: the network sees nothing
    there. Signals and volumes alike.
    """
    cut_out = all(begin >= 0.0 and end <= 1.0 for begin, end in extent)
    found = maps
    for axis, (count, (begin, end)) in enumerate(zip(size, extent, strict=True), 1):
        middles = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        # Where the middle of each pixel lies in the part, from 0 to 1.
        places = (middles - begin) / (end - begin)
        cells = (places * maps.shape[axis] - 0.5).clamp(0.0, maps.shape[axis] - 1.0)
        shape = [-1 if each == axis else 1 for each in range(maps.ndim)]
        lower = cells.floor().long()
        upper = (lower + 1).clamp(max=maps.shape[axis] - 1)
        share = (cells - lower).to(maps).reshape(shape)
        before, behind = (found.index_select(axis, at.to(maps.device)) for at in (lower, upper))
        found = torch.lerp(before, behind, share)
        if cut_out:
            inside = (places - 0.5).abs() <= 0.5 + 1e-6
            found = found * inside.to(found).reshape(shape)
    return found
