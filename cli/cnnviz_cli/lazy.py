"""Commands whose options are known only after an import that would make `--help` slow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand

Build = Callable[[], Callable[..., Any]]


class LazyCommand(TyperCommand):
    """A command that is built when it is first used."""

    build: Build

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Build the command and let it read its arguments."""
        command = built(self.name or "", self.build())
        read = _with_flags(args, _other_flags(command))
        return command.make_context(info_name, read, *rest, **extra)


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
    app.command(name)(function)
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
        run(values)

    # A line break inside a paragraph would show on the help page.
    command.__doc__ = "\n\n".join(" ".join(part.split()) for part in help_text.split("\n\n"))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def shared(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """Return a parameter for an option that several commands share."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
