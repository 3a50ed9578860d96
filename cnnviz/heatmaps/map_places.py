"""Where maps lie in the image: stretched over it, over a part of it, or joined with one another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from cnnviz.introspection.tracing.map_layout import WHOLE
from cnnviz.results.space import space_of


def stretched(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return maps [K, C, ...] at another size, between whose values it goes straight."""
    mode = space_of(len(size)).interpolation
    return F.interpolate(maps, tuple(size), mode=mode, align_corners=False)


def over_input(maps: torch.Tensor, extent: tuple[float, ...], size: Sequence[int]) -> torch.Tensor:
    """Return maps [K, ...] at the size of the input, [K, 1, *size], where in it they lie."""
    if extent == WHOLE:
        return stretched(maps[:, None], size)
    return over_image(maps, extent, (size[0], size[1]))[:, None]


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


def summed(
    maps: list[torch.Tensor], extents: Sequence[tuple[float, ...]], *, relu: bool
) -> torch.Tensor:
    """Add up the maps of the levels of a detector's pyramid.

    The levels are read beside one another, so that each has a share of the score of its own: that
    of a box mostly comes from the one level that fits its size. They are therefore not scaled, but
    summed as they are, which is the formula of a map applied to the channels of all levels
    together.

    Parameters
    ----------
    maps : list of torch.Tensor
        For each level [N, h, w]; the result has the resolution of the finest.
    extents : sequence of (float, float, float, float)
        What each level covers, as `cnnviz.introspection.tracing.map_layout.MapLayout.extent`.
    relu : bool
        Whether evidence against is set to zero, at each level's own resolution.
    """
    sizes = [covered(each, extent) for each, extent in zip(maps, extents, strict=True)]
    height, width = max(sizes, key=lambda size: size[0] * size[1])
    kept = [each.relu() if relu else each for each in maps]
    levels = [
        over_image(each, extent, (height, width))
        for each, extent in zip(kept, extents, strict=True)
    ]
    return torch.stack(levels).sum(0)


def covered(maps: torch.Tensor, extent: tuple[float, ...]) -> tuple[int, int]:
    """Return how many rows and columns of maps [N, h, w] of this extent lie over the image."""
    left, top, right, bottom = extent
    rows, columns = maps.shape[1] / (bottom - top), maps.shape[2] / (right - left)
    return max(1, math.ceil(rows - 1e-6)), max(1, math.ceil(columns - 1e-6))


def over_image(
    maps: torch.Tensor, extent: tuple[float, ...], size: tuple[int, int]
) -> torch.Tensor:
    """Return maps [N, h, w] of an extent bilinearly at a size [N, *size] that is the image.

    Around a part that was cut out of the image they are zero: the network sees nothing there.
    """
    left, top, right, bottom = extent

    def places(count: int, start: float, end: float) -> torch.Tensor:
        """Return where the middle of each of so many pixels of the image lies, from -1 to 1."""
        return 2.0 * ((torch.arange(count) + 0.5) / count - start) / (end - start) - 1.0

    rows, columns = places(size[0], top, bottom), places(size[1], left, right)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).to(maps)
    found = F.grid_sample(
        maps[:, None],
        grid.expand(len(maps), -1, -1, -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[:, 0]
    cut_out = min(extent) >= 0.0 and max(extent) <= 1.0
    return found * (grid.abs() <= 1.0 + 1e-6).all(-1) if cut_out else found
