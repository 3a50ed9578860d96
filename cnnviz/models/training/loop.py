"""The training loop."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cnnviz.datasets.shapes.chunks import Images, Labels, Masks
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.models.networks import ShapesPlain, ShapesResidual
from cnnviz.models.randomness import seeded

from .data import Cells, augment, cells_of, close_up, normalise
from .objective import misplaced, untidiness

Network: TypeAlias = ShapesPlain | ShapesResidual
TRAINABLE: dict[str, type[ShapesPlain] | type[ShapesResidual]] = {
    "shapes-plain": ShapesPlain,
    "shapes-residual": ShapesResidual,
}
_LABEL_SMOOTHING = 0.05
_WARM_UP = 0.2


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """How a network is trained.

    Attributes
    ----------
    seed : int
        Seed of the data, the initial weights and the order of the batches.
    samples : int
        Samples drawn once and kept in memory, 27 KB each.
    epochs : int
        Passes over them; every pass sees each sample turned or mirrored, its colours exchanged.
    batch_size : int
        Samples in each step.
    learning_rate : float
        Peak of a one-cycle schedule (Smith and Topin, 2019) for AdamW.
    weight_decay : float
        Decay of kernels; gains and biases do not decay.
    tidiness : float
        Weight of the penalty on untidy first-layer filters.
    grounding : float
        Weight of the penalty on class evidence that does not lie on the object.
    close_up : float
        Share of the steps, at the start, that see only the object's surroundings, which is almost
        twice as fast.
    bfloat16 : bool
        Whether convolutions are computed in bfloat16, faster on processors that have it.

    Raises
    ------
    UsageError
        If there are fewer samples than a batch has, or no epoch.
    """

    seed: int = 0
    samples: int = 30_000
    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    tidiness: float = 0.2
    grounding: float = 0.1
    close_up: float = 0.7
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if self.samples < self.batch_size or self.epochs < 1:
            raise UsageError(
                f"Nothing can be learnt in {self.epochs} epochs from {self.samples} samples.",
                f"Use at least 1 epoch and {self.batch_size} samples.",
            )

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.epochs * (self.samples // self.batch_size)


def check_trainable(name: str) -> str:
    """Return a name if it is a network that is trained on shapes.

    Raises
    ------
    UsageError
        If it is not.
    """
    if name not in TRAINABLE:
        raise UsageError(
            f"{name!r} is not a network that is trained on shapes.",
            did_you_mean(name, TRAINABLE, f"Choose from {', '.join(TRAINABLE)}."),
        )
    return name


def train(
    name: str,
    images: Images,
    labels: Labels,
    masks: Masks,
    recipe: TrainingRecipe,
    *,
    report: Callable[[int, float], None] | None = None,
    keep_every: int | None = None,
    keep: Callable[[int, Network], None] | None = None,
) -> tuple[Network, list[float]]:
    """Train a shipped network.

    Parameters
    ----------
    name : str
        `shapes-plain` or `shapes-residual`.
    images, labels, masks : array, [N, 96, 96, 3], [N] and [N, 96, 96]
        As `draw_samples` returns them; N is `recipe.samples`.
    recipe : TrainingRecipe
        How to train.
    report : callable, optional
        Called with the number of every step and its loss.
    keep_every, keep : int, callable, optional
        Every so many steps, before the first and after the last as well, `keep` is called with the
        number of steps taken and a copy of the network as it then is, in eval mode.

    Returns
    -------
    network : ShapesPlain or ShapesResidual
        In eval mode.
    losses : list of float
        Cross-entropy of every step, nats.

    Raises
    ------
    UsageError
        If the name is not a network that is trained on shapes, or `keep_every` is below 1.

    Notes
    -----
    The global random state is left as it was. The plain network learns with a batch norm after
    every convolution, which is folded into the convolution at the end.
    """
    if keep_every is not None and keep_every < 1:
        raise UsageError(f"Nothing is kept every {keep_every} steps.", "Give 1 or more.")
    with seeded(recipe.seed):
        network = TRAINABLE[check_trainable(name)]()
    if isinstance(network, ShapesPlain):
        _add_batch_norms(network)
    network.to(memory_format=torch.channels_last).train()
    optimizer = _optimizer(network, recipe)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=_WARM_UP
    )
    losses: list[float] = []
    if keep is not None and _due(0, recipe, keep_every):
        keep(0, _finished(network))
    for batch in _batches(images, labels, cells_of(masks), recipe):
        loss, penalty = _objective(network, batch, recipe)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + penalty)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if report is not None:
            report(len(losses), losses[-1])
        if keep is not None and _due(len(losses), recipe, keep_every):
            keep(len(losses), _finished(network))
    return _finished(network), losses


def _due(steps: int, recipe: TrainingRecipe, every: int | None) -> bool:
    return every is not None and (steps % every == 0 or steps == recipe.steps)


def _finished(network: Network) -> Network:
    """Return a copy of a network in training as it is used: in eval mode, batch norms folded."""
    found = copy.deepcopy(network).to(memory_format=torch.contiguous_format).eval()
    if isinstance(found, ShapesPlain):
        _fold_batch_norms(found)
    return found


Batch: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _batches(
    images: Images, labels: Labels, cells: Cells, recipe: TrainingRecipe
) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(recipe.seed)
    for step, chosen in enumerate(_orders(len(images), recipe, generator)):
        pictures, wanted = images[chosen], cells[chosen]
        if step < recipe.close_up * recipe.steps:
            pictures, wanted = close_up(pictures, wanted)
        turned, turned_cells = augment(
            torch.from_numpy(pictures), torch.from_numpy(wanted), generator
        )
        batch = normalise(turned).contiguous(memory_format=torch.channels_last)
        yield batch, torch.from_numpy(labels[chosen]), turned_cells


def _orders(
    count: int, recipe: TrainingRecipe, generator: torch.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the samples of every batch: each sample once in an epoch, in a new order."""
    for _ in range(recipe.epochs):
        order = torch.randperm(count, generator=generator).numpy()
        for start in range(0, count - recipe.batch_size + 1, recipe.batch_size):
            yield order[start : start + recipe.batch_size]


def _objective(
    network: Network, batch: Batch, recipe: TrainingRecipe
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy and the weighted penalties of a batch."""
    images, labels, cells = batch
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
        maps = network.maps(images)
    maps = maps.float()
    loss = cross_entropy(network.head(maps), labels, label_smoothing=_LABEL_SMOOTHING)
    evidence = torch.einsum("nc,nchw->nhw", _last_linear(network).weight[labels], maps)
    penalty = recipe.grounding * misplaced(evidence, cells).mean()
    penalty = penalty + recipe.tidiness * untidiness(_first_convolution(network).weight).mean()
    return loss, penalty


def _first_convolution(network: nn.Module) -> nn.Conv2d:
    return next(module for module in network.modules() if isinstance(module, nn.Conv2d))


def _last_linear(network: nn.Module) -> nn.Linear:
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def _optimizer(network: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _add_batch_norms(network: ShapesPlain) -> None:
    layers: list[nn.Module] = []
    for layer in network.features:
        layers.append(layer)
        if isinstance(layer, nn.Conv2d):
            layers.append(nn.BatchNorm2d(layer.out_channels))
    network.features = nn.Sequential(*layers)


def _fold_batch_norms(network: ShapesPlain) -> None:
    layers: list[nn.Module] = []
    for layer in network.features:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    network.features = nn.Sequential(*layers)
