"""What the help of commands says of modules that import torch, kept so that none is imported.

`docs/kept_help.py` writes it from these modules, and a test holds every word of it to them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

FILE = Path(__file__).with_suffix(".json")
T = TypeVar("T")


def kept(command: str, home: str, kind: type[T], find: Callable[[], T]) -> T:
    """Return what a command says of a module, without importing it where that is kept.

    Where the module is imported already, which costs nothing to ask, it speaks for itself.

    Parameters
    ----------
    command : str
        The command's name.
    home : str
        The module that it speaks of.
    kind : type
        The type of what it says.
    find : callable
        Imports the module, and returns what there is to say.
    """
    data = None if home in sys.modules else _everything().get(command)
    return find() if data is None else msgspec.json.decode(data, type=kind)


@cache
def _everything() -> dict[str, msgspec.Raw]:
    # Bytes of which each command decodes its own.
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, msgspec.Raw])


def written(everything: dict[str, Any]) -> str:
    """Return the file of what all commands say, for people to read as well."""
    return msgspec.json.format(msgspec.json.encode(everything), indent=1).decode() + "\n"
