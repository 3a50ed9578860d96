"""Small networks of kinds that torchvision has not, for the table of networks: random weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def _block(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )


class UNet(nn.Module):
    """A U-Net of three resolutions that gives each pixel one of four classes."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = _block(3, 16), _block(16, 32), _block(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(64, 32, 2, 2)
        self.join2 = _block(64, 32)
        self.up1 = nn.ConvTranspose2d(32, 16, 2, 2)
        self.join1 = _block(32, 16)
        self.classes = nn.Conv2d(16, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes at each pixel."""
        first = self.down1(x)
        second = self.down2(self.pool(first))
        up = self.up2(self.bottom(self.pool(second)))
        up = self.up1(self.join2(torch.cat([up, second], 1)))
        return self.classes(self.join1(torch.cat([up, first], 1)))


class Autoencoder(nn.Module):
    """An autoencoder that gives back a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the picture."""
        return self.decoder(self.encoder(x))


class CRNN(nn.Module):
    """A convolutional network whose columns are read by an LSTM, as for lines of text."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            _block(3, 16), nn.MaxPool2d(2), _block(16, 32), nn.MaxPool2d(2), _block(32, 32)
        )
        self.rows = nn.AdaptiveAvgPool2d((1, None))
        self.reader = nn.LSTM(32, 24, batch_first=True, bidirectional=True)
        self.letters = nn.Linear(48, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the letters, averaged over the columns."""
        columns = self.rows(self.maps(x)).squeeze(2).transpose(1, 2)
        return self.letters(self.reader(columns)[0]).mean(1)


class Siamese(nn.Module):
    """Two photos go through one tower; the answer is how alike they are."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(
            _block(3, 16), nn.MaxPool2d(2), _block(16, 32), nn.MaxPool2d(2), _block(32, 32)
        )
        self.alike = nn.Linear(32, 1)

    def forward(self, photo: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return the logit of being of one kind."""
        one, two = (self.tower(each).mean((2, 3)) for each in (photo, other))
        return self.alike((one - two).abs())


class WaveNet(nn.Module):
    """Dilated causal convolutions of a signal, after van den Oord et al. (2016), that classify."""

    def __init__(self, dilations: Iterable[int] = (1, 2, 4, 8, 16)) -> None:
        super().__init__()
        self.enter = nn.Conv1d(1, 16, 1)
        self.filters = nn.ModuleList(nn.Conv1d(16, 16, 2, dilation=d) for d in dilations)
        self.gates = nn.ModuleList(nn.Conv1d(16, 16, 2, dilation=d) for d in dilations)
        self.skips = nn.ModuleList(nn.Conv1d(16, 16, 1) for _ in dilations)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes."""
        x = self.enter(x)
        for filtering, gating, skip in zip(self.filters, self.gates, self.skips, strict=True):
            before = nn.functional.pad(x, (filtering.dilation[0], 0))
            x = x + skip(filtering(before).tanh() * gating(before).sigmoid())
        return self.head(x.mean(2))


class Volumes(nn.Module):
    """A small network of volumes, such as scans."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
            nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes."""
        return self.head(self.maps(x).mean((2, 3, 4)))
