"""What stands in a page of Markdown between fences: code, commands and files, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block: its language, the file it is to be written to or the package it needs, its text.

    A page says ``python net.py`` of a file, and ``python needs=wandb`` of a block that runs where
    a package is installed.
    """

    language: str
    file: str
    needs: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines of a block of commands, those that go on joined, without comments."""
        joined = self.text.replace("\\\n", " ").splitlines()
        return [line for line in joined if line.strip() and not line.startswith("#")]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    for language, info, text in _BLOCK.findall(page.read_text("utf-8")):
        needs = info.removeprefix("needs=") if info.startswith("needs=") else ""
        yield Block(language, "" if needs else info, needs, text)
