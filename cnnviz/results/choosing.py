"""Choosing from what is known by name: one of it, or several in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from cnnviz.errors import UsageError, did_you_mean

Known = TypeVar("Known")


def by_name(
    name: str, known: Mapping[str, Known], what: str, others: Mapping[str, str] | None = None
) -> Known:
    """Return what has a name, in which case, and hyphens or spaces for underscores, do not matter.

    Parameters
    ----------
    name : str
        As it is asked for.
    known : mapping
        Everything by its name.
    what : str
        What it is called in the error.
    others : mapping, optional
        Other names of some of it.

    Raises
    ------
    UsageError
        If there is none, with the nearest names.
    """
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    key = (others or {}).get(key, key)
    if key not in known:
        raise UsageError(
            f"There is no {what} {name!r}.",
            did_you_mean(key, known, f"Choose from {', '.join(known)}."),
        )
    return known[key]


def words_of(names: str | Sequence[str]) -> list[str]:
    """Return names one by one, of which a text may hold several with commas between them."""
    parts = [names] if isinstance(names, str) else list(names)
    return [word for part in parts for text in part.split(",") if (word := text.strip())]


def all_by_name(
    names: str | Sequence[str] | None,
    known: Mapping[str, Known],
    what: str,
    others: Mapping[str, str] | None = None,
) -> tuple[Known, ...]:
    """Return what has these names, each once: everything for None.

    Parameters
    ----------
    names : str or sequence of str, optional
        Names, or several in a text with commas between them.
    known, what, others
        As in `by_name`.

    Raises
    ------
    UsageError
        If there is none of a name, or no name at all.
    """
    if names is None:
        return tuple(known.values())
    asked = words_of(names)
    if not asked:
        raise UsageError(f"No {what} was named.", f"Choose from {', '.join(known)}.")
    found = [by_name(name, known, what, others) for name in asked]
    return tuple({id(one): one for one in found}.values())
