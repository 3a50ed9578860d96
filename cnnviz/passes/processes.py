"""The processes that share a run: as `torchrun` or a scheduler starts them, on any machines.

They tell one another when they are done, and when one of them has failed, and nothing else: what
they find goes from one to the other as files in a folder that all of them see, which is what makes
a run go on after an interruption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cnnviz.errors import CnnvizError, OtherProcessError, UsageError
from cnnviz.passes.process_link import Link, linked
from cnnviz.results.progress import Progress

T = TypeVar("T")
P = TypeVar("P", list[int], list[str])

_SEEN = 90.0
"""Seconds after which every machine sees what another has written to a shared folder."""


@dataclass(frozen=True)
class Processes:
    """How many processes share a run, and which of them this is.

    Attributes
    ----------
    rank, size : int
        From 0, and how many.
    link : Link or None
        The line to the others, where there are any.
    """

    rank: int = 0
    size: int = 1
    link: Link | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """What it is called, counted from 1."""
        return f"process {self.rank + 1} of {self.size}"

    @property
    def said(self) -> str:
        """What stands before what it does, where there are others."""
        return "" if self.size == 1 else f"{self.name}, "

    @property
    def first(self) -> bool:
        """Whether this process does what only one may do."""
        return self.rank == 0

    def share(self, left: Sequence[T]) -> Sequence[T]:
        """Return what of all that is left falls to this process."""
        return left[self.rank :: self.size]

    def wait(self) -> None:
        """Wait until every process is here.

        Raises
        ------
        OtherProcessError
            If one of them has failed.
        """
        if self.link is not None:
            self.link.meet()

    def agreed(self, value: P) -> P:
        """Return what the first process has, plain data that others may see otherwise.

        A machine may see for a while what lay in a shared folder before others wrote to it.
        """
        if self.link is None:
            return value
        found: P = self.link.agreed(value)
        return found

    def patiently(self, done: Callable[[], bool]) -> bool:
        """Return whether it is done, as soon as this machine sees what others have written."""
        until = time.monotonic() + (_SEEN if self.size > 1 else 0.0)
        while not done():
            if time.monotonic() >= until:
                return False
            time.sleep(0.5)
        return True

    def watching(self, progress: Progress) -> Progress:
        """Return a `Progress` that ends this process, too, when another one has failed."""
        link = self.link
        if link is None:
            return progress

        def shown(done: int, total: int, what: str) -> None:
            link.look()
            progress(done, total, what)

        return shown


ALONE = Processes()
"""One process that shares with nobody."""


def told(error: BaseException) -> tuple[str, str, int]:
    """Return what the others are told of an error: what is wrong, what to do, and an exit code."""
    if isinstance(error, CnnvizError):
        return error.what, error.option, 2
    if isinstance(error, KeyboardInterrupt):
        return "It was stopped.", "", 130
    return f"{type(error).__name__}: {error}", "", 1


@contextmanager
def sharing(folder: str | Path | None, noun: str) -> Iterator[Processes]:
    """Share a run with the other processes that `torchrun` has started, if there are any.

    Whatever goes wrong inside is told to the others, so that none of them waits in vain.

    Parameters
    ----------
    folder : str, Path or None
        Where what is found is kept, which all of them have to see.
    noun : str
        What they share.

    Raises
    ------
    UsageError
        If there are several and no folder, or the environment does not say what it has to.
    OtherProcessError
        If the others do not come.
    """
    link = linked()
    if link is None:
        yield Processes()
        return
    with link.scope():
        try:
            if folder is None:
                raise UsageError(
                    f"{link.size} processes share {noun} and no folder.",
                    "Name a folder that all of them see.",
                    option="Name a folder that all of them see, with --state.",
                )
            yield Processes(link.rank, link.size, link)
        except OtherProcessError:
            raise
        except BaseException as error:
            link.fail(*told(error))
            raise
