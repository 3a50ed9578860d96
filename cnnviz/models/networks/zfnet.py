"""ZFNet (Zeiler and Fergus, 2013)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


class ZFNet(nn.Module):
    """The network of Zeiler and Fergus (2013), figure 3, for images of 224x224.

    Notes
    -----
    AlexNet with a first layer of 7x7 filters that move by 2, and without its two halves. The sizes
    of the figure, 110, 55, 26, 13 and 6, follow with a padding of 1 around the image and around the
    maps that are pooled first and second. Maps are normalised across channels after the first two
    poolings, as in Krizhevsky et al. (2012). The paper counts no parameters.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(3, 96, 7, 2, 1),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(3, 2, 1),
                norm1=nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0),
                conv2=nn.Conv2d(96, 256, 5, 2),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(3, 2, 1),
                norm2=nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0),
                conv3=nn.Conv2d(256, 384, 3, padding=1),
                relu3=nn.ReLU(),
                conv4=nn.Conv2d(384, 384, 3, padding=1),
                relu4=nn.ReLU(),
                conv5=nn.Conv2d(384, 256, 3, padding=1),
                relu5=nn.ReLU(),
                pool5=nn.MaxPool2d(3, 2),
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=nn.Linear(256 * 6 * 6, 4096),
                relu6=nn.ReLU(),
                drop6=nn.Dropout(),
                fc7=nn.Linear(4096, 4096),
                relu7=nn.ReLU(),
                drop7=nn.Dropout(),
                fc8=nn.Linear(4096, num_classes),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of images [N, 3, 224, 224]."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return logits
