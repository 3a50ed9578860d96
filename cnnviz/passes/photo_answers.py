"""What a network answers to photos of which it is known what they show."""

from __future__ import annotations

from dataclasses import dataclass

from cnnviz.errors import TargetError
from cnnviz.models import OutputKind
from cnnviz.models.categories import classes_called
from cnnviz.models.outputs import read_output
from cnnviz.passes.captured import Capture
from cnnviz.passes.ranked_classes import probabilities

_SUITED = (OutputKind.CLASSES, OutputKind.LOGIT)


@dataclass(frozen=True)
class PhotoAnswer:
    """The answer to one photo.

    Attributes
    ----------
    answer : str
        The likeliest class.
    probability : float
        Its probability.
    truth : str
        The class that the photo is labelled with; empty where that is not known.
    truth_probability : float
        The probability of that class; NaN where it is not known.
    """

    answer: str
    probability: float
    truth: str
    truth_probability: float

    @property
    def right(self) -> bool | None:
        """Whether the answer is the label; None where no label is known."""
        return self.answer == self.truth if self.truth else None


def photo_answers(capture: Capture) -> tuple[PhotoAnswer, ...]:
    """Return the answer to each photo of a capture; nothing where no label is one of its classes.

    `Photo.label` has the label, which means the class of the same name.
    """
    photos = capture.batch.photos
    if not any(photo.label for photo in photos):
        return ()
    try:
        reading = read_output(capture.model, capture.logits)
    except TargetError:  # a network whose answer is no score for each image
        return ()
    if reading.kind not in _SUITED:
        return ()
    names = [reading.name(index) for index in range(reading.classes)]
    truths = classes_called([photo.label for photo in photos], names)
    if max(truths) < 0:
        return ()
    shares, _ = probabilities(capture.model, capture.logits)
    rows = zip(shares.numpy(), truths, capture.predictions(1), strict=True)
    return tuple(
        PhotoAnswer(best.name, best.probability, names[truth], float(row[truth]))
        if truth >= 0
        else PhotoAnswer(best.name, best.probability, "", float("nan"))
        for row, truth, (best, *_) in rows
    )
