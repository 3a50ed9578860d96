"""LeNet-5 as it was: partial connections, trainable subsampling, radial basis functions (1998)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

CONNECTED = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)
"""The maps of S2 that each map of C3 reads (table I of the paper)."""


class SquashedTanh(nn.Module):
    """The squashing function of the paper, 1.7159 tanh(2a/3) (its appendix A)."""

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        """Return the squashed sums."""
        return 1.7159 * torch.tanh(a * (2 / 3))


class Subsampling(nn.Module):
    """The sum of 2x2 values, times a trainable coefficient, plus a trainable bias, for each map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((maps, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps of half the side."""
        return F.avg_pool2d(x, 2, divisor_override=1) * self.coefficient + self.bias


class PartialConvolution(nn.Module):
    """A convolution each of whose filters reads some of the channels.

    Parameters
    ----------
    connected : tuple of tuple of int
        The channels that each filter reads.
    channels, kernel_size : int
        How many channels there are, and the side of the kernels.
    """

    pairs: torch.Tensor

    def __init__(
        self, connected: tuple[tuple[int, ...], ...], channels: int, kernel_size: int
    ) -> None:
        super().__init__()
        pairs = [(number, one) for number, read in enumerate(connected) for one in read]
        self.register_buffer("pairs", torch.tensor(pairs).T.contiguous(), persistent=False)
        self.shape = (len(connected), channels, kernel_size, kernel_size)
        self.kernels = nn.Parameter(torch.empty(len(pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(connected)))
        # As in the paper's appendix A: within 2.4 over the number of inputs.
        inputs = [kernel_size**2 * len(read) for read in connected for _ in read]
        nn.init.uniform_(self.kernels, -2.4, 2.4)
        with torch.no_grad():
            self.kernels.div_(torch.tensor(inputs)[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the maps of the filters; what is not connected has a weight of zero."""
        whole = self.kernels.new_zeros(self.shape)
        weight = whole.index_put((self.pairs[0], self.pairs[1]), self.kernels)
        return F.conv2d(x, weight, self.bias)


class EuclideanRBF(nn.Module):
    """Units that say how near the input is to a fixed code of each class, 0 at the nearest.

    The paper has the squared distance, which is small for the answer; this is its negative, so
    that the largest output is the answer. The paper's codes are pictures of the characters, drawn
    by hand in 7x12 pixels of -1 and +1; these are such codes drawn at random with a fixed seed.
    """

    codes: torch.Tensor

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1998)
        codes = torch.randint(0, 2, (classes, size), generator=generator) * 2.0 - 1.0
        self.register_buffer("codes", codes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the negative squared distances [N, classes]."""
        return -(x[:, None] - self.codes).square().sum(-1)


class LeNet5of1998(nn.Module):
    """LeNet-5 for one-channel images of 32x32, with every parameter of the paper.

    Notes
    -----
    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document
    recognition", section II-B: 60,000 trainable parameters, 156 in C1, 12 in S2, 1,516 in C3, 32 in
    S4, 48,120 in C5 and 10,164 in F6. `cnnviz.models.networks.LeNet5` is the form that is usual
    today. Input `[N, 1, 32, 32]`, output `[N, 10]`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(1, 6, 5),
                squash1=SquashedTanh(),
                s2=Subsampling(6),
                squash2=SquashedTanh(),
                c3=PartialConvolution(CONNECTED, 6, 5),
                squash3=SquashedTanh(),
                s4=Subsampling(16),
                squash4=SquashedTanh(),
                c5=nn.Conv2d(16, 120, 5),
                squash5=SquashedTanh(),
            )
        )
        self.f6 = nn.Linear(120, 84)
        self.squash6 = SquashedTanh()
        self.output = EuclideanRBF(10, 84)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the negative distances [N, 10] of images [N, 1, 32, 32]."""
        squashed = self.squash6(self.f6(torch.flatten(self.features(x), 1)))
        answer: torch.Tensor = self.output(squashed)
        return answer
