"""Where the records of a run go to while it lasts: its file, and TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnviz.errors import CnnvizError
from cnnviz.gradients.monitor.guard import Guard
from cnnviz.gradients.monitor.log import Existing, LogFile
from cnnviz.gradients.monitor.records import Event, StepRecord
from cnnviz.gradients.monitor.tensorboard_writer import open_writer

_FILE, _BOARD = "writing its file", "writing to TensorBoard"


class RecordOutlets:
    """The file and the TensorBoard writer of a run, as far as they were asked for.

    What goes wrong while they are written to is handed to a guard; opening them raises.

    Parameters
    ----------
    path : str, Path or None
        The file.
    existing : {"refuse", "replace", "continue"}
        What to do with a run that is in the file already.
    tensorboard : str, Path, SummaryWriter or None
        A folder for TensorBoard, or a writer.
    guard : Guard
        Takes what goes wrong.

    Attributes
    ----------
    next_step : int
        The first step that is not in the file yet; 0 for a new one.

    Raises
    ------
    OutputError, InstallationError
        If the file is taken, or TensorBoard is not installed.
    """

    def __init__(
        self, path: str | Path | None, existing: Existing, tensorboard: Any, guard: Guard
    ) -> None:
        self._guard = guard
        self._board = None if tensorboard is None else open_writer(tensorboard)
        try:
            self._log = None if path is None else LogFile(path, existing)
        except CnnvizError:
            if self._board is not None:
                self._board.close()
            raise
        earlier = None if self._log is None else self._log.earlier
        self.next_step = 0 if earlier is None else earlier.next_step

    def begin(self, head: Mapping[str, Any]) -> None:
        """Write what is known ahead of the first step."""
        if self._log is not None:
            self._log.begin(head)

    def add(self, *entries: StepRecord | Event) -> None:
        """Write records and events."""
        for entry in entries:
            if self._log is not None:
                with self._guard.during(_FILE):
                    self._log.add(entry)
            if self._board is not None:
                with self._guard.during(_BOARD):
                    self._board.add(entry)

    def close(self, losses: tuple[tuple[int, float], ...], ended: Mapping[str, Any]) -> None:
        """Write how the run ended, and let go of both."""
        if self._log is not None:
            with self._guard.during(_FILE):
                self._log.end(losses, ended)
            with self._guard.during(_FILE):
                self._log.close()
        if self._board is not None:
            with self._guard.during(_BOARD):
                self._board.close()
