"""Figures that are built and not drawn, for tests that look neither at pixels nor at files.

What a command or a page asks for is computed, and its figure built with all that is to be seen in
it. Laying that out and drawing it takes longer than both, and is the same whoever asks: the laws
of `cnnviz.testing` draw a picture of every view, and save it in every format.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure


@contextmanager
def undrawn() -> Iterator[None]:
    """Write an empty picture wherever a figure is to be saved, within the context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _save_an_empty_one)
        yield


_SAVE = Figure.savefig


def _save_an_empty_one(figure: Figure, target: Any, **options: Any) -> None:
    assert figure.axes, "an empty figure is saved"
    suffix = str(options.get("format") or Path(target).suffix.removeprefix("."))
    empty = _empty(suffix)
    if hasattr(target, "write"):
        target.write(empty)
    else:
        Path(target).write_bytes(empty)


@cache
def _empty(suffix: str) -> bytes:
    stream = io.BytesIO()
    _SAVE(Figure(figsize=(1, 1)), stream, format=suffix)
    return stream.getvalue()
