"""Numbers, names and lists as people write them, and as file names hold them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePath

LONGEST_SLUG = 60
# Names that Windows gives to devices, whatever their suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def percent(share: float) -> str:
    """Return a share of 1 as a percentage of three figures; never "100 %" for less than all.

    >>> percent(0.5), percent(0.99999), percent(0.00001), percent(0.0312)
    ('50.0 %', '> 99.9 %', '< 0.1 %', '3.1 %')
    """
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{share * 100:.1f} %"


def count(number: float) -> str:
    """Return a whole number with its thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{round(number):,}"


def short(number: float, unit: str = "") -> str:
    """Return a large number in three figures with its decimal prefix.

    >>> short(1_248_424), short(818_925_000, "MAC"), short(12)
    ('1.25 M', '819 MMAC', '12')
    """
    size = float(number)
    for prefix in ("", "k", "M", "G", "T"):
        if abs(size) < 999.5 or prefix == "T":
            break
        size /= 1000
    whole = not prefix and size == int(size)
    digits = 0 if whole or abs(size) >= 99.95 else 1 if abs(size) >= 9.995 else 2
    return f"{size:.{digits}f} {prefix}{unit}".strip()


def file_size(count_of_bytes: int) -> str:
    """Return a file's size in decimal units, as file managers show it.

    >>> file_size(1_483_000)
    '1.48 MB'
    """
    return short(count_of_bytes, "B")


def seconds(duration: float) -> str:
    """Return a duration for people.

    >>> seconds(0.0123), seconds(4.21), seconds(83.0)
    ('12 ms', '4.2 s', '1 min 23 s')
    """
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s"


def joined(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun.

    >>> plural(1, "image"), plural(3, "class", "classes")
    ('1 image', '3 classes')
    """
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


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
