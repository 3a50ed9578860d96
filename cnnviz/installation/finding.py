"""What was looked at, how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    group : str
        What it belongs to: packages, devices, folders or settings.
    subject : str
        What was looked at.
    state : str
        ``"ok"``; ``"note"`` where it may surprise or cost time; ``"broken"`` where something of
        cnnviz does not work.
    found : str
        How it is.
    remedy : str
        What to do about it; nothing where all is well.
    """

    group: str
    subject: str
    state: State
    found: str
    remedy: str = ""
