"""Units over the epochs of a training, put together from what each checkpoint gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.views._training_history_pass import EpochState, Plan
from cnnviz.views.pictures.top_activations import TILE, placed


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitHistory:
    """Some channels of a layer over the epochs.

    Attributes
    ----------
    layer : str
        The layer.
    channels : tuple of int
        The U channels.
    cells : ndarray of float32 or uint8
        The feature maps of the photo [U, E, h, w]; or what the strongest activation over all images
        sends back to the pixels, as drawn, [U, E, h, w, 3].
    activations : ndarray of float64
        The largest activation of each, [U, E].
    images : tuple of tuple of str
        The image that it is in, [U][E].
    """

    layer: str
    channels: tuple[int, ...]
    cells: NDArray[np.float32] | NDArray[np.uint8]
    activations: NDArray[np.float64]
    images: tuple[tuple[str, ...], ...]


def units_over(plan: Plan, states: Sequence[EpochState]) -> tuple[UnitHistory, ...]:
    """Return the units that are drawn, over all checkpoints."""
    found = []
    for place, layer in enumerate(plan.mapped):
        rows = [state.units[place] for state in states]
        found.append(
            UnitHistory(
                layer=layer,
                channels=rows[-1].channels,
                cells=_side_by_side([row.cells for row in rows], len(rows[-1].channels)),
                activations=np.stack([row.activations for row in rows], axis=1),
                images=tuple(
                    tuple(plan.dataset.name(row.images[unit]) for row in rows)
                    for unit in range(len(rows[-1].channels))
                ),
            )
        )
    return tuple(found)


def _side_by_side(cells: Sequence[NDArray[Any] | None], units: int) -> NDArray[Any]:
    """Return the cells of all checkpoints, [U, E, ...], with grey where nothing was sent back."""
    there = next((one for one in cells if one is not None), None)
    if there is None:
        return np.full((units, len(cells), TILE, TILE, 3), drawing.FLAT, np.uint8)
    blank = np.broadcast_to(np.array(drawing.FLAT, there.dtype), (*there.shape[:-1], 3))
    held = [blank if one is None else one for one in cells]
    if any(one.shape != there.shape for one in held):  # photos of several sizes
        held = [np.stack([placed(tile, *there.shape[1:3]) for tile in one]) for one in held]
    return np.stack(held, axis=1)
