"""MobileNet v1 (Howard et al., 2017)."""

from __future__ import annotations

import torch
from torch import nn

_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
"""The channels that each pair of layers gives, and its stride (table 1 of the paper)."""


class DepthwiseSeparable(nn.Sequential):
    """A filter for each channel, then 1x1 convolutions that combine them (the paper's figure 3)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(inplace=True),
            nn.Conv2d(inside, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        )


class MobileNetV1(nn.Module):
    """MobileNet with a width of 1.0, for images of 224x224.

    Notes
    -----
    Howard et al. (2017), "MobileNets", table 1: 4.2 million parameters, 569 million
    multiply-accumulate operations. The table gives the last depthwise layer a stride of 2, which
    its own sizes exclude; it moves by 1 here, as in the authors' code.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)
            )
        ]
        inside = 32
        for outside, stride in _BLOCKS:
            layers.append(DepthwiseSeparable(inside, outside, stride))
            inside = outside
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(inside, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of images [N, 3, H, W]."""
        logits: torch.Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits
