"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path with a leading ``~/`` replaced by the home folder.

    Only that form: ``~draft.jpg`` is a file, and pathlib would look for a user of that name.
    """
    text = os.fspath(path)
    return Path(text).expanduser() if text.startswith("~/") else Path(text)
