"""Keeping stdout for results, whatever the code of a user's network writes to it."""

import os
import sys
from io import TextIOWrapper


def keep_stdout() -> None:
    """Let Python print results where stdout goes, and send file descriptor 1 to stderr.

    Redirecting `sys.stdout` catches what Python prints, but not what a library in C, a program that
    a network starts or `os.write` puts out by the descriptor: a line of it spoils JSON. It is done
    once and before there are threads, which all share descriptors.
    """
    stream = sys.stdout
    try:
        if not isinstance(stream, TextIOWrapper) or stream.fileno() != 1:
            return
        stream.flush()
        result = _another(1)
    except (OSError, ValueError):  # closed, or a stream without a descriptor
        return
    _send_to_stderr(1)
    # The three standard ones are not closed by Python either, and the last word comes late.
    sys.stdout = TextIOWrapper(
        os.fdopen(result, "wb", buffering=0 if stream.write_through else -1, closefd=False),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,  # python -u
    )


def _another(descriptor: int) -> int:
    """Return another descriptor of the same file that is none of the three standard ones."""
    found = os.dup(descriptor)
    if found > 2:
        return found
    try:
        return _another(descriptor)
    finally:
        os.close(found)


def _send_to_stderr(descriptor: int) -> None:
    try:
        os.dup2(2, descriptor)
    except OSError:  # stderr is closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
