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
    """

    shift: float = 0.06
    scale: float = 0.1
    turn: float = 10.0

    def __call__(self, pictures: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """Move each of R pictures by its own draws; what comes in from outside is a reflection.

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
        return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
