"""What goes wrong inside a monitor is told, and kept out of the training that it watches."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

_LOGGER = logging.getLogger("cnnviz.monitor")
_LONGEST = 200
"""Errors of torch may fill pages; this much of the first line tells one from another."""


class Guard:
    """Catches what measuring raises, tells it once, and remembers what is no longer measured.

    Only exceptions that are errors are caught: an interruption by the keyboard, or a request to
    exit, passes through.

    Parameters
    ----------
    kinds : mapping of str to str
        The class of each layer by its name.

    Attributes
    ----------
    lost : dict of str to str
        The layers that are not measured any more, and why.
    failed : dict of str to str
        What else could not be done, and why.
    """

    def __init__(self, kinds: Mapping[str, str] | None = None) -> None:
        self._kinds = dict(kinds or {})
        self.lost: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def over(self, layer: str) -> Guarded:
        """Return a context in which a layer is measured; after an error in it the layer is lost."""
        return Guarded(self, layer, self.lost)

    def during(self, what: str, passing: tuple[type[Exception], ...] = ()) -> Guarded:
        """Return a context for what belongs to no layer; `passing` are not caught."""
        return Guarded(self, what, self.failed, passing)

    def take(self, key: str, error: Exception, held: dict[str, str]) -> None:
        """Remember an error and tell it, unless the same thing has failed before."""
        if key in held:
            return
        why = said(error)
        held[key] = why
        if held is self.lost:
            kind = f" ({self._kinds[key]})" if key in self._kinds else ""
            text = f"{key}{kind} is not measured any more: {why}."
        else:
            text = f"The monitor failed in {key}: {why}."
        with suppress(Exception):  # of a handler of the log
            _LOGGER.warning("%s The training goes on.", text)


class Guarded:
    """A context that ends an error, and hands it to its guard."""

    def __init__(
        self,
        guard: Guard,
        key: str,
        held: dict[str, str],
        passing: tuple[type[Exception], ...] = (),
    ) -> None:
        self._guard, self._key, self._held, self._passing = guard, key, held, passing

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Return whether the error ends here."""
        if not isinstance(error, Exception) or isinstance(error, self._passing):
            return False
        self._guard.take(self._key, error, self._held)
        return True


def said(error: Exception) -> str:
    """Return an error in one line."""
    try:
        text = str(error).strip()
    except Exception:  # an exception may fail to say what it is
        text = ""
    line = text.partition("\n")[0].rstrip(".")
    cut = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__
