"""A process that has imported torch and forks whatever it is asked for; a program of its own.

    python -m tests.helpers.fork_server DESCRIPTOR

The descriptor is a socket that listens, to which every worker of the suite connects; once all
have left, the program ends. Each request of a worker is one line of JSON, sent with the three
standard streams of the process that is wanted; the answers are its process id and, when it has
ended, how.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import json
import os
import runpy
import signal
import socket
import sys
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, NoReturn

# What nearly every command imports.
LOADED = (
    "torch",
    "torchvision.models",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "typer.rich_utils",
    "cnnviz.datasets.opening",
    "cnnviz.datasets.shapes",
    "cnnviz.models.loading",
    "cnnviz.models.shipped",
    "cnnviz.passes.captures",
    "cnnviz.reports.build",
    "cnnviz_cli.app",
    "cnnviz_gallery.scan.scan",
    "cnnviz_gallery.site.build",
)


def load() -> None:
    """Import what commands import, and what they and torch import when they run and end."""
    for name in LOADED:
        importlib.import_module(name)
    from typer.main import get_command

    from cnnviz_cli.app import app

    with redirect_stdout(StringIO()):
        get_command(app).main(["losses", "--help"], prog_name="cnnviz", standalone_mode=False)
    if importlib.util.find_spec("tabulate"):
        importlib.import_module("tabulate")


def listen(listener: socket.socket) -> socket.socket:
    """Fork once for each worker that connects, and return its socket there; end after the last."""
    # What it waits for is a worker, or that one has left.
    listener.settimeout(0.5)
    served: set[int] = set()
    while True:
        try:
            channel, _ = listener.accept()
        except TimeoutError:
            served -= {child for child in served if os.waitpid(child, os.WNOHANG)[0]}
            if not served:
                vanish()
            continue
        child = os.fork()
        if child == 0:
            listener.close()
            channel.settimeout(None)
            return channel
        channel.close()
        served.add(child)


def vanish() -> NoReturn:
    """End with nothing told: where lines are counted, these would come after all were added up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork once for each request; return it in the child, and None at the end in the parent."""
    while True:
        line, streams, _, _ = socket.recv_fds(channel, 1 << 20, 3)
        if not line:
            return None
        while not line.endswith(b"\n"):
            line += channel.recv(1 << 20)
        child = os.fork()
        if child == 0:
            channel.close()
            for place, stream in enumerate(streams):
                os.dup2(stream, place)
                os.close(stream)
            request: dict[str, Any] = json.loads(line)
            return request
        for stream in streams:
            os.close(stream)
        channel.sendall(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def become(request: dict[str, Any]) -> NoReturn:
    """Run a module or code as python would, in the folder and the environment asked for."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = list(dict.fromkeys([request["folder"], *filter(None, named), *sys.path[1:]]))
    importlib.invalidate_caches()
    sys.argv[1:] = request["arguments"]
    code: object = 0
    try:
        if request["code"]:
            exec(request["code"], {"__name__": "__main__"})
        else:
            runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finish(code if isinstance(code, int) else 1)


def finish(code: int) -> NoReturn:
    """End as the interpreter does, but for the taking apart of torch, which takes a second."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        sys.excepthook(*sys.exc_info())
        code = 120
    os._exit(code)


if __name__ == "__main__":
    gc.disable()  # All of it stays.
    load()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)  # as in the suite itself: tests/conftest.py
    gc.enable()
    with listen(socket.socket(fileno=int(sys.argv[1]))) as asked:
        wanted = serve(asked)
    if wanted is None:
        vanish()
    become(wanted)
