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
from cnnviz.gradients.monitor.log_lines import (
    FORMAT,
    EndLine,
    EventLine,
    LayersLine,
    Line,
    RunLine,
    begins_run,
    line_of,
    pairs,
)
from cnnviz.gradients.monitor.records import Event, StepRecord, layers_line, number, to_line
from cnnviz.images.paths import expand
from cnnviz.results.files import check_parent
from cnnviz.results.given_files import open_given
from cnnviz.results.process_locks import ProcessLock

SCHEMA = 2
_START = b'{"type": "run", "format": "cnnviz training run"'
Existing = Literal["refuse", "replace", "continue"]
_LONGEST = 64 << 20
"""The most bytes of a line: the figures of a million layers."""
_LOGGER = logging.getLogger("cnnviz.monitor")


@dataclass(frozen=True)
class RunLog:
    """What a log holds.

    Attributes
    ----------
    head : mapping
        What was said of the run at its start: network, time, versions.
    records : tuple of StepRecord
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
        if existing not in ("refuse", "replace", "continue"):
            raise UsageError(
                f"There is no {existing!r} for a file that is there.",
                "Choose 'refuse', 'replace' or 'continue'.",
            )
        self.path = expand(path)
        self.earlier: RunLog | None = None
        self._layers: Mapping[str, Any] | None = None
        self._stream: TextIO | None = self._opened()
        try:
            self.earlier = self._earlier(existing)
            if self.earlier is None and self._is_filled():
                self._stream.truncate(0)
        except BaseException:
            self.close()
            raise
        if self.earlier is not None and self.earlier.torn:
            self._put("\n")

    def _opened(self) -> TextIO:
        """Return the file as it is, for as long as nobody else writes a run to it."""
        check_parent(self.path, f" {self.path.name!r}")
        try:
            # What is there is left alone until it is known to be ours.
            stream = self.path.open(
                "a",
                encoding="utf-8",
                errors="replace",  # half of a surrogate pair in a name is no text
                newline="\n",
            )
        except OSError as error:
            raise OutputError(
                f"{str(self.path)!r} cannot be written: {error.strerror or error}.",
                "Check the free space and the permissions, or name another file.",
            ) from error
        self._lock = ProcessLock(self.path)
        if not self._lock.taken:
            stream.close()
            raise OutputError(
                f"Another training writes its run to {str(self.path)!r}.",
                "Give each training a file of its own.",
            )
        return stream

    def _is_filled(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size > 0

    def _earlier(self, existing: Existing) -> RunLog | None:
        if not self._is_filled():
            return None
        if existing == "refuse":
            raise OutputError(
                f"There already is a file {str(self.path)!r}.",
                "Name another, or pass existing='replace' or existing='continue'.",
            )
        # Nothing but a run is ever replaced or continued.
        if existing == "continue":
            return read_log(self.path)
        with open_given(self.path) as stream:
            if stream.read(len(_START)) != _START:
                raise _foreign(self.path)
        return None

    def begin(self, head: Mapping[str, Any]) -> None:
        """Write what is known at the start."""
        self._write({"type": "run", "format": FORMAT, "schema": SCHEMA, **head})

    def add(self, entry: StepRecord | Event) -> None:
        """Write a record or an event; the layers and paths go ahead where they changed."""
        if isinstance(entry, StepRecord) and (layers := layers_line(entry)) != self._layers:
            self._layers = layers
            self._write(layers)
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
        self._lock.release()

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
            self._lock.release()
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
    reader = _LogReader(target)
    try:
        with open_given(target) as stream:
            while line := stream.readline(_LONGEST):
                if not line.endswith(b"\n"):
                    return reader.run(line, whole=len(line) < _LONGEST)
                # A line that was torn when a run was stopped stands before its continuation.
                reader.take(line)
    except OSError as error:
        raise OutputError(
            f"{str(target)!r} cannot be read: {error.strerror or error}.",
            "Give the path that was given to GradientMonitor.",
        ) from error
    return reader.run(b"")


def _foreign(path: Path) -> UsageError:
    return UsageError(
        f"{str(path)!r} is no training run.", "Give the path that was given to GradientMonitor."
    )


def _of_other_version(path: Path, head: RunLine) -> UsageError:
    version = head.versions.get("cnnviz", "of unknown number")
    return UsageError(
        f"{str(path)!r} was written by cnnviz {version}, whose runs have schema {head.schema}, and "
        f"this one reads schema {SCHEMA}.",
        "Read it with the version that wrote it, or write the next run to another file.",
    )


class _LogReader:
    """Takes a log line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head: dict[str, Any] | None = None
        self._layers = LayersLine((), ())
        self._records: list[StepRecord] = []
        self._events: list[Event] = []
        self._trailing: tuple[tuple[int, float], ...] = ()
        self._end: dict[str, Any] | None = None
        self._place = 0
        self._damaged: UsageError | None = None

    def take(self, line: bytes) -> None:
        """Read one whole line."""
        self._place += 1
        if self._head is None and not (line.startswith(_START) or begins_run(line)):
            raise _foreign(self._path)
        found, why = _read(line)
        if self._damaged is not None and not isinstance(found, RunLine):
            raise self._damaged
        self._damaged = None
        if found is not None:
            try:
                self._sort(found)
            except ValueError as error:
                found, why = None, str(error)
        if found is None:
            self._damaged = UsageError(
                f"Line {self._place} of {str(self._path)!r} is damaged: {why}.",
                "Take the line out, or take another file.",
            )
            if self._head is None:
                raise self._damaged

    def _sort(self, found: Line) -> None:
        if isinstance(found, RunLine):
            if found.schema not in (None, SCHEMA):
                raise _of_other_version(self._path, found)
            self._head = self._head or found.facts()
            self._end, self._layers = None, LayersLine((), ())
        elif isinstance(found, LayersLine):
            self._layers = found
        elif isinstance(found, EventLine):
            self._events.append(found.event())
        elif isinstance(found, EndLine):
            self._trailing += pairs(found.losses)
            self._end = found.facts()
        else:
            self._records.append(found.record(self._layers))

    def run(self, rest: bytes, *, whole: bool = True) -> RunLog:
        """Return what the whole lines hold; `rest` is a line that is not."""
        if self._head is None:
            if not whole or not _START.startswith(rest[: len(_START)]):
                raise _foreign(self._path)
            raise UsageError(
                f"Nothing has been written to {str(self._path)!r} yet.",
                "Wait for the first step that is recorded.",
            )
        if not whole:
            raise UsageError(
                f"Line {self._place + 1} of {str(self._path)!r} has no end.",
                "Take the line out, or take another file.",
            )
        return RunLog(
            head=self._head,
            records=tuple(self._records),
            events=tuple(self._events),
            trailing=self._trailing,
            end=self._end,
            torn=bool(rest) or self._damaged is not None,
        )


def _read(line: bytes) -> tuple[Line | None, str]:
    """Return what a line holds; or None, and what is wrong with it."""
    try:
        return line_of(line), ""
    except ValueError as error:
        return None, str(error)
