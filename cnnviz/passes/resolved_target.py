"""What is explained of one image, once it is known what the network returned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

Unit = Literal["probability", "score"]
Function = Callable[[Any], torch.Tensor]


@dataclass(frozen=True, eq=False)
class ResolvedTarget:
    """What is explained of one image.

    Attributes
    ----------
    name : str
        What it is, in words.
    class_index : int or None
        The class, where it is exactly one.
    score : callable
        ``score(output)``: what the network returned for B images to B scores, [B].
    asked : int, str, SumOf, Contrast, Region, Value, Similarity, Box, callable or None
        What asks for the very same of another network, or of another image; None is each
        network's own answer.
    probability : callable, optional
        ``probability(output)``: the probability of what is explained, [B], in double precision;
        None where there is none.
    """

    name: str
    class_index: int | None
    score: Function
    asked: Any = None
    probability: Function | None = None

    @property
    def unit(self) -> Unit:
        """What `measure` returns: probabilities where there are any, or else scores."""
        return "score" if self.probability is None else "probability"

    def measure(self, output: Any) -> torch.Tensor:
        """Return what is followed of an answer while its image is changed, [B]."""
        found = self.score if self.probability is None else self.probability
        return found(output).double()
