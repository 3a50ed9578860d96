"""A checkpoint that runs code where pickles are trusted."""

from __future__ import annotations

import os
from typing import Any


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)
