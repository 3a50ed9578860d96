"""Small networks with a branch or a tower that learns, hardly learns, or never does.

Each tells the orientations of two gratings side by side. In those of two towers each tower sees one
of them, so that a branch that learns nothing leaves half of the answer to chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, SIDE, CLASSES = 8, 12, 4
LEARNS, WITH_ADAM, NEVER, SHORT = "learns", "with Adam", "never", "not judged"


def gratings(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pairs of gratings in noise, [N, 3, 12, 12], and which of four each is, [N]."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    turned = torch.randint(2, (count, 2), generator=generator)
    halves = []
    for half in range(2):
        along = torch.where(turned[:, half, None, None] == 1, rows, columns)
        phase = 6.28 * torch.rand(count, 1, 1, generator=generator)
        halves.append(torch.cos(1.6 * along + phase)[..., half * 6 : half * 6 + 6])
    images = torch.cat(halves, 2)[:, None].expand(-1, 3, -1, -1)
    images = images + 0.3 * torch.randn(count, 3, SIDE, SIDE, generator=generator)
    return images / images.std(), 2 * turned[:, 0] + turned[:, 1]


def conv(into: int, out: int, size: int = 3, scale: float = 1.0) -> nn.Conv2d:
    """Return a convolution with He's weights times a factor."""
    layer = nn.Conv2d(into, out, size, padding=size // 2)
    nn.init.kaiming_normal_(layer.weight)
    layer.weight.data *= scale
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def chain(
    count: int,
    scale: float = 1.0,
    activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    into: int = WIDTH,
    bias: float = 0.0,
    norm: bool = False,
) -> nn.Sequential:
    """Return convolutions one after the other."""
    parts: list[nn.Module] = []
    for place in range(count):
        layer = conv(WIDTH if place else into, WIDTH, scale=scale if place or into > 3 else 1.0)
        nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
        parts += [layer, *([nn.BatchNorm2d(WIDTH)] if norm else []), activation()]
    return nn.Sequential(*parts)


class Towers(nn.Module):
    """Two towers, each with a half of the image."""

    def __init__(self, branch: nn.Module, *, fused: bool = False) -> None:
        super().__init__()
        self.tower, self.branch, self.head = chain(6, into=3), branch, nn.Linear(16, CLASSES)
        self.mix: nn.Module = nn.Identity()
        if fused:  # What is added to a trained network begins at zero in the layer that joins it.
            joining = conv(16, 16)
            joining.weight.data[:, WIDTH:] = 0.0
            self.mix = nn.Sequential(joining, nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([self.tower(x[..., :6]), self.branch(x[..., 6:])], 1)
        found: torch.Tensor = self.head(self.mix(both).mean((2, 3)))
        return found


class Around(nn.Module):
    """A branch beside a skip: the inside of a U-Net, of half the size, or a block that is added."""

    def __init__(self, branch: nn.Module, *, inside: bool = False, first: float = 1.0) -> None:
        super().__init__()
        self.stem, self.entry = chain(1, into=3), conv(WIDTH, WIDTH, 1, first)
        self.branch, self.inside = branch, inside
        self.up: nn.Module = chain(2, into=16) if inside else nn.Identity()
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        if self.inside:
            coarse = F.interpolate(self.branch(F.max_pool2d(x, 2)), scale_factor=2.0)
            x = self.up(torch.cat([x, coarse], 1))
        else:
            x = F.relu(x + self.branch(x + self.entry(x)))
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


@dataclass(frozen=True)
class Branched:
    """A network with a branch, and how its branch is known to fare.

    Attributes
    ----------
    what : str
        The network.
    build : callable
        Returns it; the seed is set.
    fares : str
        "learns", "with Adam" (and hardly with SGD) or "never"; "not judged" for a branch of fewer
        than four points.
    """

    what: str
    build: Callable[[], nn.Module]
    fares: str


def zeroed(branch: nn.Sequential, place: int) -> nn.Sequential:
    """Set the weights of one of its layers to zero."""
    nn.init.zeros_(branch[place].weight)  # type: ignore[arg-type]
    return branch


def branched() -> Iterator[Branched]:
    """Yield every network; those of a scale are between the least and the greatest that matter."""
    for scale, fares in ((1.0, LEARNS), (0.65, LEARNS), (0.3, WITH_ADAM), (0.2, WITH_ADAM)):
        yield Branched(
            f"two towers, weights of one x {scale}",
            lambda scale=scale: Towers(chain(6, scale, into=3)),  # type: ignore[misc]
            fares,
        )
        yield Branched(
            f"U-Net, weights inside x {scale}",
            lambda scale=scale: Around(chain(6, scale), inside=True),  # type: ignore[misc]
            fares,
        )
    sigmoids = nn.Sigmoid
    yield Branched(
        "two towers, one of 6 sigmoids", lambda: Towers(chain(6, 1.0, sigmoids, into=3)), WITH_ADAM
    )
    yield Branched(
        "two towers, one of 3 sigmoids", lambda: Towers(chain(3, 1.0, sigmoids, into=3)), SHORT
    )
    yield Branched(
        "two towers, one with batch norm", lambda: Towers(chain(6, norm=True, into=3)), LEARNS
    )
    yield Branched(
        "two towers, all biases of one -8", lambda: Towers(chain(6, into=3, bias=-8.0)), NEVER
    )
    yield Branched(
        "U-Net, all biases inside -8", lambda: Around(chain(6, bias=-8.0), inside=True), NEVER
    )
    yield Branched(
        "U-Net, last layer inside zero before a ReLU",
        lambda: Around(zeroed(chain(6), -2), inside=True),
        NEVER,
    )
    yield Branched(
        "two towers, joined by weights of zero",
        lambda: Towers(chain(6, into=3), fused=True),
        LEARNS,
    )
    yield Branched(
        "block whose last layer is zero", lambda: Around(zeroed(chain(6)[:-1], -1)), LEARNS
    )
    yield Branched(
        "block whose first and last layer are zero",
        lambda: Around(zeroed(chain(6)[:-1], -1), first=0.0),
        LEARNS,
    )
    yield Branched(
        "block with batch norm, the last gamma zero",
        lambda: Around(zeroed(chain(6, norm=True)[:-1], -1)),
        LEARNS,
    )
