"""Networks for Hypothesis: graphs of what convolutional networks are made of, however it is called.

A network is drawn as a list of steps, so that Hypothesis can make a failing one smaller. Each step
takes the last map and, where it needs another, the last earlier one of the same size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

SIDE = 12
WIDTH = 4
_LEVELS = 2

# Each in every form of call. A lambda for a method: the name of a function of torch is another's.
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor] | nn.Module] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu()": lambda x: x.relu(),
    "x.relu_()": lambda x: x.relu_(),
    "x.clamp(min=0)": lambda x: x.clamp(min=0),
    "x.clamp_(min=0)": lambda x: x.clamp_(min=0),
    "nn.LeakyReLU in place": nn.LeakyReLU(0.1, inplace=True),
    "F.leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "nn.PReLU": nn.PReLU(),
    "nn.ELU": nn.ELU(),
    "F.elu in place": lambda x: F.elu(x, inplace=True),
    "nn.SiLU in place": nn.SiLU(inplace=True),
    "x * x.sigmoid()": lambda x: x * x.sigmoid(),
    "F.gelu": F.gelu,
    "nn.Hardswish": nn.Hardswish(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "torch.tanh": torch.tanh,
    "x.tanh_()": lambda x: x.tanh_(),
    "x.sigmoid_()": lambda x: x.sigmoid_(),
    "nn.Softplus": nn.Softplus(),
}
POOLS = ("nn.MaxPool2d", "F.max_pool2d", "nn.AvgPool2d", "F.avg_pool2d", "strided")
JOINS = ("x + y", "torch.add", "x += y", "x.add_(y)", "cat", "skip")
OTHERS = ("conv", "F.conv2d", "grouped", "dilated", "norm", "again", "pool of 3", "dropout")


@dataclass(frozen=True)
class Step:
    """One step of a network.

    Attributes
    ----------
    kind : str
        What is done: one of `POOLS`, `JOINS` and `OTHERS`.
    activation : str
        What comes after it, one of `ACTIVATIONS`, or nothing.
    """

    kind: str
    activation: str


class Generated(nn.Module):
    """A network of some steps: images [N, 3, H, W] to logits [N, 3]."""

    def __init__(self, steps: tuple[Step, ...], seed: int) -> None:
        super().__init__()
        self.steps = steps
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
            self.parts = nn.ModuleDict()
            for place, step in enumerate(steps):
                if (made := _part(step.kind)) is not None:
                    self.parts[f"{place}"] = made
                if isinstance(layer := ACTIVATIONS.get(step.activation), nn.Module):
                    self.parts[f"{place} after"] = _like(layer)
            self.head = nn.Linear(WIDTH, 3)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        seen, level = [(0, x)], 0
        for place, step in enumerate(self.steps):
            down = step.kind in POOLS and level < _LEVELS
            level += down
            # Joined is what lies apart from what may be written to in place.
            earlier = [each for high, each in seen if high == level]
            if step.kind not in POOLS or down:
                x = self._take(place, step.kind, x, earlier[-2] if len(earlier) > 1 else None)
            x = self._activate(place, step.activation, x)
            seen.append((level, x))
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits

    def _take(self, place: int, kind: str, x: torch.Tensor, y: Any) -> torch.Tensor:
        part: Any = dict(self.parts.items()).get(f"{place}")
        if kind in JOINS and kind != "skip" and y is None:
            kind = ""
        made: dict[str, Callable[[], torch.Tensor]] = {
            "F.conv2d": lambda: F.conv2d(x, part.weight, part.bias, padding=1),
            "F.max_pool2d": lambda: F.max_pool2d(x, 2),
            "F.avg_pool2d": lambda: F.avg_pool2d(x, kernel_size=3, stride=2, padding=1),
            "x + y": lambda: part(x) + y,
            "torch.add": lambda: torch.add(part(x), y, alpha=0.5),
            "x += y": lambda: _added(part(x), y),
            "x.add_(y)": lambda: part(x).add_(y),
            "cat": lambda: part(torch.cat([x, y], 1)),
            "skip": lambda: x + part(x),
            "again": lambda: self.first.weight.mean() * x + self._same(x),
        }
        if kind in made:
            return made[kind]()
        found: torch.Tensor = part(x)
        return found

    def _same(self, x: torch.Tensor) -> torch.Tensor:
        """Call the first layer that takes such a map once more."""
        again = (each for each in self.parts.values() if isinstance(each, nn.Conv2d))
        layer = next((each for each in again if _keeps(each)), None)
        return layer(x) if isinstance(layer, nn.Conv2d) else x

    def _activate(self, place: int, name: str, x: torch.Tensor) -> torch.Tensor:
        if not name:
            return x
        after = f"{place} after"
        layer: Any = self.parts[after] if after in self.parts else ACTIVATIONS[name]
        # What is read again later is left alone by what writes in place.
        found: torch.Tensor = layer(x * 1.0)
        return found


def _added(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x += y
    return x


def _keeps(layer: nn.Conv2d) -> bool:
    return layer.in_channels == layer.out_channels == WIDTH and layer.stride == (1, 1)


def _like(layer: nn.Module) -> nn.Module:
    """Return a layer of its own for the network."""
    more = {"inplace": layer.inplace} if hasattr(layer, "inplace") else {}
    made: nn.Module = type(layer)(**more)
    return made


def _part(kind: str) -> nn.Module | None:
    if kind in ("conv", "F.conv2d", "skip", "x + y", "torch.add", "x += y", "x.add_(y)"):
        return nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    if kind == "cat":
        return _Joined()
    if kind == "norm":
        return _trained()
    made: dict[str, Callable[[], nn.Module]] = {
        "grouped": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH),
        "dilated": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=2, dilation=2, bias=False),
        "strided": lambda: nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1),
        "nn.MaxPool2d": lambda: nn.MaxPool2d(2),
        "nn.AvgPool2d": lambda: nn.AvgPool2d(2),
        "pool of 3": lambda: nn.MaxPool2d(3, 1, 1),
        "dropout": nn.Dropout,
    }
    return made[kind]() if kind in made else None


class _Joined(nn.Module):
    """Takes one map or two that are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Conv2d(2 * WIDTH, WIDTH, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined: torch.Tensor = self.both(x if x.shape[1] > WIDTH else torch.cat([x, x], 1))
        return joined


def _trained() -> nn.Sequential:
    norm = nn.BatchNorm2d(WIDTH)
    for values, low in (
        *((norm.running_mean, -0.5), (norm.running_var, 0.3)),
        *((norm.weight, 0.5), (norm.bias, -0.5)),
    ):
        assert values is not None
        nn.init.uniform_(values, low, low + 1.0)
    return nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), norm)


_STEPS = st.builds(
    Step,
    st.sampled_from((*POOLS, *JOINS, *OTHERS, *JOINS)),
    st.sampled_from(("", *ACTIVATIONS)),
)


def generated_networks() -> st.SearchStrategy[Generated]:
    """Draw networks of 2 to 7 steps, in eval mode and single precision."""
    plans = st.lists(_STEPS, min_size=2, max_size=7).map(tuple)
    return st.builds(Generated, plans, st.integers(0, 1 << 20))


def shown(count: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return images of seeded noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, SIDE, SIDE, generator=generator).to(dtype)
