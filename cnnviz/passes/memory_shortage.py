"""Where a batch takes more memory than there is, half as many images go through at once.

How many fit is reckoned from what the layers give (`cnnviz.passes.batch_size`). What a layer takes
besides is not known, nor what other programs take in the meantime; so it may be too many.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from cnnviz.errors import lacks_memory
from cnnviz.passes.batch_size import AtMost

Taken = ParamSpec("Taken")
Given = TypeVar("Given")


def in_smaller_batches(run: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """Let a function begin anew with half as many images at once wherever memory is short.

    For a function of which nothing is left when it fails, and whose passes are as large as
    `cnnviz.passes.batch_size` says. It gives the same to within rounding, whatever goes through at
    once. With one image at a time the shortage is the caller's.
    """

    @functools.wraps(run)
    def wrapper(*args: Taken.args, **kwargs: Taken.kwargs) -> Given:
        most: int | None = None
        while True:
            with AtMost(most) as rows:
                try:
                    return run(*args, **kwargs)
                except Exception as error:
                    if rows.largest <= 1 or not is_short(error):
                        raise
            # Not in the handler, where the error holds all that the pass has made.
            most = rows.largest // 2
            release()

    return wrapper


def release() -> None:
    """Give back what torch keeps of a GPU's memory for later."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


def is_short(error: BaseException | None) -> bool:
    """Whether an error, or what has caused it, says that there is too little memory."""
    while error is not None:
        if lacks_memory(error):
            return True
        error = error.__cause__
    return False
