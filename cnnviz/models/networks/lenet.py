"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


class LeNet5(nn.Module):
    """LeNet-5 for one-channel images of 32x32, layer by layer as in the paper's figure 2.

    Parameters
    ----------
    num_classes : int
        Length of the output.

    Notes
    -----
    Kept from the paper: the 32x32 input, the sizes and the names of the layers (C1, S2, C3, S4,
    C5, F6, output), 5x5 convolutions without padding, averaging in the subsampling layers, and
    tanh as the squashing function. Simplified, as is usual today: C3 sees all maps of S2 (the paper
    connects each of its maps to some of them), subsampling layers have no trainable gain and
    bias, tanh is not scaled by 1.7159, and the output is linear (the paper has radial basis
    functions). This form has 61,706 parameters; the paper's has about 60,000.

    Input `[N, 1, 32, 32]`, output logits `[N, num_classes]`.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(1, 6, kernel_size=5),
                tanh1=nn.Tanh(),
                s2=nn.AvgPool2d(kernel_size=2),
                c3=nn.Conv2d(6, 16, kernel_size=5),
                tanh3=nn.Tanh(),
                s4=nn.AvgPool2d(kernel_size=2),
                c5=nn.Conv2d(16, 120, kernel_size=5),
                tanh5=nn.Tanh(),
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(f6=nn.Linear(120, 84), tanh6=nn.Tanh(), output=nn.Linear(84, num_classes))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, num_classes] of images [N, 1, 32, 32]."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return logits
