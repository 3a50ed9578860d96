"""Every error a user can meet: what is wrong, and what to do about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

_LONGEST, _ENDS = 300, 100
"""Letters of a word, or of what stands in quotes, that are told whole; of longer ones both ends."""
_DOUBLED = re.compile(r"(?<!\.)([.?!])\s*\.(?=\s|$)")
_EMPTY = re.compile(r"\s*[,:;]\s*\.(?=\s|$)")
_LONG = re.compile(rf"'[^'\n]{{{_LONGEST},}}'|\S{{{_LONGEST},}}")


class CnnvizError(Exception):
    """Base of every error that a user can cause and mend.

    Parameters
    ----------
    what : str
        One sentence that says what is wrong.
    remedy : str, optional
        One sentence that says what to do about it.
    option : str, optional
        The same for somebody at the command line, where it names other things than the remedy: an
        option, in place of an argument of a function.
    """

    def __init__(self, what: str, remedy: str = "", *, option: str | None = None) -> None:
        self.what = sentence(what)
        self.remedy = sentence(remedy)
        self.option = self.remedy if option is None else sentence(option)
        super().__init__(f"{self.what} {self.remedy}" if remedy else self.what)

    def __reduce__(self) -> tuple[Any, ...]:
        """Come out of another process as it went in."""
        return _again, (type(self), self.args, self.__dict__)


class ModelError(CnnvizError):
    """A network cannot be found, built, or run."""


class CheckpointError(ModelError):
    """A file of weights cannot be read, or does not fit the network."""


class InstallationError(CnnvizError):
    """Packages on this machine do not fit together, or an optional one is missing."""


class ImageError(CnnvizError):
    """An image cannot be read or used."""


class LayerError(CnnvizError):
    """A layer name, selection or call index means nothing in this network."""


class NotReachedError(LayerError):
    """A layer is not called for an input, or what is explained there does not depend on it."""


class TargetError(CnnvizError):
    """A target class or callable does not fit the output of the network."""


class NotFiniteError(CnnvizError):
    """A network gives NaN or infinity where a view needs numbers that can be ranked and drawn."""


class NothingFoundError(TargetError):
    """A detector finds nothing, or nothing of the class, that could be explained."""


class OutputError(CnnvizError):
    """A result cannot be written where it was asked to go."""


class ModelChangedError(CnnvizError):
    """A network wrote to its own parameters, or made some, while it was being looked at."""


class UsageError(CnnvizError):
    """An argument is out of range, or two arguments contradict each other."""


class OtherProcessError(CnnvizError):
    """Another of the processes that share a run has failed, or is gone.

    Attributes
    ----------
    code : int
        What that one ends with, and the others after it.
    """

    def __init__(self, what: str, remedy: str = "", *, code: int = 2) -> None:
        super().__init__(what, remedy)
        self.code = code


def sentence(text: str) -> str:
    """Return a text as it is told: one full stop at its end, and long words cut.

    What others say of an error ends with a full stop, or without, or is nothing at all.

    >>> sentence("It fails: the size is negative.."), sentence("It fails: .")
    ('It fails: the size is negative.', 'It fails.')
    """
    return _EMPTY.sub(".", _DOUBLED.sub(r"\1", without_long_words(text)))


def without_long_words(text: str) -> str:
    """Return a text in which what somebody named at great length is cut in its middle.

    >>> len(without_long_words(f"There is no file '{'a' * 5000}'."))
    219
    """
    return _LONG.sub(lambda found: f"{found[0][:_ENDS]}…{found[0][-_ENDS:]}", text)


def _again(kind: type[CnnvizError], args: tuple[Any, ...], held: dict[str, Any]) -> CnnvizError:
    # Not through `__init__`, whose parameters differ from kind to kind.
    error = kind.__new__(kind, *args)
    error.__dict__.update(held)
    return error


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory.

    Torch has a class of error for the memory of a GPU, and for that of the machine only words.
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
    )


def nearest(name: str, known: Iterable[str], count: int = 3, alike: float = 0.5) -> list[str]:
    """Return the known names that look most like `name`, best first; from a share alike on."""
    names = list(known)
    lowered: dict[str, list[str]] = {}
    for candidate in dict.fromkeys(names):
        lowered.setdefault(candidate.lower(), []).append(candidate)
    close = difflib.get_close_matches(name.lower(), lowered, n=count, cutoff=alike)
    found = [candidate for match in close for candidate in lowered[match]][:count]
    needle = name.lower()
    # Two letters stand in the midst of many words.
    begins = "" if len(needle) > 2 else r"(?<![^\W_])"
    within = re.compile(begins + re.escape(needle))
    for candidate in names:
        if len(found) >= count:
            break
        if needle and within.search(candidate.lower()) and candidate not in found:
            found.append(candidate)
    return found


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a remedy that names the nearest known names, or `otherwise`."""
    close = nearest(name, known)
    if not close:
        return otherwise
    return f"Did you mean {' or '.join(repr(candidate) for candidate in close)}?"
