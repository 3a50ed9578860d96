"""The loss of each image, for networks that classify and networks that segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.errors import TargetError
from cnnviz.gradients.landscape.data import Labels
from cnnviz.gradients.objectives import check_classes
from cnnviz.models import Model, OutputKind
from cnnviz.models.output_members import describe
from cnnviz.models.outputs import read_output, scores_of
from cnnviz.models.reading import AS_GIVEN, Reading

Loss = Callable[[Any, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class LossObjective:
    """What is measured of an output: the loss, and how much of it is right.

    Attributes
    ----------
    labels : torch.Tensor
        The right class of each image, [N], or of each of its positions, [N, h, w]; or for each
        label whether it is right, [N, K].
    kind : str
        What the loss is, in words.
    loss : callable
        ``loss(output, labels)``: one loss for each image, [N].
    model : Model
        The network, for how its output is read.
    independent : bool
        Whether each output is a label that may be right by itself.
    """

    labels: torch.Tensor
    kind: str
    loss: Loss
    model: Model
    independent: bool = False

    def __call__(self, output: Any, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sums of the losses and of the shares that are right, of some images."""
        labels = self.labels[part]
        scores = scores_of(self.model, output)
        answers = (scores > 0.0) if self.independent else answers_of(scores)
        right = (answers == labels).double()
        shares = right.flatten(1).mean(1) if right.ndim > 1 else right
        return self.loss(output, labels).sum(), shares.sum()


def answers_of(logits: torch.Tensor) -> torch.Tensor:
    """Return the class that the network names for each image, or for each position."""
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0.0).long()
    return logits.argmax(1)


def loss_objective(
    model: Model, output: Any, labels: Labels | None, loss: Loss | None
) -> LossObjective:
    """Return the objective that suits what a network returns for its images.

    It is the cross-entropy: of the softmax, of the sigmoid where there is one output only, or of
    the output itself where its rows are probabilities already. Maps of classes are measured at
    every position, and of independent labels it is the mean over the labels.

    Parameters
    ----------
    model : Model
        The network, for what its output means.
    output : torch.Tensor
        What the network, as it is, returns for all images: [N, classes], or [N, classes, h, w].
    labels : tuple of int or ndarray of float, optional
        The right class of each image, or for each label whether it is right, [N, K]; the network's
        own answers by default.
    loss : callable, optional
        ``loss(output, labels)`` returns one loss for each image, in place of the cross-entropy.

    Raises
    ------
    TargetError
        If a label does not exist, or the output is not one row of scores for each image or holds
        no scores of classes.
    """
    reading, logits = read_output(model, output), scores_of(model, output)
    if reading.kind is None:
        raise TargetError(
            f"The network returns {describe(logits)}, not one row of scores for each image.",
            "Wrap it in a module that returns the logits, as one tensor [N, classes].",
        )
    independent = reading.kind == OutputKind.LABELS
    if independent:
        right = _given_rows(labels, logits)
    elif labels is None:
        right = answers_of(logits)
    else:
        right = _given(_one_each(labels, reading), logits)
    if loss is not None:
        name = getattr(loss, "__name__", "the loss given")
        return LossObjective(right, name, _checked(loss), model, independent)
    if independent:
        name = "binary cross-entropy, mean over the labels"
        return LossObjective(right, name, partial(_binary, model), model, True)
    kind, own = _cross_entropy(reading, logits, labels)
    return LossObjective(
        right, kind, lambda output, labels: own(scores_of(model, output), labels), model
    )


def _cross_entropy(
    reading: Reading, logits: torch.Tensor, labels: Labels | None
) -> tuple[str, Loss]:
    one = logits.shape[1] == 1
    # Labels tell that a guessed value is the logit of two classes.
    labelled = one and labels is not None and bool(reading.why)
    if reading.kind == OutputKind.LOGIT or labelled or (one and logits.ndim > 2):
        return "binary cross-entropy", _sigmoid
    if reading.kind not in (OutputKind.CLASSES, OutputKind.CLASS_MAP):
        raise TargetError(
            f"The network returns {reading.describe()}, for which no loss is known.",
            "Give loss=, which returns one loss for each image, or declare another output=.",
            option="Declare with --output what it is, if that is wrong.",
        )
    if reading.inside == AS_GIVEN:
        return "cross-entropy of the probabilities that the network returns", _as_given
    return "cross-entropy", _softmax


def _given(labels: tuple[int, ...], logits: torch.Tensor) -> torch.Tensor:
    classes = max(int(logits.shape[1]), 2)
    check_classes(labels, classes)
    found = torch.tensor(labels, device=logits.device)
    # One label for an image whose positions are classified stands for all of them.
    places = logits.ndim - 2
    return found.reshape(-1, *[1] * places).expand(-1, *logits.shape[2:])


def _one_each(labels: Labels, reading: Reading) -> tuple[int, ...]:
    """Return the one class of each image, which a row may hold as a one among zeros."""
    if isinstance(labels, tuple):
        return labels
    if labels.shape[1] != reading.classes or (labels.sum(1) != 1).any():
        raise TargetError(
            f"The labels are {list(labels.shape)}, with more or less than a one in a row, and the "
            f"network returns {reading.describe()}.",
            "Give one class for each image, or declare output='labels' if each may be right by "
            "itself.",
            option="Give one class for each image, or declare --output labels if each may be right "
            "by itself.",
        )
    return tuple(int(place) for place in labels.argmax(1))


def _given_rows(labels: Labels | None, logits: torch.Tensor) -> torch.Tensor:
    """Return whether each label is right, [N, K]; by the network itself where none are given."""
    if labels is None:
        return (logits > 0.0).long()
    if isinstance(labels, tuple) or labels.shape != tuple(logits.shape):
        raise TargetError(
            f"The network returns {logits.shape[1]} independent labels for each image.",
            f"Give a row of {logits.shape[1]} ones and zeros for each image, [N, K].",
        )
    return torch.as_tensor(labels, device=logits.device).long()


def _binary(model: Model, output: Any, labels: torch.Tensor) -> torch.Tensor:
    scores = scores_of(model, output)
    wanted = labels.to(scores.dtype)
    return F.binary_cross_entropy_with_logits(scores, wanted, reduction="none").mean(1)


def _softmax(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    losses = F.cross_entropy(logits, labels, reduction="none")
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def _sigmoid(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    one, wanted = logits[:, 0], labels.to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(one, wanted, reduction="none")
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def _as_given(shares: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return -shares.gather(1, labels[:, None])[:, 0].log()


def _checked(loss: Loss) -> Loss:
    def called(output: Any, labels: torch.Tensor) -> torch.Tensor:
        found = loss(output, labels)
        if not isinstance(found, torch.Tensor) or found.shape != labels.shape[:1]:
            raise TargetError(
                f"The loss returned {describe(found)}, not one loss for each image.",
                f"Return a tensor of shape {list(labels.shape[:1])}, one number "
                "for each, and not their mean.",
            )
        return found

    return called
