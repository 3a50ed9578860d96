"""Small trainings: thirty that are broken on purpose, in nine ways, and fifteen that are healthy.

What a monitor has to say of each fault stands in `EXPECTED`, by the kinds of events and before any
of them is run. Each recipe is a family: its seed draws the weights, the data, and how far from the
nominal value the learning rate lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz import GradientMonitor
from cnnviz.datasets.shapes import Shapes

STEPS = 128
EVERY = 2
CLASSES = 4
SIDE = 16

HEALTHY = "healthy"


@dataclass(frozen=True)
class Told:
    """What a monitor has to tell of a fault.

    Attributes
    ----------
    named_by : frozenset of str
        Kinds of events of which at least one must be told.
    may_follow : frozenset of str
        Kinds that are consequences of the fault; any other kind is wrong.
    """

    named_by: frozenset[str]
    may_follow: frozenset[str] = frozenset()


def _told(named_by: str, may_follow: str = "") -> Told:
    return Told(frozenset(named_by.split()), frozenset(may_follow.split()))


# A rate that is too large throws the weights anywhere, so that whatever a network can suffer may
# follow; each of the others has a few consequences of its own.
EXPECTED = {
    "rate too large": _told(
        "jump diverging oscillating",
        "not-finite dying blocked vanishing exploding still saturated",
    ),
    "rate too small": _told("slow"),
    "dead units": _told("dying", "blocked still"),
    "saturated units": _told("saturated", "vanishing blocked still"),
    "no normalisation": _told("vanishing exploding unscaled", "blocked still jump dying"),
    "broken data": _told("bad-input", "not-finite"),
    "frozen part": _told("frozen"),
    "wrong sign": _told("wrong-sign", "exploding dying not-finite"),
    "label noise": _told("noise"),
    HEALTHY: _told(""),
}
"""Fixed before the first run."""


@dataclass
class Batch:
    """What a step gets."""

    images: torch.Tensor
    labels: torch.Tensor


Data = Callable[[int, torch.Generator], Iterator[Batch]]
Optimise = Callable[[list[nn.Parameter], float], torch.optim.Optimizer]
Criterion = Callable[[torch.Tensor, Batch], torch.Tensor]


def sgd(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return plain gradient descent."""
    return torch.optim.SGD(parameters, lr=rate)


def momentum(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return gradient descent with momentum and weight decay."""
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=1e-4)


def adam(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay."""
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-2)


def ascent(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return gradient descent that ascends."""
    return torch.optim.SGD(parameters, lr=rate, maximize=True)


def cross_entropy(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the loss of classes."""
    return F.cross_entropy(output, batch.labels)


def two_classes(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the loss of a probability that the label is odd."""
    return F.binary_cross_entropy(output[:, 0], (batch.labels % 2).float())


def restored(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return how far an image that was coded and decoded is off."""
    return F.mse_loss(output, batch.images)


def value(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the squared error of a value."""
    wanted = batch.images[:, 0].std((1, 2)) * 3.0 + batch.labels
    return F.mse_loss(output[:, 0], wanted)


# --- data --------------------------------------------------------------------------------------


def gratings(size: int, generator: torch.Generator, noise: float = 1.0) -> Iterator[Batch]:
    """Yield gratings of four orientations in noise, never twice the same."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    while True:
        labels = torch.randint(CLASSES, (size,), generator=generator)
        angle = labels * math.pi / CLASSES + 0.1 * torch.randn(size, generator=generator)
        along = angle.cos()[:, None, None] * columns + angle.sin()[:, None, None] * rows
        phase = 2 * math.pi * torch.rand(size, 1, 1, generator=generator)
        waves = torch.cos(1.2 * along + phase)[:, None].expand(-1, 3, -1, -1)
        images = waves + noise * torch.randn(size, 3, SIDE, SIDE, generator=generator)
        yield Batch(images / images.std(), labels)


@cache
def _pool() -> tuple[torch.Tensor, torch.Tensor]:
    scenes = Shapes(seed=7)
    # Of which class a scene is, is known before it is painted, which takes milliseconds.
    chosen = [place for place in range(512) if scenes.label(place) < CLASSES]
    images = torch.from_numpy(np.stack([scenes[place].image for place in chosen]))
    small = F.avg_pool2d(images.permute(0, 3, 1, 2).float(), 96 // SIDE)
    return small, torch.tensor([scenes.label(place) for place in chosen])


def shapes(size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield the shapes of the project's own data, normalised."""
    images, labels = _pool()
    normal = (images - images.mean((0, 2, 3), True)) / images.std((0, 2, 3), keepdim=True)
    while True:
        chosen = torch.randint(len(labels), (size,), generator=generator)
        yield Batch(normal[chosen], labels[chosen])


def raw_shapes(size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield them as bytes have them, 0 to 255."""
    images, labels = _pool()
    while True:
        chosen = torch.randint(len(labels), (size,), generator=generator)
        yield Batch(images[chosen], labels[chosen])


def noisy(data: Data) -> Data:
    """Return data whose labels are drawn anew for each batch."""

    def batches(size: int, generator: torch.Generator) -> Iterator[Batch]:
        for batch in data(size, generator):
            drawn = torch.randint(CLASSES, (size,), generator=generator)
            yield Batch(batch.images, drawn)

    return batches


def mislabelled_shapes(size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield shapes each of which keeps one label that was drawn for it."""
    _, labels = _pool()
    drawn = torch.randint(CLASSES, labels.shape, generator=generator)
    images, _ = _pool()
    normal = (images - images.mean((0, 2, 3), True)) / images.std((0, 2, 3), keepdim=True)
    while True:
        chosen = torch.randint(len(labels), (size,), generator=generator)
        yield Batch(normal[chosen], drawn[chosen])


BROKEN_FROM = 24
"""The step at which broken data begins; it is one that is recorded."""


def broken(data: Data, how: str) -> Data:
    """Return data that breaks at one step and stays broken: NaN, infinity, or all of a batch."""

    def batches(size: int, generator: torch.Generator) -> Iterator[Batch]:
        for step, batch in enumerate(data(size, generator)):
            if step >= BROKEN_FROM:
                if how == "a pixel":
                    batch.images[0, 0, 3, 3] = math.nan
                elif how == "an infinity":
                    batch.images[size // 2, 1] = math.inf
                else:
                    batch.images = (batch.images - batch.images) / 0.0
            yield batch

    return batches


# --- networks ----------------------------------------------------------------------------------


def small(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Return two convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (SIDE // 4) ** 2, CLASSES),
    )


def normalised(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Return three convolutions with batch norm."""
    widths = (3, 8, 16, 16)
    parts: list[nn.Module] = []
    for before, after in pairwise(widths):
        parts += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            activation(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(16 * (SIDE // 8) ** 2, CLASSES))


def perceptron(
    activation: Callable[[], nn.Module] = nn.ReLU, hidden: int = 2, width: int = 48, last: int = 4
) -> nn.Module:
    """Return linear layers."""
    parts: list[nn.Module] = [nn.Flatten()]
    for place in range(hidden):
        parts += [nn.Linear(3 * SIDE**2 if place == 0 else width, width), activation()]
    return nn.Sequential(*parts, nn.Linear(width, last))


def plain(depth: int, width: int = 8) -> nn.Module:
    """Return a deep chain of convolutions without any normalisation."""
    parts: list[nn.Module] = []
    for place in range(depth):
        parts += [nn.Conv2d(3 if place == 0 else width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*parts, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(width * 16, CLASSES))


class Residual(nn.Module):
    """Three residual blocks with batch norm."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, stride=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
            )
            for _ in range(3)
        )
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem(x))
        for block in self.blocks:
            x = F.relu(x + block(x))
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


class Attentive(nn.Module):
    """Patches, one block of attention, layer norm and GELU."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.place = nn.Parameter(0.02 * torch.randn(1, (SIDE // 4) ** 2, width))
        self.first, self.second, self.last = (nn.LayerNorm(width) for _ in range(3))
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        query, key, held = self.mix(self.first(x)).chunk(3, -1)
        weights = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
        x = x + self.out(weights @ held)
        x = x + self.down(F.gelu(self.up(self.second(x))))
        found: torch.Tensor = self.head(self.last(x).mean(1))
        return found


class Coder(nn.Module):
    """An image coded at a quarter of its side and restored."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Conv2d(3, 12, 4, stride=4)
        self.inner = nn.Conv2d(12, 12, 3, padding=1)
        self.back = nn.ConvTranspose2d(12, 3, 4, stride=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.back(F.relu(self.inner(F.relu(self.code(x)))))
        return found


class Detached(nn.Module):
    """A trunk cut off from the head by detach()."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(16 * (SIDE // 4) ** 2, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        found: torch.Tensor = self.head(x.detach().flatten(1))
        return found


def layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Return the convolutions and linear layers."""
    return [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.Linear)]


def _bias(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    assert layer.bias is not None
    return layer.bias


@torch.no_grad()
def scaled(network: nn.Module, factor: float) -> nn.Module:
    """Multiply the weights of all layers but the last."""
    for layer in layers(network)[:-1]:
        layer.weight.mul_(factor)
    return network


@torch.no_grad()
def biased(network: nn.Module, places: tuple[int, ...], bias: float) -> nn.Module:
    """Set the biases of some layers."""
    for place in places:
        nn.init.constant_(_bias(layers(network)[place]), bias)
    return network


@torch.no_grad()
def negative(network: nn.Module, place: int) -> nn.Module:
    """Make the weights of a layer that gets positive values negative."""
    layer = layers(network)[place]
    layer.weight.copy_(-layer.weight.abs())
    nn.init.zeros_(_bias(layer))
    return network


def frozen(network: nn.Module, places: tuple[int, ...]) -> nn.Module:
    """Take the gradient of some layers away."""
    for place in places:
        layers(network)[place].requires_grad_(False)
    return network


# --- recipes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """One small training.

    Attributes
    ----------
    fault : str
        A key of `EXPECTED`.
    what : str
        The network and what is done to it.
    build : callable
        Returns the network; the seed is set.
    optimise, rate : callable, float
        The optimizer and its nominal learning rate.
    data, size : callable, int
        The batches and how many images each has.
    criterion : callable
        The loss.
    sign : float
        What the loss is multiplied by before it is sent back.
    logs_sign : bool
        Whether the loss that is logged has that sign too.
    left_out : tuple of int
        The layers whose parameters the optimizer is not given.
    layers : tuple of str
        The layers that events have to name; any where empty.
    warm : int
        Steps over which the rate rises from a thousandth.
    begun : int
        Steps that were made before anything is watched.
    """

    fault: str
    what: str
    build: Callable[[], nn.Module]
    optimise: Optimise
    rate: float
    data: Data = gratings
    size: int = 16
    criterion: Criterion = cross_entropy
    sign: float = 1.0
    logs_sign: bool = False
    left_out: tuple[int, ...] = ()
    layers: tuple[str, ...] = ()
    warm: int = 0
    begun: int = 0
    every: int = field(default=EVERY)

    def run(self, seed: int, steps: int = STEPS) -> GradientMonitor:
        """Train with this seed and return the monitor."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.build()
            rate = self.rate * 10.0 ** float(torch.empty(1).uniform_(-0.15, 0.15))
            generator = torch.Generator().manual_seed(1000 + seed)
            batches = self.data(self.size, generator)
            spared = [layers(network)[place] for place in self.left_out]
            apart = {id(parameter) for layer in spared for parameter in layer.parameters()}
            given = [p for p in network.parameters() if p.requires_grad and id(p) not in apart]
            optimizer = self.optimise(given, rate)
            self._steps(network, optimizer, batches, self.begun, None)
            if self.begun:
                optimizer = self.optimise(given, rate)
            monitor = GradientMonitor(
                network, optimizer, self.every, on_event=lambda event: None, name=self.what
            )
            with monitor:
                self._steps(network, optimizer, batches, steps, monitor)
        return monitor

    def _steps(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        batches: Iterator[Batch],
        steps: int,
        monitor: GradientMonitor | None,
    ) -> None:
        full = [group["lr"] for group in optimizer.param_groups]
        for step in range(steps):
            for group, rate in zip(optimizer.param_groups, full, strict=True):
                group["lr"] = rate * min(1.0, max((step + 1) / max(self.warm, 1), 1e-3))
            batch = next(batches)
            loss = self.criterion(network(batch.images), batch)
            optimizer.zero_grad()
            (loss * self.sign).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if monitor is not None:
                monitor.log(loss=loss * self.sign if self.logs_sign else loss)


def _restarted() -> nn.Module:
    return small()


def _sigmoid_output() -> nn.Module:
    return nn.Sequential(perceptron(last=1), nn.Sigmoid())


def _sigmoids() -> nn.Module:
    return normalised(nn.Sigmoid)


def _dropped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 2, stride=2),
        nn.GroupNorm(1, 16),
        nn.GELU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Conv2d(16, 24, 1),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(96, CLASSES),
    )


TRAININGS = (
    Training("rate too large", "2 convolutions, SGD", small, sgd, 5.0),
    Training(
        "rate too large", "tanh perceptron, momentum", lambda: perceptron(nn.Tanh), momentum, 10.0
    ),
    Training("rate too large", "residual, AdamW", Residual, adam, 1.0, shapes),
    Training("rate too large", "autoencoder, SGD", Coder, sgd, 30.0, criterion=restored),
    Training("rate too small", "2 convolutions, SGD", small, sgd, 1e-6),
    Training("rate too small", "batch norm, AdamW", normalised, adam, 1e-8, shapes),
    Training(
        "rate too small", "tanh perceptron, momentum", lambda: perceptron(nn.Tanh), momentum, 1e-7
    ),
    Training("rate too small", "autoencoder, AdamW", Coder, adam, 1e-7, criterion=restored),
    Training(
        "dead units",
        "bias of -5 in one convolution, SGD",
        lambda: biased(small(), (1,), -5.0),
        sgd,
        0.02,
        layers=("3",),
    ),
    Training(
        "dead units",
        "bias of -8 in a perceptron, AdamW",
        lambda: biased(perceptron(hidden=3), (0, 1), -8.0),
        adam,
        1e-3,
        layers=("1",),
    ),
    Training(
        "dead units",
        "negative weights after a ReLU, momentum",
        lambda: negative(plain(3), 1),
        momentum,
        0.01,
        shapes,
        layers=("2",),
    ),
    Training(
        "saturated units",
        "sigmoid perceptron, weights x 200",
        lambda: scaled(perceptron(nn.Sigmoid), 200.0),
        sgd,
        0.05,
        layers=("1",),
    ),
    Training(
        "saturated units",
        "tanh convolutions, weights x 200",
        lambda: scaled(small(nn.Tanh), 200.0),
        adam,
        1e-3,
        shapes,
        layers=("0",),
    ),
    Training(
        "saturated units",
        "sigmoid convolutions, biases of 9",
        lambda: biased(small(nn.Sigmoid), (0, 1), 9.0),
        momentum,
        0.01,
        layers=("0",),
    ),
    Training("no normalisation", "16 convolutions, SGD", lambda: plain(16), sgd, 0.05, size=8),
    Training(
        "no normalisation",
        "sigmoid perceptron of 8 layers, AdamW",
        lambda: perceptron(nn.Sigmoid, hidden=8),
        adam,
        1e-3,
    ),
    Training("no normalisation", "images of 0 to 255, SGD", small, sgd, 0.02, raw_shapes),
    Training("broken data", "a NaN pixel, SGD", small, sgd, 0.05, broken(gratings, "a pixel")),
    Training(
        "broken data",
        "an infinite channel, AdamW",
        Residual,
        adam,
        1e-3,
        broken(shapes, "an infinity"),
    ),
    Training(
        "broken data",
        "0 / 0 in every image, momentum",
        lambda: perceptron(nn.Tanh),
        momentum,
        0.01,
        broken(gratings, "everything"),
    ),
    Training(
        "frozen part",
        "requires_grad of two layers, SGD",
        lambda: frozen(plain(3), (0, 1)),
        sgd,
        0.05,
        layers=("0", "2"),
    ),
    Training(
        "frozen part",
        "a layer the optimizer has not got, AdamW",
        small,
        adam,
        2e-3,
        left_out=(1,),
        layers=("3",),
    ),
    Training(
        "frozen part",
        "a trunk behind detach(), momentum",
        Detached,
        momentum,
        0.01,
        shapes,
        layers=("first", "second"),
    ),
    Training("wrong sign", "loss sent back negative, SGD", small, sgd, 0.05, sign=-1.0),
    Training(
        "wrong sign",
        "negative cross-entropy, AdamW",
        normalised,
        adam,
        2e-3,
        shapes,
        sign=-1.0,
        logs_sign=True,
    ),
    Training("wrong sign", "maximize=True, SGD", Coder, ascent, 0.3, criterion=restored),
    Training("label noise", "2 convolutions, SGD", small, sgd, 0.05, noisy(gratings)),
    Training("label noise", "batch norm, AdamW", normalised, adam, 1e-3, noisy(shapes)),
    Training(
        "label noise",
        "tanh perceptron, momentum",
        lambda: perceptron(nn.Tanh),
        momentum,
        0.003,
        noisy(gratings),
    ),
    Training(
        "label noise",
        "residual, momentum, labels fixed",
        Residual,
        momentum,
        0.005,
        mislabelled_shapes,
    ),
    Training(HEALTHY, "2 convolutions, momentum", small, momentum, 0.02),
    Training(HEALTHY, "2 convolutions, AdamW", small, adam, 2e-3),
    Training(HEALTHY, "batch norm, SGD", normalised, sgd, 0.1, shapes),
    Training(HEALTHY, "batch norm, AdamW, warmed up", normalised, adam, 3e-3, shapes, warm=60),
    Training(HEALTHY, "perceptron, SGD", perceptron, sgd, 0.05),
    Training(HEALTHY, "tanh convolutions, momentum", lambda: small(nn.Tanh), momentum, 0.02),
    Training(HEALTHY, "residual, momentum", Residual, momentum, 0.02, shapes),
    Training(HEALTHY, "sigmoids with batch norm, AdamW", _sigmoids, adam, 3e-3),
    Training(HEALTHY, "autoencoder, AdamW", Coder, adam, 2e-3, criterion=restored),
    Training(HEALTHY, "a probability, AdamW", _sigmoid_output, adam, 1e-3, criterion=two_classes),
    Training(HEALTHY, "attention, AdamW", Attentive, adam, 2e-3, size=32),
    Training(HEALTHY, "layer norm, GELU and dropout, AdamW", _dropped, adam, 5e-3, size=32),
    Training(HEALTHY, "trained before, SGD", _restarted, sgd, 0.005, begun=300),
    Training(
        HEALTHY,
        "a value, leaky ReLU, momentum",
        lambda: perceptron(nn.LeakyReLU, last=1),
        momentum,
        0.002,
        criterion=value,
    ),
    Training(HEALTHY, "batches of 4, SGD", small, sgd, 0.01, size=4),
)
"""Every recipe."""


def is_right(training: Training, monitor: GradientMonitor) -> bool:
    """Whether what was told is what had to be told."""
    expected = EXPECTED[training.fault]
    kinds = {event.kind for event in monitor.events}
    if not expected.named_by:
        return not kinds
    naming = [event for event in monitor.events if event.kind in expected.named_by]
    about = " ".join(f"{event.layer} {event.text}" for event in naming)
    return (
        bool(naming)
        and kinds <= expected.named_by | expected.may_follow
        and all(layer in about for layer in training.layers)
    )
