"""From class scores to ranked answers with probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from cnnviz.errors import TargetError, UsageError
from cnnviz.introspection.finite import check_rankable
from cnnviz.models import Model, OutputKind
from cnnviz.models.outputs import class_probabilities, class_scores, read_output

Rule = Literal["softmax", "sigmoid", "as given", "none"]


@dataclass(frozen=True)
class ClassScore:
    """One class that a network names for an image.

    Attributes
    ----------
    index : int
        The class index.
    name : str
        The class name.
    probability : float
        From 0 to 1.
    logit : float
        The network's output for the class.
    """

    index: int
    name: str
    probability: float
    logit: float


def rank_classes(model: Model, logits: torch.Tensor, k: int) -> tuple[tuple[ClassScore, ...], ...]:
    """Return the k most probable classes of each image, most probable first.

    Among equal probabilities the lower index comes first.

    Parameters
    ----------
    model : Model
        The network, for the names of its classes.
    logits : torch.Tensor
        Its output, [N, classes].
    k : int
        How many; all, where there are fewer classes.

    Raises
    ------
    TargetError
        If the output is not one row of scores for each image.
    UsageError
        If `k` is below 1.
    """
    check_k(k)
    shares, _ = probabilities(model, logits)
    # A stable sort gives the same order on every machine.
    ordered, order = shares.sort(dim=1, descending=True, stable=True)
    reading = read_output(model, logits)
    columns = class_scores(reading, logits.cpu().double())
    scores = columns.gather(1, order)
    return tuple(
        tuple(
            ClassScore(index, reading.name(index), probability, logit)
            for index, probability, logit in zip(*row, strict=True)
        )
        for row in zip(
            order[:, :k].tolist(), ordered[:, :k].tolist(), scores[:, :k].tolist(), strict=True
        )
    )


def check_k(k: int) -> None:
    """Raise UsageError unless at least one class is asked for."""
    if k < 1:
        raise UsageError(f"{k} classes cannot be shown.", "Give k as 1 or more.")


def probabilities(model: Model, scores: torch.Tensor) -> tuple[torch.Tensor, Rule]:
    """Return probabilities [N, classes] in double precision, and the rule that made them.

    The rule follows from the kind of the output: the softmax for classes; the sigmoid for labels
    and for one logit, whose two classes are negative and positive; and "as given" where the network
    ends in a softmax or sigmoid itself.

    Parameters
    ----------
    model : Model
        The network, for what its output means.
    scores : torch.Tensor
        Its scores, as `cnnviz.models.outputs.scores_of` returns them.

    Raises
    ------
    TargetError
        If the output is not one row of scores for each image, or holds no probabilities.
    NotFiniteError
        If a score is NaN or infinite.
    """
    reading = read_output(model, scores)
    if scores.ndim != 2 and reading.kind == OutputKind.CLASS_MAP:
        raise TargetError(
            f"The network returns {reading.describe()}: scores of each position, and none of the "
            "whole image.",
            "cnnviz.cam, attribute and occlusion explain one class of it, with target=; declare "
            "its kind with output=, if that is wrong.",
            option="`cnnviz cam`, `attribute` and `occlude` explain one class of it, with "
            "--target; declare its kind with --output, if that is wrong.",
        )
    if scores.ndim != 2:
        raise TargetError(
            f"The network's output has the shape {list(scores.shape)}, not [N, classes].",
            "Where these are boxes, give decode=, which makes them of the output; otherwise let "
            "the network return one row of scores for each image.",
            option="Where these are boxes, define decode in the file of the network, which makes "
            "them of its output; otherwise let it return one row of scores for each image.",
        )
    shares = class_probabilities(reading, check_rankable(scores).detach().cpu())
    if shares is None:
        raise TargetError(
            f"The network returns {reading.describe()}, which holds no probabilities.",
            "Declare its kind with output=, if that is wrong.",
            option="Declare its kind with --output, if that is wrong.",
        )
    if reading.inside:
        return shares, "as given"
    return shares, "softmax" if reading.kind == OutputKind.CLASSES else "sigmoid"


def entropy(shares: torch.Tensor) -> torch.Tensor:
    """Return the entropy of each row of probabilities in bits, [N]; one column is a coin."""
    if shares.shape[1] == 1:
        shares = torch.cat([shares, 1.0 - shares], dim=1)
    nats = 0.0 - torch.xlogy(shares, shares).sum(1)  # of one certain class 0, and not -0
    bits: torch.Tensor = nats / torch.log(shares.new_tensor(2.0))
    return bits
