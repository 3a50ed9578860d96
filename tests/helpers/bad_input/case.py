"""A case of bad input: a command line, and what the error names."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONG = "9" * 5000
NAME = "n" * 5000
NO_TEXT = "\udcff"

_SETTING = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
_BOX = re.compile(r"[─-╿]+")
_BEFORE = re.compile(r"^.*?Error[: ]", re.DOTALL)


@dataclass(frozen=True)
class Case:
    """A line of the table: ``command | what the error names``.

    In the command LONG is a number of 5,000 digits, NAME a name of 5,000 letters, and NO_TEXT a
    byte that is no text; words ``NAME=value`` at its beginning are settings of the environment.

    Attributes
    ----------
    family : str
        Which family it is of.
    command : str
        The command line as it is written, without ``cnnviz``.
    named : str
        What the error names.
    early : bool
        Whether it is refused before a network is loaded.
    """

    family: str
    command: str
    named: str
    early: bool

    def __str__(self) -> str:
        return f"{self.family}: {self.command} | {self.named}"

    @property
    def settings(self) -> dict[str, str]:
        """What is set in the environment."""
        return self._parted()[0]

    @property
    def words(self) -> list[str]:
        """The arguments."""
        return self._parted()[1]

    @property
    def in_markdown(self) -> str:
        """The command line in a table of Markdown."""
        settings = " ".join(f"{name}={value}" for name, value in self.settings.items())
        command = self.command.removeprefix(settings).lstrip()
        whole = f"{settings} cnnviz {command}" if settings else f"cnnviz {command}"
        return f"`{whole}`".replace("|", "\\|")

    def _parted(self) -> tuple[dict[str, str], list[str]]:
        words = [_filled(word) for word in shlex.split(self.command)]
        settings = {}
        while words and (found := _SETTING.fullmatch(words[0])):
            settings[found[1]] = found[2]
            del words[0]
        return settings, words


def _filled(word: str) -> str:
    return word.replace("LONG", LONG).replace("NAME", NAME).replace("NO_TEXT", NO_TEXT)


def read(family: str, held: Mapping[str, Any]) -> Iterator[Case]:
    """Go through the lines of a family: those of EARLY, then those of CASES."""
    for name in ("EARLY", "CASES"):
        for line in held.get(name, "").strip().splitlines():
            command, bar, named = line.rpartition(" | ")
            if not bar or not named.strip():
                raise ValueError(f"{family}: {line!r} does not say what the error names")
            yield Case(family, command, named, early=name == "EARLY")


def made(family: Mapping[str, Any], folder: Path) -> Path:
    """Write the files that the cases of a family name into a folder."""
    make: Callable[[Path], None] | None = family.get("make")
    folder.mkdir(parents=True, exist_ok=True)
    if make is not None:
        make(folder)
    return folder


def sentence(err: str) -> str:
    """Return an error as it is told, on one line: what is wrong and what to do about it."""
    told = _BEFORE.sub("", err, count=1)
    return " ".join(_BOX.sub(" ", told).split())


def written_in(folder: Path) -> dict[str, int]:
    """Return everything below a folder, with its size: what a refused command leaves as it is."""
    return {
        str(Path(home, name).relative_to(folder)): os.lstat(Path(home, name)).st_size
        for home, folders, names in os.walk(folder)
        for name in (*folders, *names)
    }
