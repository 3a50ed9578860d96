"""The gradient at sums, which skips carry past branches that are scaled down at their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch

from cnnviz.gradients.measures import sample_norms
from cnnviz.gradients.monitor.layer_paths import Call
from cnnviz.gradients.monitor.step_values import StepValues, root_mean_square
from cnnviz.introspection.hooks import change_gradient
from cnnviz.introspection.recomputation import backward_pass


class SumGradients:
    """Holds what arrives at the last sum that follows each layer, in the last pass of a step.

    Attributes
    ----------
    norms : dict
        For the layer that was called last before a sum, the gradient's norm for each sample.
    """

    def __init__(self) -> None:
        self.norms: dict[Call, list[torch.Tensor]] = {}

    def take(self, call: Call | None, output: torch.Tensor) -> None:
        """Listen for the gradient at a sum."""
        if call is None or backward_pass() != -1 or not output.requires_grad:
            return  # A checkpoint adds again what was added in the forward pass.
        held = self.norms[call] = []
        change_gradient(output, partial(self._arrives, held))

    def read(
        self,
        values: StepValues,
        labels: Mapping[Call, str],
        paths: Sequence[Sequence[str]],
        scale: float,
    ) -> dict[str, float]:
        """Return what arrives, by the label of the last but one layer of each path."""
        wanted = {path[-2] for path in paths}
        held = {labels[call]: values.many(n) for call, n in self.norms.items() if call in labels}
        found = {one: root_mean_square(held[one], scale) for one in wanted if one in held}
        return {label: norm for label, norm in found.items() if norm is not None}

    def _arrives(self, held: list[torch.Tensor], gradient: torch.Tensor) -> None:
        with torch.no_grad():
            if gradient.layout == torch.strided:
                held.append(sample_norms(gradient))
