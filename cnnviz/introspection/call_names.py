"""What one call of a layer is written as: in every table, picture, option and file the same."""

from __future__ import annotations


def call_name(name: str, index: int, times: int) -> str:
    """Return what a call is shown as and asked for by.

    Parameters
    ----------
    name : str
        The layer.
    index : int
        Which of its calls it is, from 0.
    times : int
        How many calls of it there are in one forward pass.

    Returns
    -------
    str
        The plain name of the only call, such as ``conv1``; ``relu#1`` for the second of several.
    """
    return name if times == 1 else f"{name}#{index}"
