"""shapes-residual: a ResNet in small."""

from __future__ import annotations

import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut around them (He et al., 2016).

    Parameters
    ----------
    inplanes, planes : int
        Channels before and after.
    stride : int
        Stride of the first convolution.
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inplanes, planes, 1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps [N, planes, H / stride, W / stride]."""
        identity: torch.Tensor = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        result: torch.Tensor = self.relu(out)
        return result


class ShapesResidual(nn.Module):
    """Basic blocks with skip connections and batch norm, named as in torchvision's ResNet.

    Parameters
    ----------
    num_classes : int
        Length of the output.

    Notes
    -----
    Input `[N, 3, 96, 96]`, output logits `[N, num_classes]`. The maps are 48x48 after `conv1`,
    24x24 in `layer1`, 12x12 in `layer2` and `layer3`; the last stage keeps its resolution, so that
    maps of where the network looked stay sharp.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(32, 32), BasicBlock(32, 32))
        self.layer2 = nn.Sequential(BasicBlock(32, 64, stride=2), BasicBlock(64, 64))
        self.layer3 = nn.Sequential(BasicBlock(64, 128))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of images [N, 3, H, W]."""
        return self.head(self.maps(x))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last maps [N, 128, H / 8, W / 8] of images [N, 3, H, W]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps: torch.Tensor = self.layer3(self.layer2(self.layer1(x)))
        return maps

    def head(self, maps: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of the last maps."""
        logits: torch.Tensor = self.fc(torch.flatten(self.avgpool(maps), 1))
        return logits
