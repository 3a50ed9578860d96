"""Records for TensorBoard, where it is installed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cnnviz.errors import InstallationError
from cnnviz.gradients.monitor.records import COLUMNS, Event, StepRecord


class TensorBoardWriter:
    """Hands records to a writer of `torch.utils.tensorboard`.

    Parameters
    ----------
    writer : torch.utils.tensorboard.SummaryWriter
        Where to write to.
    own : bool
        Whether to close it at the end.
    """

    def __init__(self, writer: Any, own: bool) -> None:
        self._writer, self._own = writer, own

    def add(self, entry: StepRecord | Event) -> None:
        """Write a record as scalars, one tag for each figure and layer, and an event as text."""
        if isinstance(entry, Event):
            self._writer.add_text("cnnviz/events", f"{entry.kind}: {entry.text}", entry.step)
            return
        for column in COLUMNS:
            for layer, value in entry.of(column).items():
                self._scalar(f"{column}/{layer}", value, entry.step)
        for step, loss in entry.losses:
            self._scalar("cnnviz/loss", loss, step)
        for place, rate in enumerate(entry.rates):
            tag = "cnnviz/learning rate" + (f" {place}" if place else "")
            self._scalar(tag, rate, entry.step)
        if entry.decades is not None and math.isfinite(entry.decades):
            self._scalar("cnnviz/gradient from last to first, decades", entry.decades, entry.step)
        for name, value in entry.values.items():
            self._scalar(f"cnnviz/{name}", value, entry.step)
        self._writer.flush()

    def _scalar(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._own:
            self._writer.close()
        else:
            self._writer.flush()


def open_writer(where: Any) -> TensorBoardWriter:
    """Return a writer for a folder, or around one that is there.

    Raises
    ------
    InstallationError
        If TensorBoard is not installed.
    """
    if not isinstance(where, (str, Path)):
        return TensorBoardWriter(where, own=False)
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InstallationError(
            "TensorBoard is not installed.",
            "Install it (pip install tensorboard), or leave tensorboard= out.",
        ) from error
    return TensorBoardWriter(SummaryWriter(str(where)), own=True)
