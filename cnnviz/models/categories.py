"""Class names from a list, a mapping, or a text or JSON file."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnviz.errors import TargetError, UsageError, did_you_mean, nearest
from cnnviz.images.paths import expand
from cnnviz.results.given_files import given_text
from cnnviz.results.structured import decoded
from cnnviz.results.text import joined, kind_of, plural, there_are

_MOST_NEAR = 3
_LEAST_WORD = 3
"""Letters of a word by which classes are looked for."""
_ALIKE = 0.75
"""How alike a name has to look to be told beside what the network answers: a misspelling."""
Categories = Sequence[str] | Mapping[int, str] | str | os.PathLike[str]


def read_categories(source: Categories) -> tuple[str, ...]:
    """Return the class names in the order of the network's outputs.

    Parameters
    ----------
    source : sequence of str, mapping of int to str, str or os.PathLike
        The names themselves; or a text file with one name a line; or a JSON file with a list, or
        with an object from index to name (or to a list that ends with the name).

    Raises
    ------
    UsageError
        The file cannot be read, an index is missing, or a name is not text.
    """
    if isinstance(source, str | os.PathLike):
        return _ordered(_from_file(expand(source)), Path(source).name)
    return _ordered(source, "categories")


def check_count(categories: Sequence[str], outputs: int, name: str) -> None:
    """Raise UsageError unless there is one name for each output."""
    if len(categories) != outputs:
        raise UsageError(
            f"{there_are(len(categories), 'class name')} and {name} has "
            f"{plural(outputs, 'output')}.",
            "Give one name for each output, in their order.",
        )


def no_class(index: int, classes: int) -> tuple[str, str]:
    """Say that a network of so many classes has none of this index, and what to give instead."""
    return (
        f"There is no class {index}: the network has {classes} classes.",
        f"Give an index from 0 to {classes - 1}, or a class name.",
    )


class ClassNames:
    """Class names, to be found by name: the closest match counts, and no other beside it.

    An exact match comes first, then one that ignores case, then one of the names in a list such as
    ``goldfish, Carassius auratus``, in the same order.

    Parameters
    ----------
    known : sequence of str
        The names of the classes, in their order.
    """

    def __init__(self, known: Sequence[str]) -> None:
        whole = [(name.strip(), index) for index, name in enumerate(known)]
        parts = [
            (part.strip(), index) for index, name in enumerate(known) for part in name.split(",")
        ]
        self._levels = [
            (write, _gathered(pairs, write))
            for pairs in (whole, parts)
            for write in (str, str.casefold)
        ]

    def matching(self, name: str) -> tuple[int, ...]:
        """Return the places of the classes that a name means: several where it does not tell."""
        for write, places in self._levels:
            found = places.get(write(name.strip()))
            if found:
                return tuple(found)
        return ()


def class_number(asked: Any) -> int:
    """Return the index of a class that is asked for by number, written out or not.

    Raises
    ------
    TargetError
        If it is no whole number, such as a list of several.
    """
    if not isinstance(asked, bool):
        try:
            return int(asked) if isinstance(asked, str) else operator.index(asked)
        except TypeError:
            pass
    raise TargetError(
        f"{kind_of(asked, begins=True)} names no class.", "Give the index of a class, or its name."
    )


def class_index(
    name: str,
    known: Sequence[str] | None,
    network: str,
    likeliest: Callable[[], Sequence[int]] = tuple,
) -> int:
    """Return the index of the class of a network that has this name, see `Model.class_index`.

    Parameters
    ----------
    name : str
        What is asked for.
    known : sequence of str, optional
        The names of the classes.
    network : str
        What the network is called.
    likeliest : callable
        Returns the classes that it holds likeliest for the image in question, for whoever asked
        for one that there is not.

    Raises
    ------
    TargetError
        If no class, or more than one, has this name, or the names are not known.
    """
    if known is None:
        raise TargetError(
            f"The classes of {network} have no names.",
            "Give the index of the class, or load the network with categories=.",
            option="Give the index of the class, or the names with --categories.",
        )
    matches = ClassNames(known).matching(name)
    if len(matches) > 1:
        raise TargetError(
            f"Of {network} {told_ambiguous(name, matches, known)}.",
            f"Give the index, {' or '.join(map(str, matches))}, or the name as it is written.",
        )
    if matches:
        return matches[0]
    raise TargetError(
        f"{network} has no class {name!r}.",
        _told_near(name, known, [known[place] for place in likeliest()]),
    )


def _told_near(name: str, known: Sequence[str], likeliest: Sequence[str]) -> str:
    """Say which classes may be meant: by a word, by spelling, and by what the network answers."""
    found = [each for each in _of_words(name, known) if each not in likeliest][:_MOST_NEAR]
    if not found and not likeliest:
        return did_you_mean(name, known, "Give the index of the class.")
    if not found:
        close = nearest(name, known, alike=_ALIKE)
        found = [each for each in close if each not in likeliest]
    told = f"Did you mean {' or '.join(map(repr, found))}? " if found else ""
    answers = f"Its likeliest answers here are {joined(list(map(repr, likeliest)))}."
    return (told + answers if likeliest else told).strip()


def _of_words(name: str, known: Sequence[str]) -> list[str]:
    """Return the classes whose names hold a word of a name, those that hold most of them first."""
    asked = {word for word in _words(name) if len(word) >= _LEAST_WORD}
    shared = {each: len(asked & set(_words(each))) for each in dict.fromkeys(known)}
    return sorted((each for each in shared if shared[each]), key=lambda each: -shared[each])


def _words(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold())


def _gathered(
    names: Sequence[tuple[str, int]], write: Callable[[str], str]
) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, index in names:
        of = found.setdefault(write(name), [])
        if index not in of:
            of.append(index)
    return found


def told_ambiguous(name: str, places: Sequence[int], known: Sequence[str]) -> str:
    """Say in one clause that a name is of several classes, and which these are."""
    listed = joined([f"{known[place]!r} (class {place})" for place in places])
    return f"{name!r} may be {len(places)} classes, {listed}"


def classes_called(names: Sequence[str], known: Sequence[str]) -> tuple[int, ...]:
    """Return the place among known class names of each of some names, or -1.

    As `ClassNames` matches them; -1 where no class is meant, or there is no telling which.
    """
    classes = ClassNames(known)
    found = [classes.matching(name) for name in names]
    return tuple(places[0] if len(places) == 1 else -1 for places in found)


def _from_file(path: Path) -> Any:
    try:
        text = given_text(path)
    except (OSError, UnicodeDecodeError) as error:
        detail = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"The class names in {str(path)!r} cannot be read: {detail}.",
            "Give a text file with one name a line, or a JSON list.",
        ) from error
    if path.suffix.lower() != ".json":
        return [line.strip() for line in text.rstrip().splitlines()]
    try:
        return decoded(text, Any)
    except ValueError as error:
        raise UsageError(
            f"{path.name} is not JSON: {error}.",
            "Give a list of names, or an object from index to name.",
        ) from error


def _ordered(names: Any, origin: str) -> tuple[str, ...]:
    if isinstance(names, Mapping):
        names = _by_index(names, origin)
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        raise UsageError(
            f"There are no class names in {origin}.",
            "Give one name for each output of the network.",
        )
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise UsageError(
                f"The name of class {index} in {origin} is {name!r}.", "Give a text for each class."
            )
    return tuple(names)


def _by_index(names: Mapping[Any, Any], origin: str) -> list[Any]:
    try:
        found = {int(index): name for index, name in names.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The keys in {origin} are not class indices.", "Give an object from index to name."
        ) from error
    missing = [index for index in range(len(found)) if index not in found]
    if missing:
        raise UsageError(
            f"Class {missing[0]} has no name in {origin}.", "Name every class from 0 on."
        )
    # ImageNet's usual file maps an index to ["n01440764", "tench"].
    values = [found[index] for index in range(len(found))]
    return [value[-1] if isinstance(value, list) and value else value for value in values]
