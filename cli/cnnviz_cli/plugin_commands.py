"""The commands of views that other packages bring, looked for when a command is not one of ours."""

from __future__ import annotations

import traceback
from functools import partial
from types import ModuleType, TracebackType
from typing import Any

from rich.markup import escape
from typer.core import TyperGroup

from cnnviz.views import plugins
from cnnviz_cli import view_command
from cnnviz_cli.flags import PlainFlags
from cnnviz_cli.lazy import lazy_command
from cnnviz_cli.terminal import one_line, say

PANEL = "From other packages"


class Unexpected(Exception):  # noqa: N818
    """Carries an error past the parser of commands, which would call it "Aborted."."""


class Commands(PlainFlags, TyperGroup):
    """Our commands, and those of other packages once they are listed or one of them is called.

    So a command of ours does not wait until the installed packages are searched, and a package
    that is broken is heard of only where its view could have been meant.
    """

    _joined = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help page."""
        self._join()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, or None."""
        if cmd_name not in self.commands:
            self._join()
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; nothing here reads what somebody types, which is where one may end."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise Unexpected from error

    def _join(self) -> None:
        if self._joined:
            return
        self._joined = True
        found = plugins.installed()
        for refusal in found.refused:
            say(one_line(str(refusal.error())))
        for plugin in found.found:
            self.add_command(_command(plugin))


def _command(plugin: plugins.Plugin) -> Any:
    view = plugin.view
    return lazy_command(
        view.command,
        partial(view_command.build, view),
        summary=escape(f"{view.summary} ({plugin.distribution})"),
        panel=PANEL,
    )


def at_fault(error: BaseException) -> str:
    """Return the package that an error comes from: one that brings views, or else cnnviz."""
    packages = {
        name.partition(".")[0]: plugin.distribution
        for plugin in plugins.installed().found
        for name in (plugin.view.module, plugin.view.section)
        if name
    }
    for name in (*_modules(error.__traceback__), _lacking(error)):
        owner = packages.get(name.partition(".")[0])
        if owner is not None:
            return owner
    return "cnnviz"


def _lacking(error: BaseException) -> str:
    """Return the module that is missing, or lacks what was looked for in it; else nothing."""
    if isinstance(error, ImportError):
        return error.name or ""
    holder = error.obj if isinstance(error, AttributeError) else None
    return holder.__name__ if isinstance(holder, ModuleType) else ""


def _modules(trace: TracebackType | None) -> list[str]:
    return [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(trace)]
