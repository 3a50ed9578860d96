"""Names of images and layers as file names hold them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

LONGEST_SLUG = 60
# Names that Windows gives to devices, whatever their suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def slug(text: str, otherwise: str = "image") -> str:
    """Return `text` as a file name that every file system and every address bar takes.

    Letters lose their accents; whatever is not a letter, digit, dot, dash or underscore becomes a
    dash. The result is never empty, hidden, a device's name, or longer than 60 characters.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    dashed = re.sub(r"[^A-Za-z0-9._-]+", "-", plain)
    name = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", dashed)).strip("-._")[:LONGEST_SLUG]
    name = name.rstrip("-._")
    if _DEVICES.fullmatch(name):
        name = f"{otherwise}-{name}"
    return name or otherwise


def stem(name: str) -> str:
    """Return a file name without its folder and suffix, to be used as the name of a picture."""
    return slug(PurePath(name).stem)


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names with numbers added until no two are the same in any letter case."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidate, number = name, 1
        while candidate.lower() in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.lower())
        found.append(candidate)
    return found
