"""Networks with known pathologies, by the table of the literature that says what each is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from cnnviz.models.networks import depth_network

HEALTHY, VANISHING, EXPLODING, DEAD = "healthy", "vanishing", "exploding", "dead"
SATURATED, ZERO = "saturated", "zero gradient"

Edit = Callable[[nn.Module, torch.Generator], None]


@dataclass(frozen=True)
class Case:
    """One network, what goes in, and what the literature says of it.

    Attributes
    ----------
    family, source : str
        The line of the table, and who says so.
    expected : str
        The verdict.
    name : str
        The network, for `depth_network`.
    seed, batch, side, width : int
        Of the weights and the input; a width of 0 is the family's own.
    edit : callable or None
        Changes the weights after they are drawn.
    """

    family: str
    source: str
    expected: str
    name: str
    seed: int
    batch: int = 16
    side: int = 16
    width: int = 0
    edit: Edit | None = None

    def build(self) -> nn.Module:
        """Return the network in training mode, as a user would have it."""
        module = depth_network(
            self.name,
            input_size=(3, self.side, self.side),
            width=self.width or None,
            seed=self.seed,
        )
        if self.edit is not None:
            self.edit(module, torch.Generator().manual_seed(self.seed))
        return module

    def images(self) -> torch.Tensor:
        """Return seeded noise."""
        generator = torch.Generator().manual_seed(1000 + self.seed)
        return torch.randn(self.batch, 3, self.side, self.side, generator=generator)

    def __str__(self) -> str:
        return f"{self.name} ({self.family}), seed {self.seed}"


def layers(module: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Return the convolutions and linear layers, in the order of definition."""
    return [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]


def biased(value: float) -> Edit:
    """Set the biases of all layers but the last."""

    def edit(module: nn.Module, generator: torch.Generator) -> None:
        for layer in layers(module)[:-1]:
            assert layer.bias is not None
            nn.init.constant_(layer.bias, value)

    return edit


def zeroed(module: nn.Module, generator: torch.Generator) -> None:
    """Set all weights and biases to zero."""
    for layer in layers(module):
        nn.init.zeros_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


@torch.no_grad()
def rescaled(module: nn.Module, generator: torch.Generator) -> bool:
    """Rescale weights without changing the function; return whether there was a way.

    Before a batch norm any factor does nothing but for its epsilon. In a plain chain of ReLU the
    factor of each channel is undone by the next layer, and that of the first layer is extreme.
    """
    found = layers(module)
    norms = [one for one in module.modules() if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d)]
    if norms:
        for layer in found[:-1]:
            layer.weight *= 10.0 ** float(torch.rand(1, generator=generator) * 2 - 0.5)
        return True
    is_chain = isinstance(module, nn.Sequential) or not _has_skips(module)
    relu = any(isinstance(one, nn.ReLU) for one in module.modules())
    if not (is_chain and relu):
        return False
    for place, (layer, following) in enumerate(pairwise(found)):
        reach = 3.0 if place == 0 else 0.7
        factor = 10.0 ** (reach * (torch.rand(len(layer.weight), generator=generator) * 2 - 1))
        if place == 0:
            factor = torch.full_like(factor, 10.0**reach)
        shape = (-1, *[1] * (layer.weight.ndim - 1))
        layer.weight *= factor.view(shape)
        if layer.bias is not None:
            layer.bias *= factor
        following.weight /= factor.view(1, -1, *[1] * (following.weight.ndim - 2))
    return True


def _has_skips(module: nn.Module) -> bool:
    return any(type(one).__name__ == "Block" for one in module.modules())


_HE, _SAXE, _GLOROT = "He 2015", "Saxe 2013", "Glorot 2010"
_TABLE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("ReLU, Kaiming", _HE, HEALTHY, ("conv-4", "conv-12", "mlp-8", "mlp-16", "plain-30:none")),
    (
        "ReLU, orthogonal",
        _SAXE,
        HEALTHY,
        ("conv-8:orthogonal", "mlp-10:orthogonal", "mlp-30:orthogonal"),
    ),
    (
        "ReLU, Xavier, 20 layers and more",
        _HE,
        VANISHING,
        ("conv-20:xavier", "mlp-24:xavier", "conv-30:xavier"),
    ),
    (
        "ReLU, torch's default, 10 layers and more",
        "Hanin 2018",
        VANISHING,
        ("conv-10:default", "mlp-10:default", "mlp-16:default"),
    ),
    ("ReLU, weights x 0.3", "Hanin 2018", VANISHING, ("conv-8:gain=0.3", "mlp-12:gain=0.3")),
    ("ReLU, weights x 3", "Hanin 2018", EXPLODING, ("conv-8:gain=3", "mlp-12:gain=3")),
    (
        "tanh, Xavier or orthogonal",
        _GLOROT,
        HEALTHY,
        ("conv-8:tanh:xavier", "mlp-10:tanh:xavier", "mlp-20:tanh:orthogonal"),
    ),
    (
        "tanh, Xavier x 3",
        "Schoenholz 2017",
        EXPLODING,
        ("mlp-24:tanh:xavier:gain=3", "conv-20:tanh:xavier:gain=3"),
    ),
    (
        "tanh, Xavier x 0.3",
        "Schoenholz 2017",
        VANISHING,
        ("mlp-10:tanh:xavier:gain=0.3", "conv-8:tanh:xavier:gain=0.3"),
    ),
    (
        "sigmoid, 10 layers and more",
        "Pennington 2017",
        VANISHING,
        ("mlp-10:sigmoid:xavier", "conv-12:sigmoid:xavier", "mlp-16:sigmoid"),
    ),
    (
        "sigmoid or tanh, batch norm, 10 layers",
        "Ioffe 2015",
        HEALTHY,
        ("conv-10:sigmoid:batch:xavier", "mlp-10:tanh:batch:xavier", "mlp-10:sigmoid:batch"),
    ),
    (
        "SELU, LeCun normal",
        "Klambauer 2017",
        HEALTHY,
        ("mlp-16:selu:lecun", "conv-10:selu:lecun"),
    ),
    ("plain-20, batch norm", "He 2016", HEALTHY, ("plain-20",)),
    ("plain-56 and 110, batch norm", "Yang 2019", EXPLODING, ("plain-56", "plain-110")),
    (
        "ResNet-20, 56, 110, batch norm",
        "He 2016",
        HEALTHY,
        ("resnet-20", "resnet-56", "resnet-110"),
    ),
    ("Fixup", "Zhang 2019", HEALTHY, ("resnet-20:fixup", "resnet-56:fixup")),
    ("SkipInit", "De 2020", HEALTHY, ("resnet-20:skipinit", "resnet-56:skipinit")),
    (
        "ResNet without batch norm, 56 layers and more",
        "Zhang 2019",
        EXPLODING,
        ("resnet-56:none", "resnet-110:none"),
    ),
)
_EDITED: tuple[tuple[str, str, str, tuple[str, ...], Edit], ...] = (
    ("ReLU, all biases -8", "Lu 2019", DEAD, ("conv-6", "mlp-8"), biased(-8.0)),
    ("tanh, all biases 5", "Lu 2019", SATURATED, ("conv-6:tanh:xavier",), biased(5.0)),
    ("tanh, all biases -8", "Lu 2019", SATURATED, ("mlp-8:tanh:xavier",), biased(-8.0)),
    ("sigmoid, all biases 6", "Lu 2019", SATURATED, ("mlp-6:sigmoid:xavier",), biased(6.0)),
    ("sigmoid, all biases -6", "Lu 2019", SATURATED, ("conv-5:sigmoid:xavier",), biased(-6.0)),
    ("all weights zero", "Lu 2019", ZERO, ("conv-6", "mlp-6:tanh", "plain-8"), zeroed),
)
# Deep networks are probed at a small width and input, which is what lets this run on a CPU.
_SMALL = {"plain-110": (8, 16), "resnet-110": (8, 16), "resnet-110:none": (8, 16)}


def cases(seeds: tuple[int, ...], *, quick: bool = False) -> Iterator[Case]:
    """Yield a case for each network of the table and each seed.

    Parameters
    ----------
    seeds : tuple of int
        Seeds of the weights; they also choose width, input size and batch.
    quick : bool
        Leave out the networks of 50 layers and more.
    """
    lines = [(*line, None) for line in _TABLE] + list(_EDITED)
    for family, source, expected, names, edit in lines:
        for name in names:
            depth = int(name.split(":")[0].split("-")[1])
            if quick and depth > 24:
                continue
            for seed in seeds:
                yield _case(family, source, expected, name, seed, edit)


def _case(family: str, source: str, expected: str, name: str, seed: int, edit: Edit | None) -> Case:
    width, side = _SMALL.get(name, ((8, 16, 24)[seed % 3], (16, 24, 32)[seed // 3 % 3]))
    if name.startswith("mlp"):
        width = (32, 64, 100)[seed % 3]
    batch = (16, 8, 32)[seed // 2 % 3]
    return Case(family, source, expected, name, seed, batch, side, width, edit)


def is_right(expected: str, label: str, findings: tuple[str, ...]) -> bool:
    """Tell whether a verdict is the expected one.

    A healthy network may be one to watch, which is no alarm; a faulty one may not. Dead, saturated
    and zero are findings, and the gradient must be lost besides.
    """
    lost = label in ("blocked", "vanished", "vanishing")
    if expected == HEALTHY:
        return label in ("healthy", "watch") and not {"dead", "saturated"} & set(findings)
    if expected == VANISHING:
        return lost
    if expected == EXPLODING:
        return label in ("exploding", "exploded", "non-finite")
    wanted = {DEAD: "dead", SATURATED: "saturated", ZERO: "zero-gradient"}[expected]
    return lost and wanted in findings


def sharpened(module: nn.Module) -> None:
    """Multiply the logits by 100: the network becomes sure, and its loss nothing or huge."""
    last = layers(module)[-1]
    with torch.no_grad():
        last.weight *= 100.0 / math.sqrt(max(1, last.weight.shape[1]))
