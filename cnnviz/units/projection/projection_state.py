"""What is filled in while picks are sent back: where each unit is, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.introspection.backward_rules import Rule, RuleCoverage
from cnnviz.introspection.receptive_fields import Box, box_of
from cnnviz.introspection.unit_names import check_channels
from cnnviz.passes.run_to_layer import PartialForward
from cnnviz.results.space import space_of
from cnnviz.results.text import dimensions, joined
from cnnviz.units.projection.unit_projections import UnitPosition, UnitProjections
from cnnviz.units.projection.windows import overlap, window_of


@dataclass
class ProjectionState:
    """The picks of one call, each with its place, its value and its signal."""

    passage: PartialForward
    inputs: torch.Tensor
    picks: Sequence[UnitPosition]
    rule: Rule
    coverage: RuleCoverage | None = None
    windows: dict[int, Box] = field(default_factory=dict)
    signals: NDArray[np.float32] | None = None
    activations: NDArray[np.float32] = field(init=False)
    positions: NDArray[np.int64] = field(init=False)
    outside: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.picks)
        self.activations, self.outside = np.zeros((2, count), np.float32)
        self.positions = np.zeros((count, len(self.image)), np.int64)

    @property
    def image(self) -> tuple[int, ...]:
        """Height and width of the network's input; the size along each axis of another."""
        return tuple(self.inputs.shape[2:])

    def position(self, place: int) -> tuple[int, ...]:
        """Return where a pick, located before, is in the layer's output."""
        return tuple(self.positions[place].tolist())

    def active(self, places: Sequence[int]) -> list[int]:
        """Return those of the picks at `places`, located before, that have anything to send."""
        return [place for place in places if 0.0 < self.activations[place] < math.inf]

    def locate(self, place: int, maps: torch.Tensor) -> None:
        """Note position, value and window of a pick, from the maps [channels, h, w] of its image.

        Raises
        ------
        LayerError
            If the layer has no such channel.
        UsageError
            If the layer has no such position.
        """
        pick, layer = self.picks[place], self.passage.layer
        check_channels([pick.channel], len(maps), layer)
        values = maps[pick.channel]
        size = tuple(values.shape)
        position = pick.position
        if position is None:
            position = tuple(map(int, np.unravel_index(int(values.argmax()), size)))
        _check_position(position, size, layer)
        self.positions[place] = position
        self.activations[place] = float(values[position])
        found = self.passage.field
        self.windows[place] = window_of(found and found.local, self.image, *position)
        if not self.activations[place] < math.inf:
            self._lose(place)

    def keep(self, place: int, signal: torch.Tensor, origin: tuple[int, ...] = ()) -> None:
        """Cut a pick's window out of its signal.

        Parameters
        ----------
        place : int
            The place of the pick.
        signal : torch.Tensor
            [C, height, width], of the whole image or a crop; taken over.
        origin : tuple of int
            The row and the column of the image where the signal begins; at the first where empty.
        """
        window = self.windows[place]
        begin = np.array(origin or (0,) * len(window.sizes))
        there = box_of((window.starts - begin).tolist(), (window.ends - begin).tolist())
        inside, own = overlap(there, tuple(signal.shape[1:]))
        kept = signal[(slice(None), *inside)]
        to: tuple[Any, ...] = (place, slice(None), *own)
        self._all()[to] = kept.float().cpu().numpy()
        total = float(signal.double().abs().sum())
        if not math.isfinite(total):
            self._lose(place)
            return
        kept.zero_()
        outside = float(signal.double().abs().sum())
        self.outside[place] = outside / total if total > 0.0 else 0.0

    def _lose(self, place: int) -> None:
        """Note that what a pick sends back is not known: it has no scale, and no share of it."""
        self._all()[place] = self.outside[place] = np.nan

    def _all(self) -> NDArray[np.float32]:
        if self.signals is None:
            window = next(iter(self.windows.values()))
            shape = (len(self.picks), self.inputs.shape[1], *window.sizes)
            self.signals = np.zeros(shape, np.float32)
        return self.signals

    def projected(self) -> UnitProjections:
        """Return everything, in the order of the picks."""
        return UnitProjections(
            signals=self._all(),
            windows=tuple(self.windows[place] for place in range(len(self.picks))),
            activations=self.activations,
            positions=self.positions,
            outside=self.outside,
            coverage=self.coverage,
        )


def _check_position(position: tuple[int, ...], size: tuple[int, ...], layer: str) -> None:
    axes = len(position) == len(size)
    if axes and all(0 <= at < length for at, length in zip(position, size, strict=True)):
        return
    names = space_of(len(size)).names
    ends = [f"{name}s from 0 to {length - 1}" for name, length in zip(names, size, strict=True)]
    said = ", ".join(map(str, position))
    raise UsageError(
        f"Position ({said}) lies outside the {dimensions(size)} maps of {layer}.",
        f"There are {joined(ends)}.",
    )
