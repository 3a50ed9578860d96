"""Small networks of the kinds that people bring, each with what is right of it.

They were written to break what was built: answers, maps and ways that nobody had thought of.
"""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

Forward = Callable[[Any, torch.Tensor], Any]


def conv(given: int, made: int, size: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(given, made, size, padding=size // 2, **options)


def pooled(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean((2, 3))


class Net(nn.Module):
    """Layers by name, a function of them that makes scores, and what is made of these."""

    def __init__(self, scores: Forward, tail: Callable[..., Any] | None = None, **layers: Any):
        super().__init__()
        self.scores, self.tail = scores, tail
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: torch.Tensor) -> Any:
        found = self.scores(self, x)
        return found if self.tail is None else self.tail(found)


@dataclass(frozen=True)
class Right:
    """What is right of a network.

    Attributes
    ----------
    network : Net
        The network, with weights drawn from a seed.
    kind : str
        What its output is.
    layer : str or None
        Where its Grad-CAM is made by default; None where there is no map of the image.
    """

    network: Net
    kind: str
    layer: str | None


def seeded(network: Net, seed: int = 0) -> Net:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network.eval()


def body(classes: int = 4) -> dict[str, nn.Module]:
    return {"a": conv(3, 6, stride=2), "b": conv(6, 6), "head": nn.Linear(6, classes)}


def features(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.b(n.a(x).relu()).relu()


def classify(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.head(pooled(features(n, x)))


def tokens_of(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.m1(n.e(x).flatten(2).transpose(1, 2)).relu()


# Loops, routes and weights that the image makes.


def recurrent(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x)
    state = torch.zeros_like(given)
    for _ in range(3):
        state = n.b(torch.cat([given, state], 1)).tanh()
    return n.head(pooled(state))


def lstm(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x)
    state = cell = torch.zeros_like(given)
    for _ in range(2):
        i, f, o, g = n.b(torch.cat([given, state], 1)).chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        state = o.sigmoid() * cell.tanh()
    return n.head(pooled(state))


def routed(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x).relu()
    weights = n.route(pooled(given)).softmax(1)
    found = torch.zeros_like(given)
    for place, expert in enumerate(n.experts):
        rows = (weights.argmax(1) == place).nonzero().flatten()
        if len(rows):
            part = expert(given[rows]) * weights[rows, place][:, None, None, None]
            found = found.index_add(0, rows, part)
    return n.head(pooled(found.relu()))


def mixed(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x).relu()
    weights = n.route(pooled(given)).softmax(1)[:, :, None, None, None]
    return n.head(pooled(sum(weights[:, k] * one(given) for k, one in enumerate(n.experts)).relu()))


def experts() -> dict[str, nn.Module]:
    several = nn.ModuleList(conv(6, 6) for _ in range(3))
    return {**body(), "route": nn.Linear(6, 3), "experts": several}


def equilibrium(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x)
    state = torch.zeros_like(given)
    with torch.no_grad():
        for _ in range(10):
            state = torch.tanh(n.b(state) * 0.3 + given)
    return n.head(pooled(torch.tanh(n.b(state) * 0.3 + given)))


def hyper(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x).relu()
    count, channels, height, width = given.shape
    weights = n.h(pooled(given)).view(count * 6, channels, 3, 3)
    one = F.conv2d(given.view(1, -1, height, width), weights, padding=1, groups=count)
    return n.head(pooled(one.view(count, 6, height, width).relu()))


def per_image(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x).relu()
    found = n.first(pooled(given))
    on = found[:, 0] > found[:, 1]
    if on.any():
        found = found.clone()
        found[on] = n.head(pooled(n.b(given[on]).relu()))
    return found


# Other grids of places.


def coordinates(n: Any, x: torch.Tensor) -> torch.Tensor:
    rows, columns = torch.linspace(-1, 1, x.shape[2]), torch.linspace(-1, 1, x.shape[3])
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(x), -1, -1, -1)
    return n.head(pooled(n.b(n.a(torch.cat([x, grid], 1)).relu()).relu()))


def haar(n: Any, x: torch.Tensor) -> torch.Tensor:
    def split(y: torch.Tensor) -> torch.Tensor:
        a, b, c, d = (y[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
        return torch.cat([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], 1) / 2

    return n.head(pooled(n.b(split(n.a(split(x)).relu())).relu()))


def octave(n: Any, x: torch.Tensor) -> torch.Tensor:
    high, low = n.a(x).relu(), n.low(F.avg_pool2d(x, 2)).relu()
    fine = n.b(high) + F.interpolate(n.up(low), scale_factor=2)
    return n.head(pooled(fine.relu()) + pooled((n.down(F.avg_pool2d(high, 2)) + low).relu()))


def polar(n: Any, x: torch.Tensor) -> torch.Tensor:
    radius, angle = torch.linspace(0, 1, 12)[:, None], torch.linspace(-3.14, 3.14, 20)[None]
    grid = torch.stack([radius * angle.cos(), radius * angle.sin()], -1)
    grid = grid.expand(len(x), -1, -1, -1)
    return classify(n, F.grid_sample(x, grid, align_corners=False))


def overlapping(n: Any, x: torch.Tensor) -> torch.Tensor:
    patches = F.unfold(x, 5, padding=2, stride=3)
    maps = n.e(patches.transpose(1, 2)).relu().transpose(1, 2).unflatten(2, (6, 6))
    return n.head(pooled(n.b(maps).relu()))


def pruned_tokens(n: Any, x: torch.Tensor) -> torch.Tensor:
    tokens = tokens_of(n, x)
    kept = n.score(tokens)[..., 0].topk(6, 1).indices
    return n.head(n.m2(tokens.gather(1, kept[..., None].expand(-1, -1, 8))).relu().mean(1))


def merged_tokens(n: Any, x: torch.Tensor) -> torch.Tensor:
    tokens = tokens_of(n, x)
    one, other = tokens[:, ::2], tokens[:, 1::2]
    nearest = (one @ other.transpose(1, 2)).argmax(-1)
    merged = other.scatter_add(1, nearest[..., None].expand_as(one), one)
    return n.head(n.m2(merged).relu().mean(1))


def masked_tokens(n: Any, x: torch.Tensor) -> torch.Tensor:
    tokens = tokens_of(n, x)
    hidden = torch.arange(tokens.shape[1]) % 3 == 0
    return n.head(n.m2(torch.where(hidden[None, :, None], n.mask, tokens)).relu().mean(1))


def of_tokens() -> dict[str, Any]:
    return {
        "e": nn.Conv2d(3, 8, 4, 4),
        "m1": nn.Linear(8, 8),
        "m2": nn.Linear(8, 8),
        "score": nn.Linear(8, 1),
        "mask": nn.Parameter(torch.zeros(1, 1, 8)),
        "head": nn.Linear(8, 4),
    }


def mirrored_copies(n: Any, x: torch.Tensor) -> torch.Tensor:
    both = classify(n, torch.cat([x, x.flip(3)]))
    return (both[: len(x)] + both[len(x) :]) / 2


def crops(n: Any, x: torch.Tensor) -> torch.Tensor:
    corners = [x[..., :12, :12], x[..., 4:, 4:], x[..., :12, 4:], x[..., 4:, :12]]
    return classify(n, torch.stack(corners, 1).flatten(0, 1)).view(len(x), 4, -1).mean(1)


def attended(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x).relu()
    return n.head((given.flatten(2) * n.weigh(given).flatten(2).softmax(2)).sum(2))


def everywhere(n: Any, x: torch.Tensor) -> torch.Tensor:
    given = n.a(x).relu()
    weights = (n.q(given).flatten(2).transpose(1, 2) @ n.k(given).flatten(2)).softmax(-1)
    return n.head(pooled((n.b(given).flatten(2) @ weights.transpose(1, 2)).view_as(given) + given))


# Answers.


class Named(NamedTuple):
    logits: torch.Tensor
    features: torch.Tensor


def two_heads(n: Any, x: torch.Tensor) -> list[torch.Tensor]:
    early = n.a(x).relu()
    return [n.first(pooled(early)), n.head(pooled(n.b(early).relu()))]


def hierarchical(n: Any, x: torch.Tensor) -> torch.Tensor:
    found = pooled(features(n, x))
    fine = n.head(found).view(-1, 2, 3).log_softmax(2)
    return (n.first(found).log_softmax(1)[:, :, None] + fine).flatten(1)


def ordinal(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.head(pooled(features(n, x))) + n.steps.cumsum(0)


def captions(n: Any, x: torch.Tensor) -> torch.Tensor:
    steps, _ = n.r(n.a(x).relu().mean(2).permute(2, 0, 1))
    return n.head(steps).log_softmax(2)


def places(n: Any, x: torch.Tensor) -> torch.Tensor:
    shares = n.b(n.a(x).relu()).flatten(2).softmax(2).unflatten(2, (8, 8))
    line = torch.linspace(0, 1, 8)
    return torch.stack([(shares.sum(3) * line).sum(2), (shares.sum(2) * line).sum(2)], 2)


def unet(n: Any, x: torch.Tensor) -> torch.Tensor:
    wide = n.a(x).relu()
    up = n.up(n.b(F.max_pool2d(wide, 2)).relu())
    return n.out(torch.cat([wide, up], 1))


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return -gradients[0]


def reversed_gradient(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.head(pooled(n.b(Reversal.apply(n.a(x).relu())).relu()))


def straight_through(n: Any, x: torch.Tensor) -> torch.Tensor:
    found = n.a(x)
    return n.head(pooled(n.b(found + (found.sign() - found).detach()).relu()))


@torch.inference_mode()
def inferred(n: Any, x: torch.Tensor) -> torch.Tensor:
    return classify(n, x)


@torch.no_grad()
def frozen(n: Any, x: torch.Tensor) -> torch.Tensor:
    return features(n, x)


def mapped(n: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.func.vmap(lambda image: classify(n, image[None])[0])(x)
