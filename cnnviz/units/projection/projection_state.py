"""What is filled in while picks are sent back: where each unit is, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.introspection.backward_rules import Rule, RuleCoverage
from cnnviz.introspection.receptive_fields import PixelBox
from cnnviz.introspection.unit_names import check_channels
from cnnviz.passes.run_to_layer import PartialForward
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
    windows: dict[int, PixelBox] = field(default_factory=dict)
    signals: NDArray[np.float32] | None = None
    activations: NDArray[np.float32] = field(init=False)
    rows: NDArray[np.int64] = field(init=False)
    columns: NDArray[np.int64] = field(init=False)
    outside: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.picks)
        self.activations, self.outside = np.zeros((2, count), np.float32)
        self.rows, self.columns = np.zeros((2, count), np.int64)

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return int(self.inputs.shape[2]), int(self.inputs.shape[3])

    def active(self, places: Sequence[int]) -> list[int]:
        """Return those of the picks at `places`, located before, that have anything to send."""
        return [place for place in places if self.activations[place] > 0.0]

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
        height, width = values.shape
        row, column = pick.row, pick.column
        if row is None or column is None:
            row, column = divmod(int(values.argmax()), width)
        if not (0 <= row < height and 0 <= column < width):
            raise UsageError(
                f"Position ({row}, {column}) lies outside the {height} x {width} maps of {layer}.",
                f"Rows go from 0 to {height - 1} and columns from 0 to {width - 1}.",
            )
        self.rows[place], self.columns[place] = row, column
        self.activations[place] = float(values[row, column])
        found = self.passage.field
        self.windows[place] = window_of(found and found.local, self.image, row, column)

    def keep(self, place: int, signal: torch.Tensor, origin: tuple[int, int] = (0, 0)) -> None:
        """Cut a pick's window out of its signal.

        Parameters
        ----------
        place : int
            The place of the pick.
        signal : torch.Tensor
            [C, height, width], of the whole image or a crop; taken over.
        origin : tuple of int
            The row and the column of the image where the signal begins.
        """
        window, (top, left) = self.windows[place], origin
        there = PixelBox(
            window.left - left, window.top - top, window.right - left, window.bottom - top
        )
        inside, own = overlap(there, (int(signal.shape[1]), int(signal.shape[2])))
        kept = signal[(slice(None), *inside)]
        self._all()[(place, slice(None), *own)] = kept.float().cpu().numpy()
        total = float(signal.abs().sum())
        kept.zero_()
        self.outside[place] = float(signal.abs().sum()) / total if total > 0.0 else 0.0

    def _all(self) -> NDArray[np.float32]:
        if self.signals is None:
            window = next(iter(self.windows.values()))
            shape = (len(self.picks), self.inputs.shape[1], window.height, window.width)
            self.signals = np.zeros(shape, np.float32)
        return self.signals

    def projected(self) -> UnitProjections:
        """Return everything, in the order of the picks."""
        return UnitProjections(
            signals=self._all(),
            windows=tuple(self.windows[place] for place in range(len(self.picks))),
            activations=self.activations,
            rows=self.rows,
            columns=self.columns,
            outside=self.outside,
            coverage=self.coverage,
        )
