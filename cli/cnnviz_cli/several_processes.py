"""A command that several processes do together: who says what, and how they end.

The first process alone prints and writes. Where one fails, it says so and by which name; the others
end without a word, with its exit code. Otherwise all end with the code of the first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from cnnviz.errors import OtherProcessError
from cnnviz_cli.terminal import one_line


@contextmanager
def done_together() -> Iterator[bool]:
    """Do a command together with other processes, if there are any.

    Yields whether this process is the one that writes and prints. The others have nothing more to
    do as soon as what they share is found.
    """
    from cnnviz.passes.process_link import several

    if not several():
        yield True
        return
    # Of a line that is cut torch tells pages, which help nobody.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    from cnnviz.passes.process_link import linked
    from cnnviz.passes.processes import told

    link = linked()
    if link is None:
        yield True
        return
    with _stopped_once(), link.scope():
        code = 0
        try:
            yield link.rank == 0
        except typer.Exit as end:
            code = end.exit_code
        except OtherProcessError as error:
            # It was told by the one that failed.
            raise typer.Exit(error.code) from None
        except BaseException as error:
            first = link.fail(*told(error))
            if first.rank != link.rank:
                raise typer.Exit(first.code) from None
            if not isinstance(error, KeyboardInterrupt):
                print(one_line(f"P{first.who[1:]}:"), file=sys.__stderr__, flush=True)
            raise
        code = link.end(code)
    if code:
        raise typer.Exit(code)


@contextmanager
def first_alone_speaks() -> Iterator[None]:
    """Let whatever any other process than the first prints inside go nowhere."""
    from cnnviz.passes.process_link import several

    if not several() or os.environ["RANK"].strip() == "0":
        yield
        return
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


@contextmanager
def _stopped_once() -> Iterator[None]:
    """Heed the first Ctrl-C or SIGTERM, and none that follow while this process ends.

    torchrun sends them on to processes that have them from the terminal already.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.getsignal(each) for each in signals}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        heard: Any = before[signal.Signals(number)]
        if callable(heard):
            heard(number, frame)
        raise KeyboardInterrupt

    for each in signals:
        signal.signal(each, stop)
    yield
    for each in signals:
        signal.signal(each, before[each])
