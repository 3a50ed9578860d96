"""What photos are like on average: their colours, and how their detail falls off.

The numbers were measured on the 32 photos that the project is tested on, one of each of 32 classes
of ImageNet, 224 x 224 px from the middle of each, by

    python -m cnnviz.units.visualization.colour_statistics FOLDER
"""

from __future__ import annotations

import torch

MEAN = (0.4765, 0.4371, 0.3685)
"""The mean colour, red, green and blue from 0 to 1."""
DIRECTIONS = (
    (0.2489, 0.1108, 0.0226),
    (0.2559, -0.0188, -0.0637),
    (0.2563, -0.0888, 0.0417),
)
"""The principal directions of the colours, one in each column, as long as the deviation of the
colours along it: light, warmth, and green against purple."""
DECAY = (1.3206, 1.4575, 1.3516)
"""How the amplitude of a wave falls with its frequency, along each direction: the exponent."""


def mixing(channels: int) -> torch.Tensor:
    """Return the matrix [C, C] from independent values to the channels of an image.

    Optimising along the directions in which the colours of photos vary independently keeps the
    colours of a picture from drifting into what no photo has (Olah et al. 2017). For other images
    than RGB no such directions are known: their channels stay apart.

    Parameters
    ----------
    channels : int
        3 is RGB, and 4 RGB and an alpha channel. The columns of any other are as long as the first
        of RGB, so that all images start with the same contrast.
    """
    directions = torch.tensor(DIRECTIONS)
    longest = directions.norm(dim=0).max()
    if channels not in (3, 4):
        return torch.eye(channels) / 3**0.5
    found = torch.eye(channels) / 3**0.5
    found[:3, :3] = directions / longest
    return found


def decay(channels: int) -> torch.Tensor:
    """Return the exponent of the fall of detail in each of the independent values, [C]."""
    known = DECAY if channels in (3, 4) else DECAY[:1]
    return torch.tensor([known[min(place, len(known) - 1)] for place in range(channels)])
