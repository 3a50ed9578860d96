"""Which units give the same for other images as for one, so that nothing of it made them respond.

Behind a dead layer a unit has a value of its own, and the deconvnet rule, which follows no mask,
sends it back to the pixels as it does any.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cnnviz.errors import CnnvizError
from cnnviz.images.baselines import Baseline, baseline_images
from cnnviz.introspection.tolerance import MOST_ROUNDING
from cnnviz.passes.run_to_layer import PartialForward

_INSTEAD: tuple[Baseline, ...] = ("noise", "black", "mean")


def constant_units(
    passage: PartialForward,
    inputs: torch.Tensor,
    channels: Sequence[int],
    peaks: torch.Tensor,
    positions: torch.Tensor,
    at_once: int,
) -> torch.Tensor:
    """Tell which units other images do not move by more than sixteen roundings, [K, N].

    Once all have moved, no more images are tried.

    Parameters
    ----------
    passage : PartialForward
        The network as far as their layer.
    inputs : torch.Tensor
        The images, [N, ...].
    channels : sequence of int
        The K channels.
    peaks, positions : torch.Tensor
        The largest value of each channel in each image, [N, channels], and where that is,
        [N, channels, axes].
    at_once : int
        How many images are run together.
    """
    chosen = list(channels)
    values, places = peaks[:, chosen].double().cpu(), positions[:, chosen].cpu()
    step = torch.finfo(peaks.dtype).eps
    same, tried = torch.ones_like(values).bool(), torch.zeros(len(values)).bool()
    for kind in _INSTEAD:
        others = baseline_images(passage.model.preprocessing, inputs, kind)
        tried |= (others != inputs).flatten(1).any(1).cpu()
        try:
            found = _values_at(passage, others, chosen, places, at_once)
        except CnnvizError:  # A network may refuse what it was not given before.
            return torch.zeros_like(same).T
        largest = torch.maximum(values.abs(), found.abs())
        same &= (found - values).abs() * MOST_ROUNDING <= step * largest
        if not same.any():
            break
    return (same & tried[:, None]).T


def _values_at(
    passage: PartialForward,
    images: torch.Tensor,
    channels: list[int],
    places: torch.Tensor,
    at_once: int,
) -> torch.Tensor:
    """Return what channels give at the places [N, K, axes] of each image, [N, K]."""
    found = []
    for start in range(0, len(images), at_once):
        maps, _, _ = passage.run(images[start : start + at_once])
        maps = maps[:, channels].double().cpu()
        at = torch.zeros(maps.shape[:2], dtype=torch.long)
        for axis, length in enumerate(maps.shape[2:]):
            at = at * length + places[start : start + at_once, :, axis]
        found.append(maps.flatten(2).gather(2, at[..., None])[..., 0])
    return torch.cat(found)
