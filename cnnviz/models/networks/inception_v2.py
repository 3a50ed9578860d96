"""Inception v2, the network with which batch normalization was published (Ioffe, Szegedy 2015)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import nn

Pool = Literal["average", "max"]

_MODULES: dict[str, tuple[int, int, int, int, int, int, Pool]] = {
    "3a": (64, 64, 64, 64, 96, 32, "average"),
    "3b": (64, 64, 96, 64, 96, 64, "average"),
    "3c": (0, 128, 160, 64, 96, 0, "max"),
    "4a": (224, 64, 96, 96, 128, 128, "average"),
    "4b": (192, 96, 128, 96, 128, 128, "average"),
    "4c": (160, 128, 160, 128, 160, 128, "average"),
    "4d": (96, 128, 192, 160, 192, 128, "average"),
    "4e": (0, 128, 192, 192, 256, 0, "max"),
    "5a": (352, 192, 320, 160, 224, 128, "average"),
    "5b": (352, 192, 320, 192, 224, 128, "max"),
}
"""The paper's figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, projection, pool."""


class ConvBN(nn.Sequential):
    """A convolution, batch normalization and a ReLU."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
                bn=nn.BatchNorm2d(outside),
                relu=nn.ReLU(inplace=True),
            )
        )


class InceptionBN(nn.Module):
    """An Inception module whose 5x5 convolution is two of 3x3.

    Parameters
    ----------
    inside : int
        The channels that come in.
    single, reduce3, conv3, reduce33, conv33, projected : int
        The channels of its layers, as in the paper's figure 5; a module without `single` halves the
        size of the maps, and hands on what its pooling gives.
    pool : {"average", "max"}
        Which pooling it has.
    """

    def __init__(
        self,
        inside: int,
        single: int,
        reduce3: int,
        conv3: int,
        reduce33: int,
        conv33: int,
        projected: int,
        pool: Pool,
    ) -> None:
        super().__init__()
        stride = 1 if single else 2
        self.branches = nn.ModuleList()
        if single:
            self.branches.append(ConvBN(inside, single, 1))
        self.branches.append(
            nn.Sequential(ConvBN(inside, reduce3, 1), ConvBN(reduce3, conv3, 3, stride))
        )
        self.branches.append(
            nn.Sequential(
                ConvBN(inside, reduce33, 1),
                ConvBN(reduce33, conv33, 3),
                ConvBN(conv33, conv33, 3, stride),
            )
        )
        pooling = nn.AvgPool2d if pool == "average" else nn.MaxPool2d
        last: list[nn.Module] = [pooling(3, stride, 1)]
        if projected:
            last.append(ConvBN(inside, projected, 1))
        self.branches.append(nn.Sequential(*last))
        self.outside = single + conv3 + conv33 + (projected or inside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the branches side by side."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class InceptionV2(nn.Module):
    """The network of Ioffe and Szegedy (2015), figure 5, for images of 224x224.

    Notes
    -----
    The columns of the figure are taken as they stand. Its modules 4c and 4d then give 608 channels,
    where it prints 576. Its first convolution is split into depthwise and pointwise in the paper;
    here it is a plain one, as in other implementations. The figure's layers do not add up to the
    13.6 million parameters of section 4.2.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=ConvBN(3, 64, 7, 2),
            pool1=nn.MaxPool2d(3, 2, 1),
            conv2_reduce=ConvBN(64, 64, 1),
            conv2=ConvBN(64, 192, 3),
            pool2=nn.MaxPool2d(3, 2, 1),
        )
        inside = 192
        for name, numbers in _MODULES.items():
            module = InceptionBN(inside, *numbers)
            layers[f"inception{name}"] = module
            inside = module.outside
        self.features = nn.Sequential(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(inside, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of images [N, 3, H, W]."""
        logits: torch.Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits
