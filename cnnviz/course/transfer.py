"""A network that goes on to a new task: its features with a new head, or all of it trained further.

The last linear layer is exchanged for a new one. It is all that learns where the features are
frozen, as a logistic regression on them; the whole network learns where it is fine-tuned, or
trained from weights drawn anew (Yosinski et al. 2014, "How transferable are features in deep
neural networks?").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.course.small_trainings import epochs_of, measure
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.random_draws import own_generator
from cnnviz.models.weights import layer_weight

BATCH = 16
"""About how many samples a batch has."""
WEIGHT_DECAY = 0.05
HEAD_RATE = 3e-3
"""The learning rate of a new linear layer of zeros behind trained features, at its highest."""
PENALTY = 1.0
"""Half of this times the sum of the squares of its weights is added to a frozen network's loss."""
_WARM_UP = 0.2
_AT_ONCE = 128


@dataclass(frozen=True)
class Samples:
    """What a network is shown, and the classes: float [N, ...] and int64 [N]."""

    inputs: torch.Tensor
    labels: torch.Tensor

    def at(self, places: torch.Tensor | Sequence[int]) -> Samples:
        """Return some of them, in this order."""
        return Samples(self.inputs[places], self.labels[places])


def headless(module: nn.Module, head: str) -> nn.Module:
    """Return a copy whose layer `head` passes on what it is given: its answer is the features."""
    body = copy_network(module)
    _put(body, head, nn.Identity())
    return body.eval()


def with_new_head(module: nn.Module, head: str, classes: int) -> nn.Module:
    """Return a copy with a linear layer of zeros at `head`, all of whose parameters can learn."""
    network = copy_network(module)
    weight = layer_weight(network.get_submodule(head))
    # Nothing is drawn for it.
    new: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, weight.shape[1], classes, device=weight.device, dtype=weight.dtype
    )
    for parameter in new.parameters():
        nn.init.zeros_(parameter)
    _put(network, head, new)
    return network.requires_grad_(True)


def _put(module: nn.Module, name: str, layer: nn.Module) -> None:
    above, _, own = name.rpartition(".")
    setattr(module.get_submodule(above), own, layer)


def run(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return what a network answers to inputs, in eval mode and a part at a time."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(part) for part in torch.split(inputs, _AT_ONCE)])


@dataclass(frozen=True)
class LinearHead:
    """A linear layer on standardised features: scores are ((x - mean) / scale) W + b."""

    mean: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    def accuracy(self, features: torch.Tensor, labels: torch.Tensor) -> float:
        """Return the share of samples whose class has the highest score."""
        scores = (features.double() - self.mean) / self.scale @ self.weight + self.bias
        return float((scores.argmax(1) == labels).double().mean())


def fit_head(features: torch.Tensor, labels: torch.Tensor, classes: int) -> LinearHead:
    """Fit a multinomial logistic regression, whose minimum is the only one.

    Parameters
    ----------
    features : torch.Tensor
        [N, D]; each is standardised by its mean and deviation over these samples.
    labels : torch.Tensor
        [N].
    classes : int
        How many classes there are.
    """
    values = features.double()
    mean, scale = values.mean(0), values.std(0, correction=0)
    scale = torch.where(scale > 1e-12 * (1.0 + mean.abs()), scale, torch.ones_like(scale))
    values = (values - mean) / scale
    weight = values.new_zeros(values.shape[1], classes).requires_grad_()
    bias = values.new_zeros(classes).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-6, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        found = F.cross_entropy(values @ weight + bias, labels, reduction="sum")
        found = found + 0.5 * PENALTY * weight.square().sum()
        torch.autograd.backward(found)
        return found.detach()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return LinearHead(mean, scale, weight.detach(), bias.detach())


def train_whole(
    network: nn.Module,
    head: str,
    samples: Samples,
    rates: tuple[float, float],
    epochs: int,
    seed: int,
) -> None:
    """Train a network with a new head on all samples, in place.

    By AdamW, whose rates rise over the first fifth of the steps and then fall to 0 as a cosine.

    Parameters
    ----------
    network : torch.nn.Module
        As `with_new_head` made it.
    head : str
        Its last layer.
    samples : Samples
        What it is trained on.
    rates : tuple of float
        The learning rates at their highest: of all but the last layer, and of that one.
    epochs : int
        How often it sees each sample.
    seed : int
        The seed of the order of the samples.
    """
    order = own_generator(seed, "transfer", 0)
    count = len(samples.labels)
    parts = math.ceil(count / BATCH)
    last = {*network.get_submodule(head).parameters()}
    optimizer = torch.optim.AdamW(
        [
            {"params": [one for one in network.parameters() if one not in last], "lr": rates[0]},
            {"params": [*last], "lr": rates[1]},
        ],
        weight_decay=WEIGHT_DECAY,
    )
    steps = parts * epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, steps))

    def batches() -> Sequence[torch.Tensor]:
        # Of nearly one size: batch norm cannot learn from a last batch of one.
        return torch.randperm(count, generator=order).tensor_split(parts)

    for _ in epochs_of(
        network, optimizer, epochs, batches, lambda places: samples.inputs[places],
        samples.labels, schedule,
    ):  # fmt: skip
        pass
    network.eval()


def _share(step: int, steps: int) -> float:
    """Return the share of the highest learning rate that a step takes, from 0 on."""
    rising = max(1.0, _WARM_UP * steps)
    if step < rising:
        return (step + 1.0) / (rising + 1.0)
    return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(1.0, steps - rising))


def accuracy(network: nn.Module, samples: Samples) -> float:
    """Return the share of samples that a network answers rightly."""
    parts = [
        measure(network, inputs, labels)[1] * len(labels)
        for inputs, labels in zip(
            torch.split(samples.inputs, _AT_ONCE),
            torch.split(samples.labels, _AT_ONCE),
            strict=True,
        )
    ]
    return sum(parts) / len(samples.labels)
