"""What broke in a part of a report, while the rest of it was made."""

from __future__ import annotations

import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """A part that is missing because of a fault, not because of what was asked.

    Attributes
    ----------
    part : str
        What is missing.
    error : str
        What went wrong: the kind of the exception and its message.
    trace : str
        The traceback, for whoever mends it.
    """

    part: str
    error: str
    trace: str

    @classmethod
    def of(cls, part: str, error: Exception) -> Failure:
        """Return what an exception means for a part."""
        said = f"{type(error).__name__}: {error}".strip(": ")
        return cls(part, said, "".join(traceback.format_exception(error)))

    def __str__(self) -> str:
        return f"{self.part} is missing, by a fault in cnnviz ({self.error}). Please report it."
