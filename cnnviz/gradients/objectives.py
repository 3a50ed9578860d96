"""What is sent backwards: a random sign for each logit, or a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from cnnviz.errors import NothingFoundError, TargetError, UsageError, did_you_mean
from cnnviz.foreign_code import called
from cnnviz.gradients.forward_recorder import ForwardRecorder
from cnnviz.introspection.final_activation import softened
from cnnviz.models import Model
from cnnviz.models.detections import read_detections
from cnnviz.models.outputs import given_of, read_output, returns_boxes, scores_of
from cnnviz.models.reading import NORMALISED
from cnnviz.results.text import plural

SEED = 0
NAMES = ("auto", "loss", "top")
UNCANCELLED = "numbers"
"""What "auto" becomes where signs may cancel: ordinal logits, one value less thresholds, send the
sum of their signs back, which can be zero. Normal numbers never add up to that."""
Objective = str | Callable[[Any], torch.Tensor]


class BackwardStart:
    """Where the way back begins.

    Attributes
    ----------
    tensor, cotangent : torch.Tensor
        What is differentiated, and what is sent into it.
    told : str
        What was sent, in words.
    note : str
        Why it does not begin at the network's output; empty where it does.
    logits : torch.Tensor or None
        The network's output, where a loss lies between it and the beginning.
    of_boxes : bool
        Whether the scores of a detector's boxes are differentiated.
    """

    def __init__(
        self,
        tensor: torch.Tensor,
        cotangent: torch.Tensor,
        told: str,
        note: str = "",
        logits: torch.Tensor | None = None,
        *,
        of_boxes: bool = False,
    ) -> None:
        self.tensor, self.cotangent, self.told, self.note = tensor, cotangent, told, note
        self.logits, self.of_boxes = logits, of_boxes


def random_signs(
    model: Model,
    watch: ForwardRecorder,
    output: Any,
    weights_are_zero: bool,
    seed: int = SEED,
    *,
    sizes: bool = False,
) -> BackwardStart:
    """Send +1 or -1 into each logit at random (Pennington et al. 2017), with `sizes` numbers.

    This estimates the Frobenius norm of the Jacobian, whatever the loss: a confident network has a
    loss of nearly zero, and with it a gradient of nearly zero, and is well.
    """
    draw = _numbers if sizes else _signs
    one = "number" if sizes else "sign"
    if returns_boxes(model, output):
        scores = torch.cat(_scores_of_boxes(model, output))
        told = f"a random {one} for the score of each of {plural(len(scores), 'box', 'boxes')}"
        return BackwardStart(scores, draw(scores, seed), told, of_boxes=True)
    logits = scores_of(model, output)
    note = ""
    inside = read_output(model, output).inside
    if inside and softened(given_of(model, output)) is not None:
        flat = "" if inside == NORMALISED else ", which is flat where it is sure"
        note = (
            f"The network ends in a {inside.replace('_', ' ')}{flat}; what went into it was taken."
        )
    told = f"a random {one} for each logit"
    if weights_are_zero and watch.last_input is not None and watch.last_input.requires_grad:
        logits = watch.last_input
        told = f"a random {one} for each input of the last layer"
        note = (
            "The weights of the last layer are all zero, as Fixup begins them, and pass nothing "
            "back; what goes into that layer was taken."
        )
    return BackwardStart(logits, draw(logits, seed), told, note)


def _signs(values: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, tuple(values.shape), generator=generator) * 2 - 1
    return signs.to(values.device, values.dtype)


def _numbers(values: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(tuple(values.shape), generator=generator, device="cpu")
    return drawn.to(values.device, values.dtype)


def _scores_of_boxes(model: Model, output: Any) -> list[torch.Tensor]:
    found = [one.scores for one in read_detections(model, output) if len(one)]
    if not found:
        raise NothingFoundError(
            "The network finds no box in these images, so that there is no score to differentiate.",
            "Give photos in which it finds something, or lower the score below which it drops a "
            "box.",
        )
    return found


def check_classes(labels: Sequence[int], classes: int) -> None:
    """Refuse a label that is none of so many classes, and say of which image it is.

    Raises
    ------
    TargetError
        If there is one.
    """
    beyond = next((at for at, label in enumerate(labels) if not 0 <= label < classes), None)
    if beyond is not None:
        which = f" of image {beyond + 1} of {len(labels)}" if len(labels) > 1 else ""
        raise TargetError(
            f"The label{which} is {labels[beyond]}: the network has {classes} classes.",
            f"Labels go from 0 to {classes - 1}.",
        )


def loss(model: Model, output: Any, labels: torch.Tensor | None) -> BackwardStart:
    """Send back the cross-entropy of the labels, the mean over the batch."""
    logits = scores_of(model, output)
    if labels is None:
        raise _unlabelled()
    if logits.ndim < 2 or len(logits) != len(labels):
        raise TargetError(
            f"An output {list(logits.shape)} does not go with {plural(len(labels), 'label')}.",
            "Give one label for each image.",
        )
    classes, each = int(logits.shape[1]), labels.reshape(len(labels), -1)
    most, least = each.amax(1), each.amin(1)
    check_classes(torch.where(most < classes, least, most).tolist(), classes)
    value = F.cross_entropy(logits, labels.to(logits.device))
    return BackwardStart(
        value, torch.ones_like(value), "the cross-entropy of the labels", logits=logits
    )


def top(model: Model, output: Any) -> BackwardStart:
    """Send back the greatest logit of each image."""
    if returns_boxes(model, output):
        best = torch.stack([scores.amax() for scores in _scores_of_boxes(model, output)]).sum()
        told = "the greatest score of a box of each image"
        return BackwardStart(best, torch.ones_like(best), told, of_boxes=True)
    logits = scores_of(model, output)
    value = logits.flatten(1).amax(1).sum()
    return BackwardStart(value, torch.ones_like(value), "the greatest logit of each image")


def own(output: Any, objective: Callable[[Any], torch.Tensor]) -> BackwardStart:
    """Send back what a callable makes of the output: one number, or one for each image."""
    value = called(_fails, objective, output)
    if not isinstance(value, torch.Tensor) or not value.requires_grad:
        raise TargetError(
            "The objective returns nothing that can be differentiated.",
            "Return a tensor that was computed from the network's output.",
        )
    value = value.sum()
    return BackwardStart(value, torch.ones_like(value), "the objective that was given")


def _fails(what: str) -> TargetError:
    return TargetError(
        f"The objective fails: {what}.",
        "It gets what the network returns, and returns one number, or one for each image.",
    )


def _unlabelled() -> UsageError:
    what, remedy = "A loss needs labels.", "one class for each image."
    return UsageError(what, f"Give labels=, {remedy}", option=f"Give --labels, {remedy}")


def check(objective: Objective, labels: Any) -> None:
    """Raise UsageError unless the objective is known, has what it needs, and uses what is given."""
    if not callable(objective) and objective not in NAMES:
        raise UsageError(
            f"There is no objective {objective!r}.",
            did_you_mean(objective, NAMES, f"Choose {', '.join(NAMES)}, or give a callable."),
            option=did_you_mean(objective, NAMES, f"Choose {', '.join(NAMES)}."),
        )
    if objective == "loss" and labels is None:
        raise _unlabelled()
    if labels is not None and objective != "loss":
        raise UsageError(
            "Labels are given, and this objective does not look at them: only a loss does.",
            'Give objective="loss" as well, or leave the labels out.',
            option="Give --objective loss as well, or leave --labels out.",
        )


def as_labels(labels: Sequence[int | str] | torch.Tensor | None, model: Model) -> Any:
    """Return class indices [N] of indices or names; None stays None."""
    if labels is None:
        return None
    if isinstance(labels, torch.Tensor):
        return labels.detach().long().reshape(-1)
    given = [labels] if isinstance(labels, int | str) else list(labels)
    return torch.tensor(
        [model.class_index(one) if isinstance(one, str) else int(one) for one in given]
    )
