"""The warnings of Pillow, heard by whoever decodes, in one thread or in several.

`warnings.catch_warnings` changes the filters of the whole process. Threads that enter and leave it
in turns leave them changed for good; so threads share one, which is entered before they start and
left after they have ended.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Heard = list[tuple[type[Warning], str]]
"""The kind and the text of each warning."""


class _Ear(threading.local):
    heard: Heard | None = None


_EAR = _Ear()


@contextmanager
def catch_pillow_warnings() -> Iterator[Heard]:
    """Collect the warnings given while the body runs, in this thread.

    In a thread started inside `catch_in_threads` nothing of the process is changed.
    """
    if _EAR.heard is not None:
        _EAR.heard = []
        yield _EAR.heard
        return
    found: Heard = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield found
        finally:
            found += [(warning.category, str(warning.message)) for warning in caught]


def catch_in_this_thread() -> None:
    """Let `catch_pillow_warnings` rely, in this thread, on the surrounding `catch_in_threads`."""
    _EAR.heard = []


@contextmanager
def catch_in_threads() -> Iterator[None]:
    """Hand Pillow's warnings to the threads that they come from, until all of them have ended."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=r"PIL(\.|$)")
        shown = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if _EAR.heard is None:
                shown(message, category, *place, **more)
            else:
                _EAR.heard.append((category, str(message)))

        warnings.showwarning = show
        yield
