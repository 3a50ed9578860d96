"""The line between the processes that share a run: who is done, and who has failed.

It goes through a store of names and numbers that the first process, or `torchrun`, keeps: whoever
waits asks it again and again, and so can be stopped at any moment.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Protocol

from cnnviz.bounds import read_whole
from cnnviz.errors import OtherProcessError, UsageError

_CONNECTING = 600.0
"""Seconds in which every process has to come, the slowest file system included."""
_TRY = timedelta(seconds=5)
_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_LOOKS = 1.0
"""Seconds between two looks whether another process has failed, while this one computes."""
_LINGERS = 10.0
"""Seconds in which the others hear of a failure, where they hear it from the first process."""
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Store(Protocol):
    """What is used of a store of `torch.distributed`."""

    def set(self, key: str, value: str) -> None:
        """Keep a value."""

    def get(self, key: str) -> bytes:
        """Return a value."""

    def add(self, key: str, amount: int) -> int:
        """Add to a number, and return what it is then."""

    def check(self, keys: Sequence[str]) -> bool:
        """Whether there is a value for each."""

    def compare_set(self, key: str, expected: str, value: str) -> bytes:
        """Keep a value where there is the expected one, or none, and return the one there is."""


@dataclass(frozen=True)
class Failure:
    """Why a process has ended before its time.

    Attributes
    ----------
    rank, size, host : int, int, str
        Which process it is of how many, and on which machine.
    what, remedy : str
        What went wrong, and what to do about it.
    code : int
        What the process ends with: 2 where a user can mend it, 1 for a fault, 130 for Ctrl-C.
    """

    rank: int
    size: int
    host: str
    what: str
    remedy: str
    code: int

    @property
    def who(self) -> str:
        """What the process is called."""
        return f"process {self.rank + 1} of {self.size} on {self.host}"

    def error(self) -> OtherProcessError:
        """Return it as the other processes meet it."""
        return OtherProcessError(
            f"P{self.who[1:]} has failed: {self.what}", self.remedy, code=self.code
        )


class Link:
    """The line from this process to the others.

    Parameters
    ----------
    store : Store
        What all of them read and write.
    rank, size : int
        Which process this is, from 0, of how many.
    hosts : bool
        Whether the store is there only as long as this process is.
    """

    def __init__(self, store: Store, rank: int, size: int, *, hosts: bool) -> None:
        self.rank, self.size = rank, size
        self._store, self._hosts = store, hosts
        self._meetings, self._looked = 0, 0.0
        self._begun, self._of, self._knows = 0, "", False

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Begin a run, which all processes begin; one within another is part of it."""
        if self._of:
            yield
            return
        # Whatever has failed before, this one begins anew.
        self._begun += 1
        self._of, self._meetings, self._knows = f"run {self._begun}", 0, False
        try:
            yield
        finally:
            self._of = ""

    def meet(self) -> None:
        """Wait until every process is here.

        Raises
        ------
        OtherProcessError
            If one of them will not come.
        """
        self._come()
        self._go()

    def agreed(self, value: Any) -> Any:
        """Return the plain data that the first process has, once every process is here."""
        name = f"{self._of} agreed {self._meetings + 1}"
        with _first_is_there():
            if self.rank == 0:
                self._store.set(name, json.dumps(value))
            self._come()
            found = json.loads(self._store.get(name))
        self._go()
        return found

    def look(self) -> None:
        """Raise an OtherProcessError if another process has failed; looked at now and then."""
        if time.monotonic() - self._looked >= _LOOKS:
            self._look()

    def fail(self, what: str, remedy: str = "", code: int = 2) -> Failure:
        """Tell the others that this process has failed, and return the first failure of any."""
        mine = Failure(self.rank, self.size, socket.gethostname(), what, remedy, code)
        try:
            # The first failure stays: those that follow are mostly of its making.
            text = self._store.compare_set(self._failed, "", json.dumps(asdict(mine)))
            first = Failure(**json.loads(text))
            self._know()
        except (RuntimeError, ValueError, TypeError):
            return mine
        return first

    def failure(self) -> Failure | None:
        """Return the first failure of any process; None where none is known."""
        if not self._store.check([self._failed]):
            return None
        return Failure(**json.loads(self._store.get(self._failed)))

    def end(self, code: int) -> int:
        """Return the exit code of the first process, which alone knows it beforehand."""
        return int(self.agreed(code))

    def _come(self) -> None:
        self._meetings += 1
        self._all(f"{self._of} came {self._meetings}")

    def _go(self) -> None:
        went = f"{self._of} went {self._meetings}"
        # The first process goes last, for the store may go with it.
        if self.rank == 0:
            self._all(went)
        else:
            self._add(went, 1)

    def _all(self, name: str) -> None:
        pause, counted = _PAUSE, 1
        while self._add(name, counted) < self.size:
            self._look()
            time.sleep(pause)
            pause, counted = min(1.5 * pause, _LONGEST_PAUSE), 0

    def _add(self, name: str, count: int) -> int:
        with _first_is_there():
            return self._store.add(name, count)

    def _look(self) -> None:
        self._looked = time.monotonic()
        with _first_is_there():
            found = self.failure()
        if found is not None:
            with _first_is_there():
                self._know()
            raise found.error()

    @property
    def _failed(self) -> str:
        return f"{self._of} failed"

    @property
    def _heard(self) -> str:
        return f"{self._of} heard"

    def _know(self) -> None:
        """Know of a failure; where the store ends with this process, wait until all others do."""
        if self._knows:
            return
        self._knows = True
        if not self._hosts:
            self._store.add(self._heard, 1)
            return
        until = time.monotonic() + _LINGERS
        while self._store.add(self._heard, 0) < self.size - 1 and time.monotonic() < until:
            time.sleep(_PAUSE)


@contextmanager
def _first_is_there() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise OtherProcessError(
            "The first process has ended, and the others do not know how.",
            "Look for what it has said.",
        ) from error


def several() -> bool:
    """Whether the environment says that this process is one of several."""
    size = os.environ.get("WORLD_SIZE", "1")
    return "RANK" in os.environ and size.strip() != "1"


_LINKS: list[Link] = []
"""The one line that this process has, from its first run to its end."""


def linked() -> Link | None:
    """Return the line to the other processes; None where this is the only one.

    Raises
    ------
    UsageError
        If the environment does not say what it has to.
    OtherProcessError
        If the others do not come.
    """
    if not _LINKS:
        made = _of_group() or _of_environment()
        if made is None:
            return None
        _LINKS.append(made)
    return _LINKS[0]


def _of_group() -> Link | None:
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    store: Any = dist.distributed_c10d._get_default_store()
    store = dist.PrefixStore("cnnviz", store)  # type: ignore[attr-defined]
    return Link(store, dist.get_rank(), dist.get_world_size(), hosts=dist.get_rank() == 0)


def _of_environment() -> Link | None:
    if not several():
        return None
    rank, size, port = (_whole(name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    address = os.environ.get("MASTER_ADDR", "")
    if not address or not 0 <= rank < size or not 0 < port < 2**16:
        raise _environment_error()
    # The store of torchrun outlives the processes, and those it starts anew are others.
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    hosts = rank == 0 and not agent
    import torch

    store = _store(address, port, hosts=hosts)
    named: Any = torch.distributed.PrefixStore(f"cnnviz {attempt}", store)  # type: ignore[attr-defined]
    return Link(named, rank, size, hosts=hosts)


def _store(address: str, port: int, *, hosts: bool) -> Any:
    """Return the store, as soon as it is there; in short tries, so that Ctrl-C ends them."""
    import torch

    until = time.monotonic() + _CONNECTING
    while True:
        try:
            return torch.distributed.TCPStore(  # type: ignore[attr-defined]
                address,
                port,
                is_master=hosts,
                timeout=_TRY,
                wait_for_workers=False,
                multi_tenant=True,
            )
        except RuntimeError as error:
            if hosts or time.monotonic() > until:
                raise OtherProcessError(
                    f"The first process is not to be reached at {address}, port {port}.",
                    "Check MASTER_ADDR and MASTER_PORT, and that the port is free.",
                ) from error
        time.sleep(_LONGEST_PAUSE)


def _whole(name: str) -> int:
    found = read_whole(os.environ.get(name, ""))
    if found is None:
        raise _environment_error()
    return found


def _environment_error() -> UsageError:
    said = ", ".join(f"{name}={os.environ.get(name, '')!r}" for name in _VARIABLES)
    return UsageError(
        f"The environment does not say which process of how many this is: {said}.",
        "Start the processes with torchrun, or set all four.",
    )
