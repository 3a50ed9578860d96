"""What a network answers: its most probable classes, or the boxes that it finds."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from cnnviz.bounds import Count, bounded
from cnnviz.models import OutputKind
from cnnviz.models.outputs import class_scores, read_output
from cnnviz.models.reading import NORMALISED, Reading
from cnnviz.passes.captured import Capture, check_capture
from cnnviz.passes.photo_answers import photo_answers
from cnnviz.passes.ranked_classes import check_k, entropy, probabilities
from cnnviz.results import drawing
from cnnviz.results.space import IMAGE
from cnnviz.views.pictures.predictions import THUMBNAIL
from cnnviz.views.predicted_boxes import PredictedBoxes, boxes_of
from cnnviz.views.predicted_classes import Predictions
from cnnviz.views.predicted_maps import PredictedMaps

__all__ = ["PredictedBoxes", "PredictedMaps", "Predictions", "predictions"]


@bounded
def predictions(capture: Capture, k: Count = 5) -> Predictions:
    """Return the most probable classes of each image, or the boxes that a detector finds.

    Parameters
    ----------
    capture : Capture
        A capture with logits, or of a detector.
    k : int
        How many classes or boxes to show; all, where there are fewer.

    Returns
    -------
    Predictions
        Of a detector `PredictedBoxes`, which draws them over the photo; of a network that
        segments images `PredictedMaps`, which draws a map of classes beside each.

    Raises
    ------
    TargetError
        If the network's output is of no known kind.
    UsageError
        If `k` is below 1.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> print(cnnviz.predictions(cnnviz.capture(model, photo, layers=())).summary())
    image 0: crescent 98.0%
    """
    check_capture(capture, "predictions")
    check_k(k)
    if capture.detects:
        return boxes_of(capture, k)
    scores, model = capture.logits, capture.model
    reading = read_output(model, scores)
    exact = scores.detach().cpu().double()
    if reading.kind == OutputKind.CLASS_MAP:
        answers = class_scores(reading, exact).argmax(1)
        return _of_maps(capture, reading, answers, k)
    numbers = _numbers(reading, exact)
    if numbers is not None:
        return _without_probabilities(capture, reading, numbers, k)
    found = capture.predictions(k)
    shares, rule = probabilities(model, scores)
    single = reading.kind != OutputKind.LABELS
    return Predictions(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(answer.name for answer in row) for row in found),
        classes=np.array([[answer.index for answer in row] for row in found]),
        probabilities=np.array([[answer.probability for answer in row] for row in found]),
        logits=np.array([[answer.logit for answer in row] for row in found]),
        entropy=entropy(shares).numpy() if single else np.full(len(shares), np.nan),
        total=int(shares.shape[1]),
        rule=rule,
        kind=reading.kind or OutputKind.CLASSES,
        guess=reading.guess,
        answers=photo_answers(capture),
        thumbnails=_thumbnails(capture),
        axes=capture.model.space.axes,
    )


def _thumbnails(capture: Capture) -> tuple[NDArray[np.uint8], ...]:
    photos = zip(capture.batch.photos, capture.batch.boxes, strict=True)
    return tuple(drawing.fit(box.cut(photo.pixels)[0], THUMBNAIL) for photo, box in photos)


def _numbers(reading: Reading, exact: torch.Tensor) -> torch.Tensor | None:
    """Return what is ranked where there is no probability, [N, K]; None where there is one."""
    if reading.inside == NORMALISED:
        return normalize(exact, dim=1)
    if reading.kind in (OutputKind.VALUE, OutputKind.EMBEDDING):
        return exact.flatten(2).mean(2) if exact.ndim > 2 else exact
    return None


def _of_maps(capture: Capture, reading: Reading, answers: torch.Tensor, k: int) -> Predictions:
    """Return the share of the positions at which each class is the answer; of images the map too.

    `answers` are class indices, [N, ...].
    """
    one_hot = torch.nn.functional.one_hot(answers.flatten(1), reading.classes)
    found = _without_probabilities(capture, reading, one_hot.double().mean(1), k)
    if answers.ndim != 1 + IMAGE.axes:
        return found
    return PredictedMaps(**vars(found), maps=answers.numpy().astype(np.int32))


def _without_probabilities(
    capture: Capture, reading: Reading, numbers: torch.Tensor, k: int
) -> Predictions:
    ranked = {
        OutputKind.CLASS_MAP: numbers,
        OutputKind.EMBEDDING: numbers.abs(),
        # Values have an order of their own.
        OutputKind.VALUE: -torch.arange(numbers.shape[1]).expand_as(numbers),
    }[reading.kind or OutputKind.VALUE]
    order = ranked.sort(dim=1, descending=True, stable=True).indices[:, :k]
    held = numbers.gather(1, order).numpy()
    return Predictions(
        provenance=capture.provenance,
        images=tuple(photo.name for photo in capture.batch.photos),
        names=tuple(tuple(reading.name(index) for index in row) for row in order.tolist()),
        classes=order.numpy(),
        probabilities=np.full(held.shape, np.nan),
        logits=held,
        entropy=np.full(len(held), np.nan),
        total=int(numbers.shape[1]),
        rule="none",
        kind=reading.kind or OutputKind.VALUE,
        guess=reading.guess,
        thumbnails=_thumbnails(capture),
        axes=capture.model.space.axes,
    )
