"""The reference of the command line: a page for each command, made from its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from api import IN_SIDEBAR
from rich.text import Text
from typer.main import get_command

from cnnviz_cli.app import EXIT_CODES, app
from cnnviz_cli.lazy import LazyCommand

_KINDS = {"int": "integer", "float": "number", "str": "text", "Path": "path"}


def commands() -> dict[str, Any]:
    """Return every command of ours with its options, in the order of the help page."""
    listed = get_command(app).commands
    return {
        name: command.whole() if isinstance(command, LazyCommand) else command
        for name, command in listed.items()
    }


def write(target: Path) -> None:
    """Write the pages of all commands into a folder."""
    target.mkdir()
    listed = get_command(app).commands
    index = [_headed("The command line", "="), "Every command with its options.\n", IN_SIDEBAR]
    panels: dict[str, list[str]] = {}
    for name, command in listed.items():
        panels.setdefault(command.rich_help_panel or "Commands", []).append(name)
    for panel, names in panels.items():
        index.append(_headed(panel, "-"))
        index += [
            f":doc:`cnnviz {name} <{name}>`\n    {rst(_first(listed[name]))}\n" for name in names
        ]
    index += [_headed("Exit codes", "-"), rst(EXIT_CODES).removeprefix("Exit codes: ")]
    (target / "index.rst").write_text("\n".join(index), "utf-8")
    for name, command in commands().items():
        (target / f"{name}.rst").write_text("\n".join(page(name, command)), "utf-8")


def page(name: str, command: Any) -> Iterator[str]:
    """Yield the lines of the page of one command: what it does, its arguments, its options."""
    # Not in the sidebar, which would be drawn with every command on every page.
    yield ":doc:`The command line <index>`\n"
    yield _headed(f"cnnviz {name}", "=")
    yield rst(command.help)
    yield f"\n.. code-block:: text\n\n    {usage(name, command)}\n"
    yield f".. program:: cnnviz {name}\n"
    panels: dict[str, list[Any]] = {}
    for param in command.params:
        if not getattr(param, "hidden", False) and param.name != "help":
            kind = "Arguments" if param.param_type_name == "argument" else "Options"
            panels.setdefault(getattr(param, "rich_help_panel", None) or kind, []).append(param)
    for panel, params in panels.items():
        yield _headed(panel, "-")
        for param in params:
            yield from option(param)


def usage(name: str, command: Any) -> str:
    """Return how a command is called, in one line."""
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    return " ".join(["cnnviz", name, "[OPTIONS]", *map(_argument, arguments)])


def option(param: Any) -> Iterator[str]:
    """Yield the description of an option or an argument, with its default where it has one."""
    if param.param_type_name == "argument":
        yield f".. describe:: {_argument(param)}\n"
    else:
        flags = [*sorted(param.opts, key=len), *param.secondary_opts]
        value = value_of(param)
        yield f".. option:: {', '.join(f'{flag} {value}'.strip() for flag in flags)}\n"
    yield f"    {rst(param.help or '')}"
    default = param.default
    if not callable(default) and default not in (None, False, True, "", (), []):
        several = isinstance(default, list | tuple)
        shown = ", ".join(map(str, default)) if several else str(getattr(default, "value", default))
        yield f"\n    Without it: ``{shown}``."
    if param.required and param.param_type_name != "argument":
        yield "\n    It must be given."
    yield ""


def value_of(param: Any) -> str:
    """Return what stands for the value of an option; nothing for a flag."""
    if getattr(param, "is_flag", False):
        return ""
    if param.metavar:
        return f"<{param.metavar}>"
    # Newer versions of typer keep the annotation; older ones made a type of click's of it.
    described = getattr(param, "type_descriptor", None)
    if described is None:
        choices = getattr(param.type, "choices", None)
        name = param.type.name
    else:
        choices = get_args(described.annotation) if _is_choice(described.annotation) else None
        name = getattr(described.annotation, "__name__", str(described.annotation))
    kind = "|".join(map(str, choices)) if choices else _KINDS.get(name, name.upper())
    return f"<{kind}>"


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


def rst(text: str) -> str:
    """Return a text of the help page, with its marks of rich and its backticks, as reST."""
    plain = Text.from_markup(text).plain
    parts = re.split(r"(`+)([^`]+)\1", plain)
    words = [re.sub(r"([\\*_|])", r"\\\1", part) for part in parts[::3]]
    codes = [f"``{part}``" for part in parts[2::3]]
    return "".join(word + code for word, code in zip(words, [*codes, ""], strict=True))


def _first(command: Any) -> str:
    return str(command.help).partition("\n\n")[0]


def _argument(param: Any) -> str:
    name = param.metavar or (param.name or "").upper()
    name = name if param.required else f"[{name.strip('[]')}]"
    return f"{name}..." if param.nargs != 1 and not name.endswith("...") else name


def _headed(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n"
