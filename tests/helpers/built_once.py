"""Commands made from their parameters once, for tests that run hundreds of them in one process.

A process of `cnnviz` makes the list of commands and the parser of one of them. Tests that call it
in their own process made both for each call, which took most of the time that a refusal takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import update_wrapper
from typing import Any, get_args
from unittest.mock import patch

import typer

from cnnviz_cli import lazy


@contextmanager
def built_once() -> Iterator[None]:
    """Keep the list of commands, and a command as long as its name and parameters are the same.

    What a command is to do is asked anew for each call, as ever.
    """
    with (
        patch.object(typer.main, "get_group", _kept_groups()),
        patch.object(lazy, "built", _kept_commands()),
    ):
        yield


def _kept_groups() -> Callable[[typer.Typer], Any]:
    make, made = typer.main.get_group, {}

    def once(app: typer.Typer) -> Any:
        # Kept with what it was made from, so that no other comes to have its number.
        listed = [app, *app.registered_commands]
        key = tuple(map(id, listed))
        if key not in made:
            made[key] = (make(app), listed)
        group = copy(made[key][0])
        # Views of other packages join these, and the options of completion come in at each call.
        group.commands = dict(group.commands)
        group.params = list(group.params)
        return group

    return once


def _kept_commands() -> Callable[[str, Callable[..., Any]], Any]:
    make, made = lazy.built, {}

    def once(name: str, function: Callable[..., Any]) -> Any:
        read = inspect.signature(function, eval_str=True).parameters.values()
        key = (name, function.__doc__, *map(_told, read))
        if key not in made:
            called = _Latest(function)
            command = make(name, called)
            made[key] = (called, command, [getattr(one, "help", None) for one in command.params])
        called, command, texts = made[key]
        called.function = function
        for one, text in zip(command.params, texts, strict=True):
            # `--layer` says there that `--layers` is the same.
            if text is not None:
                one.help = text
        return command

    return once


class _Latest:
    """Calls the function that a command was asked for with last."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        update_wrapper(self, function)

    def __call__(self, **values: Any) -> Any:
        return self.function(**values)


def _told(parameter: inspect.Parameter) -> tuple[Any, ...]:
    """Return all that an option or argument is made of."""
    kind, *extras = get_args(parameter.annotation) or (parameter.annotation,)
    said = [repr(vars(one)) if hasattr(one, "__dict__") else repr(one) for one in extras]
    return parameter.name, repr(parameter.default), repr(kind), *said
