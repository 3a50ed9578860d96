"""How far a long computation has come, for whoever draws the bar."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called before each step of a long computation, and once at its end."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take note that `done` of `total` steps are behind, and `what` comes next."""


def silent(done: int, total: int, what: str) -> None:
    """Take note of nothing."""
