"""Whole processes of the command line that need not import torch first.

`python -m cnnviz` takes seconds to import what it computes with, and a suite that starts it fifty
times spends minutes on that alone. Here all workers of the suite share one process that has
imported torch, and a command is a fork of it, with streams, folder, environment, exit code and end
of its own. What the interpreter itself reads when it starts (its flags, PYTHONWARNINGS, streams
that are closed) is that of the parent: a test of those starts an interpreter.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType

import pytest

from tests.helpers.counting import counting

try:
    import fcntl
except ImportError:  # not on Windows, which cannot fork either
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parents[2]

_STARTED: list[subprocess.Popen[bytes]] = []
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")


class Forked:
    """A process that was forked; what it says goes to files, unless stdout is given."""

    def __init__(
        self,
        module: str,
        *words: str,
        code: str = "",
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        self._channel = _server()
        self.returncode: int | None = None
        self._out = tempfile.TemporaryFile()  # noqa: SIM115
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        request = {
            "module": module,
            "code": code,
            "arguments": words,
            "folder": str(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
        }
        with Path(os.devnull).open() as nothing:
            out = self._out.fileno() if stdout is None else stdout
            streams = [nothing.fileno(), out, self._err.fileno()]
            line = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(self._channel, [line], streams)
            self._channel.sendall(line[sent:])
        self.pid = self._number()

    def _number(self) -> int:
        said = b""
        while not said.endswith(b"\n"):
            one = self._channel.recv(1)
            assert one, "the process that forks has ended"
            said += one
        return int(said)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def communicate(self) -> tuple[str, str]:
        """Wait for the end, and return what went to stdout and to stderr."""
        if self.returncode is None:
            self.returncode = self._number()
        said = []
        for stream in (self._out, self._err):
            stream.seek(0)
            said.append(stream.read().decode("utf-8", "replace"))
        return said[0], said[1]

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.returncode is None:
            self.send_signal(signal.SIGKILL)
            self.returncode = self._number()
        self._out.close()
        self._err.close()


def run_module(
    module: str,
    *words: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a module as `python -m` does, and return what it said and how it ended."""
    return _ended(Forked(module, *words, folder=folder, environment=environment))


def run_code(
    code: str,
    *words: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run some code as `python -c` does, and return what it said and how it ended."""
    return _ended(Forked("", *words, code=code, folder=folder, environment=environment))


def _ended(process: Forked) -> subprocess.CompletedProcess[str]:
    with process:
        out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess([], process.returncode, out, err)


@cache
def _server() -> socket.socket:
    """Return a socket to the process that forks: one for all workers of a run of the suite."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}-alone")
    place = Path(tempfile.gettempdir()) / f"cnnviz-forks-{run[:16]}"
    mine = socket.socket(socket.AF_UNIX)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            mine.connect(str(place))
        except OSError:  # nobody has asked yet, or all who had are gone
            place.unlink(missing_ok=True)
            _start(place)
            mine.connect(str(place))
    atexit.register(_leave, mine, place)
    return mine


def _start(place: Path) -> None:
    paths = [str(ROOT), str(ROOT / "cli"), str(ROOT / "gallery")]
    known = [*paths, *filter(None, [os.environ.get("PYTHONPATH")])]
    with socket.socket(socket.AF_UNIX) as its:
        its.bind(str(place))
        # Who connects meanwhile waits until it has imported what it is for.
        its.listen()
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.fork_server", str(its.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(known), **counting()},
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
        )
    # It ends by itself after the last worker has left, which may be another than this.
    _STARTED.append(server)


def _leave(mine: socket.socket, place: Path) -> None:
    mine.close()
    for path in (place, place.with_suffix(".lock")):
        path.unlink(missing_ok=True)
