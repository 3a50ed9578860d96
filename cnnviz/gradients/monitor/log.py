"""A run as lines of JSON: written one by one while it goes on, and read at any time."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from cnnviz.errors import OutputError, UsageError
from cnnviz.gradients.monitor.records import (
    Event,
    StepRecord,
    event_from,
    number,
    record_from,
    to_line,
)
from cnnviz.images.paths import expand

FORMAT = "cnnviz training run"
SCHEMA = 2
_START = b'{"type": "run", "format": "cnnviz training run"'
Existing = Literal["refuse", "replace", "continue"]
_LOGGER = logging.getLogger("cnnviz.monitor")


@dataclass(frozen=True)
class RunLog:
    """What a log holds.

    Attributes
    ----------
    head : mapping
        What was said of the run at its start: network, time, versions.
    records : tuple of Record
    events : tuple of Event
    trailing : tuple of (int, float)
        Losses that came after the last record.
    end : mapping or None
        How the run ended; None while it goes on, or where it was killed.
    torn : bool
        Whether the last line is not complete, as while it is being written.
    """

    head: Mapping[str, Any]
    records: tuple[StepRecord, ...]
    events: tuple[Event, ...]
    trailing: tuple[tuple[int, float], ...]
    end: Mapping[str, Any] | None
    torn: bool

    @property
    def next_step(self) -> int:
        """The number of the step that a continuation begins with."""
        known = [record.step + 1 for record in self.records]
        known += [step + 1 for step, _ in self.trailing]
        known += [int(self.end["steps"])] if self.end is not None and "steps" in self.end else []
        return max(known, default=0)


class LogFile:
    """A file to which lines are added, each of which is there as soon as it is written.

    Writing that fails later on, because the disk is full, ends the log and not the training.

    Parameters
    ----------
    path : str or Path
        The file.
    existing : {"refuse", "replace", "continue"}
        What to do with a run that is there already.

    Raises
    ------
    OutputError
        If there is a file that may not be replaced, or none can be made.
    """

    def __init__(self, path: str | Path, existing: Existing = "refuse") -> None:
        self.path = expand(path)
        self.earlier = self._earlier(existing)
        self._layers: tuple[str, ...] | None = None
        try:
            self._stream: TextIO | None = self.path.open(
                "a" if self.earlier is not None else "w", encoding="utf-8", newline="\n"
            )
        except OSError as error:
            raise OutputError(
                f"{str(self.path)!r} cannot be written: {error.strerror or error}.",
                "Make the folder first, or name another file.",
            ) from error
        if self.earlier is not None and self.earlier.torn:
            self._put("\n")

    def _earlier(self, existing: Existing) -> RunLog | None:
        if existing not in ("refuse", "replace", "continue"):
            raise UsageError(
                f"There is no {existing!r} for a file that is there.",
                "Choose 'refuse', 'replace' or 'continue'.",
            )
        if not self.path.exists() or not self.path.is_file() or not self.path.stat().st_size:
            return None
        if existing == "refuse":
            raise OutputError(
                f"There already is a file {str(self.path)!r}.",
                "Name another, or pass existing='replace' or existing='continue'.",
            )
        # Nothing but a run is ever replaced or continued.
        if existing == "continue":
            return read_log(self.path)
        if not self.path.read_bytes().startswith(_START):
            raise _foreign(self.path)
        return None

    def begin(self, head: Mapping[str, Any]) -> None:
        """Write what is known at the start."""
        self._write({"type": "run", "format": FORMAT, "schema": SCHEMA, **head})

    def add(self, entry: StepRecord | Event) -> None:
        """Write a record or an event; the names of the layers go ahead where they changed."""
        if isinstance(entry, StepRecord) and entry.layers != self._layers:
            self._layers = entry.layers
            kinds = [entry.kinds.get(layer, "") for layer in entry.layers]
            self._write({"type": "layers", "layers": list(entry.layers), "kinds": kinds})
        self._write(to_line(entry))

    def end(self, losses: tuple[tuple[int, float], ...], facts: Mapping[str, Any]) -> None:
        """Write how the run ended, and the losses after the last record; then close the file."""
        plain = [[step, number(loss)] for step, loss in losses]
        self._write({"type": "end", "losses": plain, **facts})
        self.close()

    def close(self) -> None:
        """Close the file; nothing more is written."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._put(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")

    def _put(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            with suppress(OSError):
                self._stream.close()
            self._stream = None
            _LOGGER.warning(
                "%s cannot be written any more (%s); the training goes on without it.",
                self.path,
                error.strerror or error,
            )


def read_log(path: str | Path) -> RunLog:
    """Read a run, which may still go on.

    Raises
    ------
    OutputError
        If there is no such file.
    UsageError
        If it is no run of ours, or a line in its midst is damaged.
    """
    target = expand(path)
    try:
        text = target.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise OutputError(
            f"{str(target)!r} cannot be read: {error.strerror or error}.",
            "Give the path that was given to GradientMonitor.",
        ) from error
    *lines, rest = text.split("\n")
    reader = _LogReader(target)
    for place, line in enumerate(lines, start=1):
        # A line that was torn when a run was stopped stands before its continuation.
        reader.take(place, line)
    return reader.run(rest)


def _foreign(path: Path) -> UsageError:
    return UsageError(
        f"{str(path)!r} is no training run.", "Give the path that was given to GradientMonitor."
    )


class _LogReader:
    """Takes a log line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head: dict[str, Any] | None = None
        self._layers: tuple[str, ...] = ()
        self._kinds: dict[str, str] = {}
        self._records: list[StepRecord] = []
        self._events: list[Event] = []
        self._trailing: tuple[tuple[int, float], ...] = ()
        self._end: dict[str, Any] | None = None
        self._damaged: int | None = None

    def take(self, place: int, line: str) -> None:
        """Read one whole line."""
        try:
            entry = json.loads(line)
            kind = entry["type"]
        except (ValueError, LookupError, TypeError):
            entry, kind = {}, None
        if self._head is None and (kind != "run" or entry.get("format") != FORMAT):
            raise _foreign(self._path)
        if self._damaged is not None and kind != "run":
            raise UsageError(
                f"Line {self._damaged} of {str(self._path)!r} is damaged.",
                "Take the line out, or take another file.",
            )
        self._damaged = None
        try:
            self._sort(kind, entry)
        except (LookupError, TypeError, ValueError):
            self._damaged = place

    def _sort(self, kind: str | None, entry: dict[str, Any]) -> None:
        if kind == "run":
            self._head = self._head or entry
            self._end, self._layers = None, ()
        elif kind == "layers":
            self._layers = tuple(str(name) for name in entry["layers"])
            kinds = zip(self._layers, entry["kinds"], strict=True)
            self._kinds = {name: str(kind) for name, kind in kinds if kind}
        elif kind == "record":
            self._records.append(record_from(entry, self._layers, self._kinds))
        elif kind == "event":
            self._events.append(event_from(entry))
        elif kind == "end":
            self._trailing += tuple((int(step), float(loss)) for step, loss in entry["losses"])
            self._end = entry
        else:
            raise ValueError("not a line of a run")

    def run(self, rest: str) -> RunLog:
        """Return what the whole lines hold; `rest` is a line that is not."""
        if self._head is None:
            if not _START.startswith(rest.encode()[: len(_START)]):
                raise _foreign(self._path)
            raise UsageError(
                f"Nothing has been written to {str(self._path)!r} yet.",
                "Wait for the first step that is recorded.",
            )
        return RunLog(
            head=self._head,
            records=tuple(self._records),
            events=tuple(self._events),
            trailing=self._trailing,
            end=self._end,
            torn=bool(rest) or self._damaged is not None,
        )
