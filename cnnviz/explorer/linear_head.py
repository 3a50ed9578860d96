"""Whether what follows a layer is a mean over its places and a linear layer, and which one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.explorer.work import Work, work_behind, work_of_all
from cnnviz.introspection.layer_tensors import Key
from cnnviz.models.outputs import scores_of
from cnnviz.passes.captured import Capture
from cnnviz.passes.run_from_layer import ForwardFromLayer

_TRIALS = 4
_ALIKE = 1e-5
"""What single precision leaves of a sum of some thousand terms, of their sizes together."""
_ADDS_UP = 1e-3
"""The same where the sizes of the terms are not known, only their sums: a head that fails this is
not linear, and one that does not is looked at more closely."""
_MOST_MACS = 2_000_000_000_000
"""No head is looked for where that takes more than this, about a minute on one core: where a whole
pass is needed for every channel."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """The scores as a linear function of the mean of each channel.

    Attributes
    ----------
    matrix : ndarray of float32
        [classes, C], what a class's score grows by for each 1 that the mean of a channel grows.
    offsets : ndarray of float32
        [classes], the scores where every channel is zero.
    means : ndarray of float32
        [C], the means for the photo.
    places : int
        How many places the means are over.
    rectified : bool
        Whether the means are of what is positive alone, since a rectifier comes before them.
    passed : ndarray of float32
        [C], the share of the places of each channel that a gradient comes back to: fewer than all
        where a rectifier comes behind the layer.
    error : float
        The largest difference from the network in trials, of the largest score.
    """

    matrix: NDArray[np.float32]
    offsets: NDArray[np.float32]
    means: NDArray[np.float32]
    places: int
    rectified: bool
    passed: NDArray[np.float32]
    error: float

    @property
    def slopes(self) -> NDArray[np.float32]:
        """[classes, C], the gradient of each score at every place of each channel."""
        return self.matrix / np.float32(self.places)

    @property
    def weights(self) -> NDArray[np.float32]:
        """[classes, C], the mean over the places of the gradient that comes back."""
        return self.slopes * self.passed


def linear_head(seen: Capture, layer: Key) -> LinearHead | None:
    """Return the linear head behind a layer, or None where something else follows.

    It is found by running what follows with each channel raised, and checked on random maps: any
    code is recognised that computes this, and none that does not.

    Parameters
    ----------
    seen : Capture
        One photo, captured at the layer.
    layer : (str, int)
        The layer and which of its calls.
    """
    run = LayerScores(seen, layer)
    maps = seen.activation_maps(layer)[:1]
    channels, size = maps.shape[1], maps.flatten(2).abs().amax(2)[0].clamp(min=1.0)
    places = maps[0, 0].numel()
    rectified = bool((maps < 0.0).any()) and _rectifies(run, maps, size)
    if rectified:
        maps = maps.relu()
    means = maps.flatten(2).mean(2)[0]
    if channels * run.work.macs > _MOST_MACS or not _forgets_places(run, maps):
        return None
    columns, nothing = [], run(torch.zeros_like(maps))
    # Scores that do not hang on the layer, as of a last layer that is zero yet, show no head. The
    # photo's own maps may be too small to change a digit of them.
    large = size.reshape(1, -1, 1, 1).expand_as(maps)
    if bool((run(large) == nothing).all()) or not _adds_up(run, maps, size, nothing[0]):
        return None
    at_once = run.rows
    for chosen in torch.split(torch.arange(channels, device=maps.device), at_once):
        # From nothing, since a small difference between large scores has few digits.
        raised = torch.zeros_like(maps).expand(len(chosen), *maps.shape[1:]).clone()
        raised[torch.arange(len(chosen)), chosen] = size[chosen].reshape(-1, 1, 1)
        columns.append((run(raised) - nothing) / size[chosen, None])
    matrix = torch.cat(columns).T
    error, rounding = _error(run, size, matrix, nothing[0], maps)
    if not rounding:
        return None
    return LinearHead(
        matrix.float().cpu().numpy(),
        nothing[0].float().cpu().numpy(),
        means.float().cpu().numpy(),
        places,
        rectified,
        np.ones(channels, np.float32),
        error,
    )


class LayerScores:
    """The scores of all classes for other maps of a layer.

    Attributes
    ----------
    work : Work
        What they cost for one map.
    rows : int
        For how many maps they are computed at once fastest.
    """

    def __init__(self, seen: Capture, layer: Key) -> None:
        self._model, self._layout = seen.model, seen.layout(layer)
        self._given = seen.activations[layer][:1]
        inputs = seen.batch.tensor[:1]
        self._run = ForwardFromLayer(seen.model, inputs, layer)
        whole = work_of_all(seen.model, inputs)
        self.work: Work = work_behind(seen.model, inputs, layer) if self._run.skips else whole
        self.rows: int = self.work.rows(seen.model, inputs)

    def __call__(self, maps: torch.Tensor) -> torch.Tensor:
        """Return [B, classes] for [B, C, h, w]."""
        batch = self._layout.batch_of(tuple(self._given.shape), 1)
        repeated = torch.cat([self._given] * len(maps), batch)
        # What follows may write in place, and would write into the capture.
        output = self._run(self._layout.put(repeated, maps.clone()), len(maps))
        return scores_of(self._model, output, len(maps)).double()


def _rectifies(run: LayerScores, maps: torch.Tensor, size: torch.Tensor) -> bool:
    """Try whether what is negative does not count, for the maps and for random ones."""
    chance = torch.Generator().manual_seed(1)
    drawn = torch.randn(maps.shape, generator=chance).to(maps) * size.reshape(1, -1, 1, 1)
    for one in (maps, drawn):
        whole = run(one)[0]
        if (whole - run(one.relu())[0]).abs().max() > _ALIKE * whole.abs().max():
            return False
    return True


def _forgets_places(run: LayerScores, maps: torch.Tensor) -> bool:
    """Try whether turning every map over changes nothing, before each channel is run."""
    base = run(maps)[0]
    off = (run(maps.flip((2, 3)))[0] - base).abs().max()
    return bool(off <= _ALIKE * base.abs().max())


def _adds_up(
    run: LayerScores, maps: torch.Tensor, size: torch.Tensor, nothing: torch.Tensor
) -> bool:
    """Try whether the scores of a sum are the sum of the scores, before each channel is run."""
    chance = torch.Generator().manual_seed(2)
    drawn = torch.rand(maps.shape, generator=chance).to(maps) * size.reshape(1, -1, 1, 1)
    one, other, both = (run(each)[0] - nothing for each in (maps, drawn, maps + drawn))
    sizes = one.abs().max() + other.abs().max() + nothing.abs().max()
    return bool((one + other - both).abs().max() <= _ADDS_UP * sizes)


def _error(
    run: LayerScores,
    size: torch.Tensor,
    matrix: torch.Tensor,
    nothing: torch.Tensor,
    maps: torch.Tensor,
) -> tuple[float, bool]:
    """Return the largest difference in trials, of the largest score, and whether it is rounding."""
    chance = torch.Generator().manual_seed(0)
    worst, rounding = 0.0, True
    for trial in range(_TRIALS):
        drawn = torch.rand(maps.shape, generator=chance).to(maps) * size.reshape(1, -1, 1, 1)
        if trial == 0:
            drawn = maps
        means = drawn.flatten(2).mean(2)[0].double()
        found = run(drawn)[0]
        off = (nothing + matrix @ means - found).abs().max()
        # What rounds are the terms, which may be far larger than their sum.
        terms = (matrix.abs() @ means.abs()).max() + nothing.abs().max()
        rounding = rounding and bool(off <= _ALIKE * terms)
        worst = max(worst, float(off / found.abs().max().clamp(min=1e-30)))
    return worst, rounding
