"""Join the captures of single images into one, where images mix and each ran alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from cnnviz.errors import TargetError
from cnnviz.images import Batch
from cnnviz.introspection.layer_tensors import LayerTensors
from cnnviz.models.detections import Detections
from cnnviz.passes.targets import Scores

if TYPE_CHECKING:
    from cnnviz.passes.captured import Capture


def joined(batch: Batch, parts: Sequence[Capture]) -> Capture:
    """Return the captures of single images as one."""
    first = parts[0]
    scores = [part._scores for part in parts if part._scores is not None]
    slopes = [part._input_gradient for part in parts if part._input_gradient is not None]
    return replace(
        first,
        batch=batch,
        activations=LayerTensors.joined([part.activations for part in parts]),
        gradients=LayerTensors.joined([part.gradients for part in parts]),
        _output=_joined_outputs([part._output for part in parts]),
        _scores=joined_scores(scores) if scores else None,
        _input_gradient=torch.cat(slopes) if slopes else None,
        _returned=tuple(output for part in parts for output in part._returned),
        _detections=_joined_detections([part._detections for part in parts]),
    )


def joined_scores(parts: Sequence[Scores]) -> Scores:
    """Return the scores of single images as those of one batch."""
    resolved = tuple(one for part in parts for one in part.resolved_targets)
    return Scores(torch.cat([part.values for part in parts]), resolved)


def _joined_outputs(
    outputs: Sequence[torch.Tensor | TargetError | None],
) -> torch.Tensor | TargetError | None:
    rows = [output for output in outputs if isinstance(output, torch.Tensor)]
    if len(rows) < len(outputs):
        return next(output for output in outputs if not isinstance(output, torch.Tensor))
    if len({row.shape[1:] for row in rows}) > 1:
        return TargetError(
            "The network does not return the same number of scores for every image.",
            "Capture each image alone.",
        )
    return torch.cat(rows)


def _joined_detections(
    each: Sequence[tuple[Detections, ...] | TargetError | None],
) -> tuple[Detections, ...] | TargetError | None:
    found = [one for one in each if isinstance(one, tuple)]
    if len(found) < len(each):
        return next(one for one in each if not isinstance(one, tuple))
    return tuple(one for held in found for one in held)
