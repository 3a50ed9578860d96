"""How much there is to compute behind a layer, and so how much of it is done at once or at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once

_COPIES = 3
"""So often a map is copied on its way into a network that runs on from there."""


@dataclass(frozen=True)
class Work:
    """What one pass costs.

    Attributes
    ----------
    macs : int
        Multiply-accumulate operations, as far as they can be counted.
    bytes : int
        Memory of the outputs of its layers.
    """

    macs: int
    bytes: int

    def rows(self, model: Model, inputs: torch.Tensor) -> int:
        """Return how many such passes are made at once."""
        return rows_at_once(model, inputs, self.bytes)


def work_behind(model: Model, inputs: torch.Tensor, layer: Key) -> Work:
    """Return what a pass from the output of a layer on costs, for one image."""
    traced = trace(model.module, tuple(inputs.shape[1:]))
    start = traced.find(*layer)
    later = [call for call in traced.calls if call.order > start.order]
    own = _COPIES * 4 * math.prod(start.output_shape)
    return Work(sum(call.macs for call in later), own + sum(call.output_bytes for call in later))


def work_of_all(model: Model, inputs: torch.Tensor) -> Work:
    """Return what a whole pass costs, for one image."""
    traced = trace(model.module, tuple(inputs.shape[1:]))
    return Work(traced.macs, traced.activation_bytes)
