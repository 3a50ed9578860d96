"""Small random moves of a picture, each picture its own, so that no pixel pattern is overfitted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

DRAWS = 4
"""How many random numbers one move takes."""


@dataclass(frozen=True)
class RandomTransforms:
    """How far pictures are moved before the network sees them (Olah et al. 2017).

    Attributes
    ----------
    shift : float
        The furthest shift each way, as a share of the side.
    scale : float
        The furthest growth or shrinkage, as a share of the side.
    turn : float
        The furthest turn each way, in degrees.
    tiled : bool
        Whether a picture goes on beyond its border with its other end, as in a tiling, rather than
        with its mirror image. A texture then has no seam, and is as strong wherever it is
        continued; mirrored, its stripes would run the other way.
    """

    shift: float = 0.06
    scale: float = 0.1
    turn: float = 10.0
    tiled: bool = False

    def __call__(self, pictures: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """Move each of R pictures by its own draws.

        Parameters
        ----------
        pictures : torch.Tensor
            [R, C, H, W].
        draws : torch.Tensor
            [R, 4], uniform from 0 to 1.
        """
        down, across, growth, angle = (2.0 * draws - 1.0).unbind(1)
        radians = torch.deg2rad(self.turn * angle)
        shrink = torch.exp(-growth * torch.log(torch.tensor(1.0 + self.scale)))
        height, width = pictures.shape[2:]
        cosine, sine = shrink * torch.cos(radians), shrink * torch.sin(radians)
        # The grid runs from -1 to 1 along both sides, whatever their lengths.
        stretch = height / width
        matrix = torch.stack(
            [
                torch.stack([cosine, -sine * stretch, 2.0 * self.shift * across], dim=1),
                torch.stack([sine / stretch, cosine, 2.0 * self.shift * down], dim=1),
            ],
            dim=1,
        )
        grid = F.affine_grid(matrix.to(pictures), list(pictures.shape), align_corners=False)
        if self.tiled:
            return _from_tiling(pictures, grid)
        return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def _from_tiling(pictures: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Sample pictures that are repeated without end, at places [R, H, W, 2] from -1 to 1."""
    # Within one picture again, with the pixels of its neighbours to interpolate with.
    within = torch.remainder(grid + 1.0, 2.0) - 1.0
    height, width = pictures.shape[2:]
    size = torch.tensor([width, height]).to(grid)
    ringed = F.pad(pictures, [1] * 4, mode="circular")
    return F.grid_sample(ringed, within * (size / (size + 2.0)), align_corners=False)


@dataclass(frozen=True)
class ArrayTransforms:
    """How far signals and volumes are moved and stretched before the network sees them.

    Attributes
    ----------
    shift : float
        The furthest shift each way along each axis, in places. A unit may look for waves of a few
        samples; moved by half of one, it would see the opposite.
    scale : float
        The furthest growth or shrinkage about the middle, the same along all axes, as a share of
        the size.
    """

    shift: float = 1.0
    scale: float = 0.02

    def __call__(self, pictures: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """Move each of R inputs by its own draws; what comes in from outside is a reflection.

        Parameters
        ----------
        pictures : torch.Tensor
            [R, C, L] or [R, C, D, H, W].
        draws : torch.Tensor
            [R, 4], uniform from 0 to 1: the last is that of the size.
        """
        axes = pictures.ndim - 2
        # A signal is moved as a picture of one row.
        spread = pictures[:, :, None] if axes == 1 else pictures
        count = spread.ndim - 2
        away = 2.0 * draws - 1.0
        shrink = torch.exp(-away[:, -1] * torch.log(torch.tensor(1.0 + self.scale)))
        matrix = torch.zeros(len(draws), count, count + 1).to(draws)
        for axis in range(count):
            matrix[:, axis, axis] = shrink
        # The grid has its axes from the fastest, and runs from -1 to 1 along each.
        for axis in range(axes):
            length = spread.shape[-1 - axis]
            matrix[:, axis, count] = 2.0 * self.shift / length * away[:, axis]
        grid = F.affine_grid(matrix.to(pictures), list(spread.shape), align_corners=False)
        moved = F.grid_sample(spread, grid, padding_mode="reflection", align_corners=False)
        return moved.reshape(pictures.shape)
