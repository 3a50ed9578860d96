"""Processes that share a run: forks of one that has imported torch already."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable


def forked(work: Callable[[], object], **environment: str) -> int:
    """Do some work in a child, which says with its status whether that went well."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.environ |= environment
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def together(count: int, work: Callable[[int], object], **environment: str) -> list[int]:
    """Start so many processes that know of one another, and return their ids."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [
        forked(lambda: work(rank), RANK=str(rank), **known, **environment)  # noqa: B023
        for rank in range(count)
    ]


def statuses(children: list[int]) -> list[int]:
    """Wait until all have ended, and return with what; minus the signal that ended one."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def ended(*children: int) -> None:
    """Wait until all have ended well."""
    found = statuses(list(children))
    if any(found):
        raise SystemExit(f"Processes ended with {found}.")
