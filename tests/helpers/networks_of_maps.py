"""Small networks whose layers hold maps of the image in unusual layouts, or none at all."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    """Return a network in eval mode whose weights, biases and tokens are all drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network.eval()


class Attention(nn.Module):
    """Plain softmax attention whose weights pass through a module, as timm's do."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.softmax = nn.Softmax(-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, tokens, width = x.shape
        parts = self.qkv(x).reshape(count, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        weights = self.softmax(q @ k.transpose(-2, -1) / 2.0)
        return self.proj((weights @ v).transpose(1, 2).reshape(count, tokens, width))


class WindowBlock(nn.Module):
    """Attention within windows of 2 x 2, shifted by a roll, over channels-last maps."""

    def __init__(self, width: int, shift: int) -> None:
        super().__init__()
        self.norm, self.attn, self.shift = nn.LayerNorm(width), Attention(width), shift
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, height, width, channels = x.shape
        y = torch.roll(self.norm(x), (-self.shift, -self.shift), (1, 2))
        y = y.view(count, height // 2, 2, width // 2, 2, channels)
        y = self.attn(y.transpose(2, 3).reshape(-1, 4, channels))
        y = y.view(count, height // 2, width // 2, 2, 2, channels).transpose(2, 3)
        y = torch.roll(y.reshape(x.shape), (self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(x)


class Swinlike(nn.Module):
    """Two stages of windows with a merging of patches between them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, stride=2)
        self.first = nn.Sequential(WindowBlock(8, 0), WindowBlock(8, 1))
        self.merge = nn.Linear(32, 12)
        self.second = nn.Sequential(WindowBlock(12, 0), WindowBlock(12, 1))
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(self.embed(x).permute(0, 2, 3, 1))
        quarters = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        x = self.norm(self.second(self.merge(torch.cat(quarters, -1))))
        return self.head(x.mean((1, 2)))


class TokenBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(width), Attention(width)
        self.mlp = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm(x))
        return x + self.mlp(x).relu()


class Tokens(nn.Module):
    """A vision transformer with a class token in front and registers behind it, or neither."""

    def __init__(self, apart: int = 3, read: str = "token") -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.tokens = nn.Parameter(torch.zeros(1, apart, 8))
        self.blocks = nn.Sequential(TokenBlock(8), TokenBlock(8), TokenBlock(8))
        self.norm, self.head, self.read = nn.LayerNorm(8), nn.Linear(8, 5), read

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.tokens.expand(len(x), -1, -1), x], 1)
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0] if self.read == "token" else x.mean(1))


class CrossCovariance(nn.Module):
    """Attention between channels, beside a table of positions that ignores the image (XCiT)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.table = nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(2, 8, 1)
        self.qkv, self.softmax = nn.Linear(8, 24), nn.Softmax(-1)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        height, width = x.shape[2:]
        rows, columns = torch.linspace(0, 1, height), torch.linspace(0, 1, width)
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).to(x)
        x = (x + self.table(grid[None])).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).chunk(3, -1)
        mixed = self.softmax(q.transpose(1, 2) @ k) @ v.transpose(1, 2)
        return self.head(self.norm(x + mixed.transpose(1, 2)).mean(1))


class ChannelsLast(nn.Module):
    """A convolutional network with linear layers over channels-last maps inside (ConvNeXt)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 2, stride=2)
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.down(self.conv(x).relu())
        y = self.narrow(F.gelu(self.wide(self.norm(x.permute(0, 2, 3, 1)))))
        return self.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))


class DynamicFilters(nn.Module):
    """A branch whose output is the kernels of a convolution of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.kernels = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Conv2d(8, 8, 1))
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x).relu()
        kernels = self.kernels(y).flatten(0, 1)[:, None]
        y = F.conv2d(y.flatten(0, 1)[None], kernels, groups=len(kernels), padding=1).view_as(y)
        return self.head(y.mean((2, 3)))


class Crops(nn.Module):
    """Two levels of a pyramid, and crops of regions of the finer one on the way to the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.merged, self.box = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        from torchvision.ops import roi_align

        fine = self.fine(x).relu()
        fine = self.merged(fine + F.interpolate(self.coarse(fine), scale_factor=2.0))
        boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 7.0, 6.0]]) for _ in x]
        crops = self.box(roi_align(fine, boxes, 4)).relu()
        return self.head(crops.view(len(x), 2, *crops.shape[1:]).mean((1, 3, 4)))


class Segmenter(nn.Module):
    """A class map as large as the image, from features of a quarter of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.relu, self.classes = nn.ReLU(), nn.Conv2d(8, 5, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        small = self.classes(self.relu(self.body(x)))
        return {"out": F.interpolate(small, x.shape[2:], mode="bilinear")}


class SequenceFirst(nn.Module):
    """Tokens before images, as torch's own transformer layers have it by default."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer(self.embed(x).flatten(2).permute(2, 0, 1))
        return self.head(self.norm(x).mean(0))


class Mixer(nn.Module):
    """Tokens mixed by a linear layer over their positions, which itself has none."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.over = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(16, 16)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2)
        return self.head(self.norm((x + self.over(x)).transpose(1, 2)).mean(1))


class Turned(nn.Module):
    """Maps transposed, mirrored and rolled on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.across = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 1)
        self.mirrored, self.head = nn.Conv2d(6, 6, 1), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.across(self.conv(x).transpose(2, 3))
        x = self.mirrored(x.flip(2).roll(1, 3))
        return self.head(x.relu().mean((2, 3)))


class Strip(nn.Module):
    """The height is summed away, and one row of columns is read (a CRNN's neck)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.columns = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv1d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.columns(self.conv(x).relu().mean(2)).relu().mean(2))


class Coordinates(nn.Module):
    """Gates along the rows and along the columns of a map (coordinate attention)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rows, self.columns = (
            nn.Conv2d(3, 6, 3, 2, 1),
            nn.Conv2d(6, 6, 1),
            nn.Conv2d(6, 6, 1),
        )
        self.last, self.head = nn.Conv2d(6, 8, 1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        rows, columns = self.rows(x.mean(3, keepdim=True)), self.columns(x.mean(2, keepdim=True))
        return self.head(self.last(x * rows.sigmoid() * columns.sigmoid()).relu().mean((2, 3)))


class Shuffled(nn.Module):
    """Space to depth and back again: pixels become channels, and channels pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.focus, self.grow = nn.PixelUnshuffle(2), nn.PixelShuffle(2)
        self.conv, self.last, self.head = nn.Conv2d(12, 8, 1), nn.Conv2d(2, 6, 1), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.grow(self.conv(self.focus(x)))).relu().mean((2, 3)))


class Queries(nn.Module):
    """Learned queries that ask the image: what they answer stands for no place of it (DETR)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.asked = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.zeros(1, 9, 8))
        self.ask = nn.MultiheadAttention(8, 2, batch_first=True)
        self.answers, self.head = nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        found, _ = self.ask(self.asked.expand(len(x), -1, -1), x, x)
        return self.head(self.answers(found).mean(1))


class Padded(nn.Module):
    """Every strided convolution pads in a module of its own, as EfficientNet-Lite's do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 6, 3, 2), nn.ReLU()),
            nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(6, 8, 3, 2), nn.ReLU()),
        )
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean((2, 3)))
