"""What is said of an option that a command lacks and that another has for a reason."""

from __future__ import annotations

from typing import Any

from cnnviz.errors import UsageError
from cnnviz_cli.flags import PlainCommand

_FOR_PAPERS = ("--figure-size", "--figure-width", "--dpi", "--font", "--font-size", "--no-title")


def refuse_with_reason(error: Exception, command: str) -> None:
    """Raise a `UsageError` where an option is missing from a command on purpose.

    Parameters
    ----------
    error : Exception
        What was wrong with the arguments, as the parser of options has it.
    command : str
        The name of the command.
    """
    option = getattr(error, "option_name", None)
    if option in _FOR_PAPERS:
        raise UsageError(
            f"cnnviz {command} has no {option}: its pictures, where it has any, are as large as "
            "its pages show them.",
            "A figure for a paper is that of one view, such as cnnviz cam, of evaluate, or "
            "--figure of evaluate-classifier and errors.",
        )


class ReasonedCommand(PlainCommand):
    """A command with all its options from the start, which says why it lacks one."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Read the arguments."""
        try:
            return super().make_context(info_name, args, *rest, **extra)
        except Exception as error:
            refuse_with_reason(error, self.name or "")
            raise
