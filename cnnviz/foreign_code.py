"""Code of others that runs inside ours: a network's forward, a factory, a target, a transform.

What it raises is its own fault and is told as that, whatever it is: a `KeyError`, an exception
whose text fails, `sys.exit`. What our code raises while theirs calls it, such as a hook, is not,
and neither is Ctrl-C.
"""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from cnnviz.default_device import made_as_the_caller_has_set
from cnnviz.errors import CnnvizError

RAISED = (Exception, SystemExit)
"""What code of others may raise that is its own fault."""
_LONGEST = 300
"""Letters of another's text that are told."""
_WORD = re.compile(r"[^\W\d_]{2}")
_HERE = Path(__file__).parent.name
MODULE = "cnnviz_file_"
"""How the names of the modules begin that users' files become."""
OURS = (_HERE, f"{_HERE}_cli", f"{_HERE}_gallery")
"""The packages of this distribution."""
_INSTALLED = tuple(
    str(Path(place))
    for place in {
        sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)


class Foreign:
    """Tell what the code of others raises within the context as an error of our own.

    A class, and no generator: of a generator's context Python turns a `StopIteration` into another
    error.

    Parameters
    ----------
    explain : callable
        ``explain(what)`` returns the error, of what was raised as `told` has it.
    besides : tuple of types
        What is let through, for the caller has more to say about it.
    """

    def __init__(
        self, explain: Callable[[str], CnnvizError], besides: tuple[type[BaseException], ...] = ()
    ) -> None:
        self._explain, self._besides = explain, besides

    def __enter__(self) -> Foreign:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, self._besides):
            return
        if is_theirs(error, trace):
            raise self._explain(told(error)) from error


def called(explain: Callable[[str], CnnvizError], function: Callable[..., Any], *given: Any) -> Any:
    """Call a function of others, see `Foreign`."""
    with Foreign(explain), made_as_the_caller_has_set():
        return function(*given)


def is_theirs(error: BaseException, trace: TracebackType | None) -> bool:
    """Whether what came out of a call of foreign code was raised by it, and not by ours inside it.

    Parameters
    ----------
    error : BaseException
        What came out.
    trace : traceback
        Its traceback, from the call on.
    """
    if isinstance(error, (CnnvizError, BrokenPipeError)):
        # Of a pipe that nobody reads any more the command line knows what to say.
        return False
    if not isinstance(error, RAISED):
        return False  # Ctrl-C, and what others stop their tasks with
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    # Who called into the installed packages, such as torch, in which it came up; or raised it.
    last = next((frame for frame in reversed(frames) if not _is_installed(frame)), None)
    return last is None or last is frames[0] or not is_ours(last)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is of this distribution."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in OURS


def _is_installed(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not is_ours(frame) and file.startswith(("<frozen ", *_INSTALLED))


def told(error: BaseException) -> str:
    """Return what was raised, and where in somebody's file, as ``KeyError: 'a' (net.py, line 3)``.

    The text of an exception is code of others as well, and may fail.
    """
    return kind_and_text(error) + _place(error)


def kind_and_text(error: BaseException) -> str:
    """Return what was raised, as ``KeyError: 'a'``."""
    text, name = text_of(error), type(error).__name__
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{name}: {text}" if text else name


def text_of(error: BaseException) -> str:
    """Return the text of an exception on one line, without a full stop; nothing where it fails."""
    try:
        return " ".join(str(error).split()).rstrip(".")
    except Exception:
        return ""


def first_line(error: BaseException) -> str:
    r"""Return the first line of the text of an exception; with its kind where that has no word.

    >>> first_line(ValueError("The size is odd.\nSee there.")), first_line(KeyError(101))
    ('The size is odd', 'KeyError: 101')
    """
    lines = str(error).strip().splitlines() if text_of(error) else []
    if lines and _WORD.search(lines[0]):
        return lines[0].strip().rstrip(".:")
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def named_file(error: BaseException) -> str | None:
    """Return the file of a user, as ``--model FILE.py:NAME`` names one, that an error came up in.

    None where something of ours is further in.
    """
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        if is_ours(frame):
            return None
        if str(frame.f_globals.get("__name__", "")).startswith(MODULE):
            return Path(frame.f_code.co_filename).name
    return None


def _place(error: BaseException) -> str:
    """Return the innermost line that is neither ours nor of an installed package."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if not (is_ours(frame) or _is_installed(frame) or file.startswith("<")):
            return f" ({Path(file).name}, line {line})"
    return ""
