"""Small networks of signals and volumes, each of another kind that people have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Return a network in eval mode with weights of its own, whatever ran before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build().eval()


def signal_classifier(channels: int = 2) -> nn.Module:
    """Return two stages of convolutions along a signal, then three classes."""
    return nn.Sequential(
        nn.Conv1d(channels, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(6, 8, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def volume_classifier(channels: int = 1) -> nn.Module:
    """Return two stages of convolutions over a volume, then three classes."""
    return nn.Sequential(
        nn.Conv3d(channels, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


class WaveNet(nn.Module):
    """Gated, dilated, causal convolutions with skips, and an answer at every sample."""

    def __init__(self, channels: int = 6, classes: int = 4, depth: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, channels, 1)
        self.filters = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, 2, dilation=2**n) for n in range(depth)
        )
        self.skips = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(depth))
        self.last = nn.Conv1d(channels, classes, 1)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, classes, L]."""
        x, total = self.first(x), torch.zeros(())
        layers: Any = zip(self.filters, self.skips, strict=True)
        for each, skip in layers:
            signal, gate = each(F.pad(x, (each.dilation[0], 0))).chunk(2, 1)
            hidden = signal.tanh() * gate.sigmoid()
            total = total + skip(hidden)
            x = x + hidden
        return self.last(total.relu())


class Recurrent(nn.Module):
    """Convolutions along a signal, then an LSTM over what they give (a CRNN)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 6, 5, stride=2, padding=2)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3]."""
        steps, _ = self.lstm(self.conv(x).relu().transpose(1, 2))
        return self.head(steps[:, -1])


class VolumeUNet(nn.Module):
    """A U-Net over volumes with one step down, which answers at every voxel."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv3d(1, 4, 3, padding=1)
        self.deep = nn.Conv3d(4, 8, 3, padding=1)
        self.up = nn.ConvTranspose3d(8, 4, 2, stride=2)
        self.out = nn.Conv3d(8, 3, 1)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3, D, H, W]."""
        fine = self.down(x).relu()
        deep = self.deep(F.max_pool3d(fine, 2)).relu()
        return self.out(torch.cat([fine, self.up(deep).relu()], 1))


class Circular(nn.Module):
    """A signal that closes on itself, as an angle or a day does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 5, padding=2, padding_mode="circular")
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3]."""
        return self.head(self.conv(x).relu().mean(2))


class Parted(nn.Module):
    """Convolutions of each frame and then along them, (2+1)D, strided at different layers."""

    def __init__(self) -> None:
        super().__init__()
        self.space = nn.Conv3d(3, 6, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.time = nn.Conv3d(6, 6, (3, 1, 1), (2, 1, 1), (1, 0, 0))
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3]."""
        return self.head(self.time(self.space(x).relu()).relu().mean((2, 3, 4)))


class Spectrogram(nn.Module):
    """A picture of frequencies over time, made of a signal, and convolutions over it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.register_buffer("window", torch.hann_window(16))

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3]."""
        window: Any = self.window
        found = torch.stft(x[:, 0], 16, 8, window=window, center=False, return_complex=True)
        return self.head(self.conv(found.abs().log1p()[:, None]).relu().mean((2, 3)))


class Unfolded(nn.Module):
    """Overlapping windows of a signal as the rows of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, (1, 3), padding=(0, 1))
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3]."""
        return self.head(self.conv(x.unfold(2, 16, 8)).relu().mean((2, 3)))


class Patched(nn.Module):
    """Patches of a volume as tokens with a class token, as video transformers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv3d(1, 8, (2, 4, 4), (2, 4, 4))
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> Any:
        """Return [N, 3]."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.head(self.norm(tokens + mixed).mean(1))


Case = tuple[Callable[[], nn.Module], tuple[int, ...]]
NETWORKS: dict[str, Case] = {
    "signal": (signal_classifier, (2, 40)),
    "wavenet": (WaveNet, (1, 40)),
    "recurrent": (Recurrent, (1, 40)),
    "circular": (Circular, (1, 40)),
    "spectrogram": (Spectrogram, (1, 80)),
    "unfolded": (Unfolded, (1, 80)),
    "volume": (volume_classifier, (1, 6, 8, 10)),
    "unet": (VolumeUNet, (1, 4, 8, 8)),
    "parted": (Parted, (3, 6, 12, 12)),
    "patched": (Patched, (1, 4, 8, 8)),
}
"""Every kind, with the shape of an input [C, ...]."""


@cache
def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Return a network, and two inputs for it; cached, so tests must leave them as they are.

    What is found out about a network is kept with it: which input it takes, how it is laid out.
    """
    return fresh(name)


def fresh(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Return a network of its own, and two inputs for it."""
    made, shape = NETWORKS[name]
    generator = torch.Generator().manual_seed(1)
    return seeded(made), torch.rand(2, *shape, generator=generator)


def flattened(network: nn.Module, dims: int) -> nn.Module:
    """Return a network of images that computes what one of signals or volumes does.

    Along the axis that is added, or taken away, every kernel has the length 1: a signal becomes a
    picture of one row, and a volume of one slice a picture.
    """
    return nn.Sequential(*(_as_2d(layer, dims) for layer in network.children())).eval()


def _as_2d(layer: nn.Module, dims: int) -> nn.Module:
    held: Any = layer
    # What is added in front, for a signal, or taken away, from a volume.
    keep = slice(None) if dims == 1 else slice(1, None)
    front = (1,) if dims == 1 else ()
    if isinstance(layer, (nn.Conv1d, nn.Conv3d)):
        weight = held.weight.detach()
        weight = weight[:, :, None] if dims == 1 else weight[:, :, 1]
        made: Any = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            tuple(weight.shape[2:]),
            (*front, *held.stride[keep]),
            (*((0,) * len(front)), *held.padding[keep]),
            (*front, *held.dilation[keep]),
        )
        made.weight.data, made.bias.data = weight.clone(), held.bias.detach().clone()
        found: nn.Module = made
        return found
    if isinstance(layer, nn.MaxPool1d):
        return nn.MaxPool2d((1, held.kernel_size))
    if isinstance(layer, nn.MaxPool3d):
        return nn.MaxPool2d(held.kernel_size[1:])
    pools = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool3d)
    return nn.AdaptiveAvgPool2d(1) if isinstance(layer, pools) else layer
