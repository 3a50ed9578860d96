"""Options that take no value, and whose help therefore names none."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class PlainFlags:
    """What a command or a group is made of whose flags stand in its help without a type.

    Some versions of typer write ``<bool>`` beside them, also beside ``--help``, as if a value
    had to be given.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments, with ``--help``."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for option in found:
            if getattr(option, "is_flag", False):
                option.metavar = ""
        return found


class PlainCommand(PlainFlags, TyperCommand):
    """A command with such flags."""
