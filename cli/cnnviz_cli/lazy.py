"""Commands whose options are known only after an import that would make `--help` slow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from typer.core import TyperCommand
from typer.models import ArgumentInfo, ParameterInfo

from cnnviz.bounds import bounds_of
from cnnviz.errors import UsageError, without_long_words
from cnnviz_cli.flags import PlainCommand
from cnnviz_cli.unknown_options import refuse_with_reason

Build = Callable[[], Callable[..., Any]]
MAY_BE_EMPTY = "may be empty"
"""Stands in the annotation of an option whose empty text means something: none of them."""


class LazyCommand(TyperCommand):
    """A command that is built when it is first used."""

    build: Build

    def whole(self) -> Any:
        """Return the command that this one stands for, with all its options and their help."""
        command = built(self.name or "", self.build())
        _other_flags(command)
        return command

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Build the command and let it read its arguments."""
        command = built(self.name or "", self.build())
        read = _with_flags(args, _other_flags(command))
        try:
            return command.make_context(info_name, read, *rest, **extra)
        except Exception as error:
            refuse_with_reason(error, self.name or "")
            # What is wrong with the arguments quotes them whole, however long they are.
            told = getattr(error, "message", None)
            if isinstance(told, str):
                error.message = without_long_words(told)  # type: ignore[attr-defined]
            raise


def add_lazy_command(
    app: typer.Typer, name: str, build: Build, *, summary: str, panel: str
) -> None:
    """Add a command that is listed with `summary` and built when it is first used."""
    kind = type("LazyCommand", (LazyCommand,), {"build": staticmethod(build)})

    def placeholder() -> None:
        """Stand in the list of commands."""

    app.command(name, help=summary, rich_help_panel=panel, cls=kind)(placeholder)


def lazy_command(name: str, build: Build, *, summary: str, panel: str) -> LazyCommand:
    """Return such a command by itself."""
    command = LazyCommand(name, help=summary, rich_help_panel=panel)
    command.build = build
    return command


def built(name: str, function: Callable[..., Any]) -> Any:
    """Return a command with the options and the help text that a function has."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(name, cls=PlainCommand)(function)
    command = typer.main.get_command(app)
    command.name = name
    return command


def _other_flags(command: Any) -> dict[str, str]:
    """Return ``--layers`` for ``--layer`` or the other way round, as the help of it then says."""
    known = {flag: option for option in command.params for flag in option.opts}
    found = {}
    for one, other in (("--layer", "--layers"), ("--layers", "--layer")):
        option = known.get(one)
        # Where it is a number, it says how many there are.
        if option is not None and other not in known and not isinstance(option.default, int):
            option.help = f"{option.help} {other} is the same."
            found[other] = one
    return found


def _with_flags(arguments: Sequence[str], flags: dict[str, str]) -> list[str]:
    """Return arguments with flags replaced by those that a command has, up to ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = []
    for argument in arguments[:end]:
        flag, sign, value = argument.partition("=")
        found.append(f"{flags.get(flag, flag)}{sign}{value}")
    return [*found, *arguments[end:]]


def with_signature(
    run: Callable[[dict[str, Any]], None], parameters: Sequence[inspect.Parameter], help_text: str
) -> Callable[..., Any]:
    """Return a function of these parameters that hands their values to `run`."""

    def command(**values: Any) -> None:
        for parameter in parameters:
            check_value(parameter, values[parameter.name])
        run(values)

    # A line break inside a paragraph would show on the help page.
    command.__doc__ = "\n\n".join(" ".join(part.split()) for part in help_text.split("\n\n"))
    read = [one.replace(annotation=_as_typer_reads(one.annotation)) for one in parameters]
    command.__signature__ = inspect.Signature(read)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in read}
    return command


def _as_typer_reads(annotation: Any) -> Any:
    """Return an annotation with its bounds outermost; typer takes inner ones for a type's name."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *extras = get_args(annotation)
    if get_origin(kind) in (Union, UnionType):
        plain = [
            get_args(one)[0] if get_origin(one) is Annotated else one for one in get_args(kind)
        ]
        kind = reduce(or_, plain)
        said = bounds_of(annotation)
        extras += [] if said is None else [said[0]]
    return Annotated[(kind, *extras)]


def check_value(parameter: inspect.Parameter, value: Any) -> None:
    """Raise a `UsageError` where a value is empty, or is a number outside its parameter's bounds.

    Of a parameter that is a number in some cases only, what reads it looks at the bounds.
    """
    flag = _flag(parameter)
    may_be_empty = MAY_BE_EMPTY in get_args(parameter.annotation) or value == parameter.default
    for text in value if isinstance(value, list | tuple) else (value,):
        if isinstance(text, str) and not (text.strip(" ,") or may_be_empty):
            raise UsageError(f"{flag} is empty.", "Give it a value, or leave it out.")
    said = bounds_of(parameter.annotation)
    if said is not None:
        bounds, whole = said
        bounds.check(flag, value, whole=whole)


def _flag(parameter: inspect.Parameter) -> str:
    """Return an option as it is written; an argument's name."""
    extras = [one for one in get_args(parameter.annotation)[1:] if isinstance(one, ParameterInfo)]
    # Within an annotation the first name stands where a default would.
    told = [
        name
        for one in extras
        for name in (one.default, *(one.param_decls or ()))
        if isinstance(name, str)
    ]
    if told:
        return next((name for name in told if name.startswith("--")), told[0]).partition("/")[0]
    if extras and isinstance(extras[0], ArgumentInfo):
        return str(extras[0].metavar or parameter.name)
    return "--" + parameter.name.replace("_", "-")


def shared(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Return a parameter for an option that several commands share."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
