"""From class scores to ranked answers with probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from cnnviz.errors import TargetError, UsageError
from cnnviz.models import Model

Rule = Literal["softmax", "sigmoid", "as given"]


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
    if k < 1:
        raise UsageError(f"{k} classes cannot be shown.", "Give k as 1 or more.")
    shares, _ = probabilities(logits)
    # A stable sort gives the same order on every machine.
    ordered, order = shares.sort(dim=1, descending=True, stable=True)
    scores = logits.double().cpu().gather(1, order)
    return tuple(
        tuple(
            ClassScore(index, model.category(index), probability, logit)
            for index, probability, logit in zip(*row, strict=True)
        )
        for row in zip(
            order[:, :k].tolist(), ordered[:, :k].tolist(), scores[:, :k].tolist(), strict=True
        )
    )


def probabilities(logits: torch.Tensor) -> tuple[torch.Tensor, Rule]:
    """Return probabilities [N, classes] in double precision, and the rule that made them.

    The rule is the softmax; for a single output the sigmoid; and "as given" where every row is
    non-negative and sums to one already.

    Raises
    ------
    TargetError
        If the output is not one row of scores for each image.
    """
    if logits.ndim != 2:
        raise TargetError(
            f"The network's output has the shape {list(logits.shape)}, not [N, classes].",
            "Predictions are made for networks that classify images.",
        )
    scores = logits.detach().double().cpu()
    if scores.shape[1] == 1:
        return scores.sigmoid(), "sigmoid"
    sums_to_one = torch.allclose(scores.sum(1), scores.new_ones(len(scores)), atol=1e-4)
    if bool((scores >= 0).all()) and sums_to_one:
        return scores, "as given"
    return scores.softmax(1), "softmax"


def entropy(shares: torch.Tensor) -> torch.Tensor:
    """Return the entropy of each row of probabilities in bits, [N]; one column is a coin."""
    if shares.shape[1] == 1:
        shares = torch.cat([shares, 1.0 - shares], dim=1)
    bits: torch.Tensor = -torch.xlogy(shares, shares).sum(1) / torch.log(shares.new_tensor(2.0))
    return bits
