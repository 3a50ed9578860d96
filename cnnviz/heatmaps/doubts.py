"""Why maps must not be read as evidence: in sentences, and in a few words within the picture."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

NOT_EVIDENCE = "not evidence"
CONSTANT = f"{NOT_EVIDENCE}: nothing tried moves the score"
SATURATED = f"{NOT_EVIDENCE}: a probability of nearly 1"
UNDONE = f"{NOT_EVIDENCE}: its weights are undone"
CANCELLED = f"{NOT_EVIDENCE}: its weights cancel"
ROUNDED = f"{NOT_EVIDENCE}: changes may be rounding"


@dataclass(frozen=True)
class Doubts:
    """What is said of the maps of N images at L layers.

    Attributes
    ----------
    said : tuple of str
        The sentences.
    marks : tuple of tuple of str
        The few words in the picture of each map, [L][N]; empty where there is nothing to say.
    """

    said: tuple[str, ...]
    marks: tuple[tuple[str, ...], ...]


def doubts(
    said: Iterable[str],
    layers: Sequence[Sequence[str]],
    *causes: tuple[str, Collection[int]],
) -> Doubts:
    """Return what is said of maps, with the gravest mark for each.

    Parameters
    ----------
    said : iterable of str
        The sentences.
    layers : sequence of sequence of str
        The marks of single maps, [L][N].
    causes : (str, collection of int)
        Marks of all maps of an image, each with the places of its images; the first one counts.
    """
    of_image = {place: mark for mark, places in reversed(causes) for place in places}
    marks = [tuple(of_image.get(place, own) for place, own in enumerate(each)) for each in layers]
    return Doubts(tuple(dict.fromkeys(said)), tuple(marks))
