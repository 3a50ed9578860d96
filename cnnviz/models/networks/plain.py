"""shapes-plain: a ZFNet in small."""

from __future__ import annotations

import torch
from torch import nn


class ShapesPlain(nn.Module):
    """A plain stack of convolutions, ReLU and max pooling in the spirit of ZFNet.

    As in ZFNet (Zeiler and Fergus, 2013), the first layer has 7x7 filters at stride 2 and is
    followed by 3x3 max pooling at stride 2. Where ZFNet has fully connected layers this network
    averages its last map (Lin et al., 2014), which keeps it small.

    Parameters
    ----------
    num_classes : int
        Length of the output.

    Notes
    -----
    Input `[N, 3, 96, 96]`, output logits `[N, num_classes]`. The maps are 48x48 after the first
    convolution, 24x24 and 12x12 after the poolings.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 48, kernel_size=7, stride=2, padding=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            nn.Conv2d(48, 96, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            nn.Conv2d(96, 128, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 128, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 128, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(128, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of images [N, 3, H, W]."""
        return self.head(self.maps(x))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last maps [N, 128, H / 8, W / 8] of images [N, 3, H, W]."""
        maps: torch.Tensor = self.features(x)
        return maps

    def head(self, maps: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of the last maps."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.avgpool(maps), 1))
        return logits
