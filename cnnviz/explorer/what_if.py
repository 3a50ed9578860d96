"""Answers computed beforehand: what the network says with single channels muted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.explorer.layers import ExploredLayer
from cnnviz.explorer.linear_head import LayerScores
from cnnviz.passes.captured import Capture
from cnnviz.passes.ranked_classes import probabilities
from cnnviz.results.progress import Progress

MUTED = 24
"""So many channels of a layer before the last one, those that the map of the likeliest class weighs
most; of the last one all, if they can be afforded."""
_LEAST = 4
_MACS = 200_000_000_000
"""What the answers of one layer may take together, some seconds on one core; large networks get
fewer answers."""


@dataclass(frozen=True, eq=False)
class MutedAnswers:
    """The answers of the network with one channel of a layer at zero everywhere.

    Attributes
    ----------
    channels : ndarray of int32
        [M], which channels, the one that adds most first.
    scores, probabilities : ndarray of float32
        [M, K], of the K classes that can be asked for at the layer.
    best : ndarray of int32
        [M], the likeliest class then, of all.
    best_probabilities : ndarray of float32
        [M], its probability.
    """

    channels: NDArray[np.int32]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    best: NDArray[np.int32]
    best_probabilities: NDArray[np.float32]


def muted_answers(
    seen: Capture, layer: ExploredLayer, progress: Progress, most: int = MUTED
) -> MutedAnswers | None:
    """Return the answers with single channels muted, each by what follows the layer, run anew.

    Parameters
    ----------
    seen : Capture
        One photo, captured at the layer.
    layer : ExploredLayer
        Which one.
    progress : callable
        Called as ``progress(done, total, what)``.
    most : int
        So many channels at most.

    Returns
    -------
    MutedAnswers or None
        None where no channel adds anything to the map of the first class.
    """
    key = seen.activations.resolve(layer.name)
    run = LayerScores(seen, key)
    chosen = _weighed_most(layer, min(most, _affordable(run.work.macs)))
    if not len(chosen):
        return None
    maps = seen.activation_maps(key)[:1]
    parts = []
    for start in range(0, len(chosen), run.rows):
        progress(start, len(chosen), f"muting channels of {layer.name}")
        part = torch.from_numpy(chosen[start : start + run.rows].astype(np.int64)).to(maps.device)
        without = maps.expand(len(part), *maps.shape[1:]).clone()
        without[torch.arange(len(part)), part] = 0.0
        parts.append(run(without))
    scores = torch.cat(parts)
    shares = probabilities(seen.model, scores)[0]
    best = shares.argmax(1)
    kept = list(layer.classes)
    return MutedAnswers(
        channels=chosen,
        scores=_floats(scores[:, kept]),
        probabilities=_floats(shares[:, kept]),
        best=best.cpu().numpy().astype(np.int32),
        best_probabilities=_floats(shares.gather(1, best[:, None])[:, 0]),
    )


def _affordable(macs: int) -> int:
    """Return how many channels are muted, where each takes so many operations."""
    return max(_LEAST, _MACS // max(1, macs))


def _weighed_most(layer: ExploredLayer, count: int) -> NDArray[np.int32]:
    adds = np.abs(layer.weights[0] * layer.activations.sum((1, 2)))
    if not adds.any():
        return np.zeros(0, np.int32)
    # One that adds nothing to this class may do so to another: it comes last.
    return np.argsort(-adds, kind="stable")[:count].astype(np.int32)


def _floats(values: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = values.float().cpu().numpy()
    return found
