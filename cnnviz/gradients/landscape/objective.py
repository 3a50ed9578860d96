"""The loss of each image, for networks that classify and networks that segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.errors import TargetError
from cnnviz.passes.ranked_classes import probabilities
from cnnviz.passes.targets import describe, logits_of

Loss = Callable[[Any, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class LossObjective:
    """What is measured of an output: the loss, and how much of it is right.

    Attributes
    ----------
    labels : torch.Tensor
        The right class of each image, [N], or of each of its positions, [N, h, w].
    kind : str
        What the loss is, in words.
    loss : callable
        ``loss(output, labels)``: one loss for each image, [N].
    """

    labels: torch.Tensor
    kind: str
    loss: Loss

    def __call__(self, output: Any, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sums of the losses and of the shares that are right, of some images."""
        labels = self.labels[part]
        right = (answers_of(logits_of(output)) == labels).double()
        shares = right.flatten(1).mean(1) if right.ndim > 1 else right
        return self.loss(output, labels).sum(), shares.sum()


def answers_of(logits: torch.Tensor) -> torch.Tensor:
    """Return the class that the network names for each image, or for each position."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0.0).long()
    return logits.argmax(1)


def loss_objective(
    logits: torch.Tensor, labels: tuple[int, ...] | None, loss: Loss | None
) -> LossObjective:
    """Return the objective that suits what a network returns for its images.

    It is the cross-entropy: of the softmax, of the sigmoid where there is one output only, or of
    the output itself where its rows are probabilities already. Maps of classes are measured at
    every position.

    Parameters
    ----------
    logits : torch.Tensor
        What the network, as it is, returns for all images: [N, classes], or [N, classes, h, w].
    labels : tuple of int, optional
        The right class of each image; the network's own answers by default.
    loss : callable, optional
        ``loss(output, labels)`` returns one loss for each image, in place of the cross-entropy.

    Raises
    ------
    TargetError
        If a label does not exist, or the output is not one row of scores for each image.
    """
    if logits.ndim < 2:
        raise TargetError(
            f"The network returns {describe(logits)}, not one row of scores for each image.",
            "Wrap it in a module that returns the logits, as one tensor [N, classes].",
        )
    right = answers_of(logits)
    if labels is not None:
        right = _given(labels, logits)
    if loss is not None:
        return LossObjective(right, getattr(loss, "__name__", "the loss given"), _checked(loss))
    rule = probabilities(logits)[1] if logits.ndim == 2 else "softmax"
    kinds: dict[str, tuple[str, Loss]] = {
        "softmax": ("cross-entropy", _softmax),
        "sigmoid": ("binary cross-entropy", _sigmoid),
        "as given": ("cross-entropy of the probabilities that the network returns", _as_given),
    }
    return LossObjective(right, *kinds[rule])


def _given(labels: tuple[int, ...], logits: torch.Tensor) -> torch.Tensor:
    classes = max(int(logits.shape[1]), 2)
    beyond = [label for label in labels if not 0 <= label < classes]
    if beyond:
        raise TargetError(
            f"There is no class {beyond[0]}: the network has {classes} classes.",
            f"Give an index from 0 to {classes - 1}, or a class name.",
        )
    found = torch.tensor(labels, device=logits.device)
    # One label for an image whose positions are classified stands for all of them.
    places = logits.ndim - 2
    return found.reshape(-1, *[1] * places).expand(-1, *logits.shape[2:])


def _softmax(output: Any, labels: torch.Tensor) -> torch.Tensor:
    losses = F.cross_entropy(logits_of(output), labels, reduction="none")
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def _sigmoid(output: Any, labels: torch.Tensor) -> torch.Tensor:
    logits = logits_of(output)[:, 0]
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")


def _as_given(output: Any, labels: torch.Tensor) -> torch.Tensor:
    chosen = logits_of(output).gather(1, labels[:, None])[:, 0]
    return -chosen.log()


def _checked(loss: Loss) -> Loss:
    def called(output: Any, labels: torch.Tensor) -> torch.Tensor:
        found = loss(output, labels)
        if not isinstance(found, torch.Tensor) or found.shape != labels.shape[:1]:
            raise TargetError(
                f"The loss returned {describe(found)}, not one loss for each image.",
                f"Return a tensor of shape {list(labels.shape[:1])}, such as with "
                "reduction='none'.",
            )
        return found

    return called
