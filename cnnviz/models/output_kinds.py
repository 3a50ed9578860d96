"""What the numbers that a network returns mean: its kind of output."""

from __future__ import annotations

from enum import StrEnum

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.results.text import kind_of


class OutputKind(StrEnum):
    """What the output of a network is, and so what may be asked about it.

    Only the first three hold probabilities, and a class map holds one for each position.
    """

    CLASSES = "classes"
    """One score for each class, of which one is right: [N, K], through a softmax."""
    LABELS = "labels"
    """One score for each label, each right or wrong by itself: [N, K], each through a sigmoid."""
    LOGIT = "logit"
    """One score for two classes, negative and positive: [N, 1] or [N], through a sigmoid."""
    VALUE = "value"
    """Quantities that are no scores, such as a distance or an age: [N, K] or [N]."""
    EMBEDDING = "embedding"
    """A vector that means something beside other vectors only: [N, D]."""
    CLASS_MAP = "class-map"
    """A score for each class and position: [N, K, H, W], a softmax (or, of one, a sigmoid) each."""
    BOXES = "boxes"
    """Boxes with a label and a score each, a list for each image."""


WORDS: dict[OutputKind, str] = {
    OutputKind.CLASSES: "classes, one of which is right",
    OutputKind.LABELS: "independent labels",
    OutputKind.LOGIT: "one logit for two classes",
    OutputKind.VALUE: "values",
    OutputKind.EMBEDDING: "an embedding",
    OutputKind.CLASS_MAP: "a map of classes",
    OutputKind.BOXES: "boxes",
}
"""Each kind in a few words."""


def told_guess(kind: OutputKind, guess: str) -> str:
    """Say in one sentence that this kind is a guess; nothing where it is known."""
    return f"The output is read as {WORDS[kind]}; this is {guess}." if guess else ""


def read_output_kind(given: OutputKind | str) -> OutputKind:
    """Return the kind of this name, in any case and with ``_`` for ``-``.

    Raises
    ------
    UsageError
        There is no such kind.
    """
    name = str(given).strip().lower().replace("_", "-")
    try:
        return OutputKind(name)
    except ValueError:
        kinds = [kind.value for kind in OutputKind]
        raise UsageError(
            f"There is no kind of output {str(given)!r}.",
            did_you_mean(name, kinds, f"Choose {', '.join(kinds)}."),
        ) from None


def check_decode(decode: object, declared: OutputKind | None) -> None:
    """Raise UsageError unless this is a callable, and nothing but boxes was declared beside it."""
    if not callable(decode):
        raise UsageError(f"decode is {kind_of(decode)}.", "Give a callable.")
    if declared not in (None, OutputKind.BOXES):
        raise UsageError(
            f"decode is given, and the output was declared as {declared.value}.",
            "Leave output out, or declare boxes.",
        )
