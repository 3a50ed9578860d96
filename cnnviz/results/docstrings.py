"""Docstrings that list what a table holds, so that help and pages follow the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


def fill_docstring(**lists: str) -> Callable[[Function], Function]:
    """Write a list where the docstring of a function says its name in braces.

    Parameters
    ----------
    lists : str
        What stands for each name.
    """

    def fill(function: Function) -> Function:
        text = function.__doc__
        # Without docstrings (python -OO) there is none to fill.
        if text is not None:
            for name, listed in lists.items():
                text = text.replace(f"{{{name}}}", listed)
            function.__doc__ = text
        return function

    return fill
