"""Further small trainings, of networks, losses and optimizers on which no threshold was settled.

They were first run after all thresholds stood, at the monitor's default of every ten steps. How
many gradients `noise` waits for was settled later, on other trainings.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.small_trainings import (
    CLASSES,
    HEALTHY,
    Batch,
    Residual,
    Training,
    biased,
    broken,
    frozen,
    gratings,
    momentum,
    negative,
    noisy,
    perceptron,
    plain,
    raw_shapes,
    scaled,
    sgd,
    shapes,
    small,
)

STEPS = 240
SEED = 11


def pyramid() -> nn.Module:
    """Return four convolutions with batch norm and in-place ReLU, each at half the size."""
    parts: list[nn.Module] = []
    for before, after in ((3, 16), (16, 16), (16, 32), (32, 32)):
        parts += [
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(32, CLASSES))


def separable() -> nn.Module:
    """Return depthwise and pointwise convolutions."""
    parts: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Hardswish()]
    for _ in range(3):
        parts += [
            nn.Conv2d(16, 16, 3, 1, 1, groups=16),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Conv2d(16, 16, 1),
            nn.BatchNorm2d(16),
        ]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))


class Rows(nn.Module):
    """An LSTM over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Linear(48, 24)
        self.memory = nn.LSTM(24, 24, batch_first=True)
        self.out = nn.Linear(24, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.permute(0, 2, 1, 3).flatten(2)
        found: torch.Tensor = self.out(self.memory(self.row(rows))[0][:, -1])
        return found


class Segmenter(nn.Module):
    """Two scales and a skip, two classes at each position."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.c, self.d = nn.Conv2d(24, 8, 3, padding=1), nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = F.relu(self.a(x))
        coarse = F.relu(self.b(F.max_pool2d(fine, 2)))
        both = torch.cat([fine, F.interpolate(coarse, scale_factor=2.0)], 1)
        found: torch.Tensor = self.d(F.relu(self.c(both)))
        return found


class Dense(nn.Module):
    """Layers that each see all before them, with group norm."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 8 * k, 8, 3, padding=1) for k in range(4))
        self.norms = nn.ModuleList(nn.GroupNorm(2, 8) for _ in range(4))
        self.head = nn.Linear(35, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = torch.cat([x, F.silu(norm(layer(x)))], 1)
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


def mask(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the loss of a class at each position."""
    return F.cross_entropy(output, (batch.images[:, 0] > 0).long())


def smoothed(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the loss of smoothed labels."""
    return F.cross_entropy(output, batch.labels, label_smoothing=0.1)


def rms(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return RMSprop."""
    return torch.optim.RMSprop(parameters, lr=rate)


def nesterov(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return gradient descent with Nesterov's momentum."""
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True)


def adagrad(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return Adagrad."""
    return torch.optim.Adagrad(parameters, lr=rate)


def adam(parameters: list[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Return Adam."""
    return torch.optim.Adam(parameters, lr=rate)


def _further() -> tuple[Training, ...]:
    every_ten = (
        Training("rate too large", "pyramid, Nesterov", pyramid, nesterov, 20.0),
        Training("rate too large", "separable, RMSprop", separable, rms, 1.0),
        Training("rate too large", "segmenter, SGD", Segmenter, sgd, 50.0, criterion=mask),
        Training("rate too large", "LSTM, Adam", Rows, adam, 3.0),
        Training("rate too large", "residual, momentum", Residual, momentum, 5.0, shapes),
        Training("rate too small", "separable, SGD", separable, sgd, 1e-6),
        Training("rate too small", "segmenter, Adam", Segmenter, adam, 1e-8, criterion=mask),
        Training("rate too small", "LSTM, RMSprop", Rows, rms, 1e-8),
        Training(
            "dead units",
            "segmenter, biases of -6",
            lambda: biased(Segmenter(), (0, 1), -6.0),
            adam,
            1e-3,
            criterion=mask,
        ),
        Training(
            "dead units",
            "5 convolutions, negative weights",
            lambda: negative(plain(5), 2),
            nesterov,
            0.01,
        ),
        Training(
            "saturated units",
            "tanh perceptron, weights x 300",
            lambda: scaled(perceptron(nn.Tanh, 3), 300.0),
            adam,
            1e-3,
        ),
        Training(
            "saturated units",
            "hard sigmoids, biases of 9",
            lambda: biased(small(nn.Hardsigmoid), (0, 1), 9.0),
            nesterov,
            0.01,
        ),
        Training(
            "no normalisation",
            "20 convolutions, Adam",
            lambda: plain(20),
            adam,
            1e-4,
            shapes,
            size=8,
        ),
        Training(
            "no normalisation",
            "ReLU perceptron of 12 layers, weights x 3",
            lambda: scaled(perceptron(nn.ReLU, 12), 3.0),
            sgd,
            0.001,
        ),
        Training("no normalisation", "LSTM of bytes, Adam", Rows, adam, 1e-3, raw_shapes),
        Training("broken data", "LSTM, a NaN pixel", Rows, adam, 1e-3, broken(gratings, "a pixel")),
        Training(
            "broken data", "pyramid, 0 / 0", pyramid, nesterov, 0.01, broken(shapes, "everything")
        ),
        Training(
            "frozen part",
            "segmenter, requires_grad",
            lambda: frozen(Segmenter(), (0,)),
            adam,
            1e-3,
            criterion=mask,
            layers=("a",),
        ),
        Training(
            "frozen part",
            "separable, a layer left out",
            separable,
            nesterov,
            0.01,
            left_out=(2,),
            layers=("6",),
        ),
        Training("wrong sign", "pyramid, Adam", pyramid, adam, 1e-4, sign=-1.0),
        Training(
            "wrong sign",
            "LSTM, negative cross-entropy",
            Rows,
            adam,
            1e-3,
            sign=-1.0,
            logs_sign=True,
        ),
        Training("wrong sign", "dense, SGD", Dense, sgd, 0.02, sign=-1.0),
        Training("label noise", "pyramid, Nesterov", pyramid, nesterov, 0.003, noisy(shapes)),
        Training("label noise", "LSTM, Adam", Rows, adam, 2e-3, noisy(gratings)),
        Training("label noise", "dense, RMSprop", Dense, rms, 5e-4, noisy(gratings)),
        Training(HEALTHY, "pyramid, Nesterov", pyramid, nesterov, 0.01, shapes),
        Training(
            HEALTHY,
            "pyramid, smoothed labels",
            pyramid,
            nesterov,
            0.01,
            shapes,
            criterion=smoothed,
        ),
        Training(HEALTHY, "separable, RMSprop", separable, rms, 2e-3),
        Training(HEALTHY, "LSTM, Adam", Rows, adam, 3e-3, size=32),
        Training(HEALTHY, "segmenter, Adam", Segmenter, adam, 2e-3, criterion=mask),
        Training(HEALTHY, "dense, Adagrad", Dense, adagrad, 0.02, size=32),
        Training(HEALTHY, "dense, Adam", Dense, adam, 3e-3, size=32),
        Training(HEALTHY, "3 convolutions, Nesterov", lambda: plain(3), nesterov, 0.01),
        Training(HEALTHY, "ELU perceptron, SGD", lambda: perceptron(nn.ELU, 3), sgd, 0.03),
        Training(HEALTHY, "2 convolutions, batches of 128", small, sgd, 0.1, shapes, size=128),
    )
    return tuple(replace(one, every=10) for one in every_ten)


FURTHER = _further()
"""Every recipe."""
