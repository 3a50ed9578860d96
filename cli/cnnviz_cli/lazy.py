"""Commands whose options are known only after an import that would make `--help` slow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand

Build = Callable[[], Callable[..., Any]]


def add_lazy_command(
    app: typer.Typer, name: str, build: Build, *, summary: str, panel: str
) -> None:
    """Add a command that is listed with `summary` and built when it is first used."""

    class LazyCommand(TyperCommand):
        def make_context(self, *args: Any, **extra: Any) -> Any:
            return built(name, build()).make_context(*args, **extra)

    def placeholder() -> None:
        """Stand in the list of commands."""

    app.command(name, help=summary, rich_help_panel=panel, cls=LazyCommand)(placeholder)


def built(name: str, function: Callable[..., Any]) -> Any:
    """Return a command with the options and the help text that a function has."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(name)(function)
    command = typer.main.get_command(app)
    command.name = name
    return command


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
