"""Answer all images once, keep the mistakes, and explain the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.datasets import Dataset, LoadedBatch, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.errors import ModelError, UsageError, did_you_mean
from cnnviz.evaluation.mistakes.examples import Explainer
from cnnviz.evaluation.mistakes.result import ORDERS, ErrorAnalysis, Order, confusion_of
from cnnviz.evaluation.mistakes.tally import Mistake, Tally
from cnnviz.evaluation.mistakes.truth import Truth, check_kind, truth_of
from cnnviz.models import Model, OutputKind, as_model
from cnnviz.models.outputs import Reading, read_output, scores_of
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captures import capture
from cnnviz.passes.ranked_classes import probabilities
from cnnviz.passes.scan import first_batch, scan
from cnnviz.results.progress import Progress, silent
from cnnviz.results.text import first_few, joined, percent, plural, reasons

EXPLAINED = 48
"""How many of the worst answers are explained where nobody says."""
_MOST_NAMED = 5
Class: TypeAlias = int | str


def error_analysis(
    model: Model | nn.Module,
    data: Data,
    *,
    count: int | None = None,
    classes: Class | Sequence[Class] | None = None,
    pair: tuple[Class, Class] | None = None,
    confident: float = 0.0,
    order: Order = "confidence",
    explain: int = EXPLAINED,
    workers: int | None = None,
    progress: Progress = silent,
) -> ErrorAnalysis:
    """Return the wrong answers of a network over labelled images, worst first.

    The images are streamed, and none is kept; the worst are read again to be explained, with the
    Grad-CAM of the answer and that of what is right. Whatever can be refused is, before the first
    of them is answered.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network, whose output is classes, labels or one logit; it is left as it was.
    data : str, Path, data set, ...
        Labelled images, as `cnnviz.open_dataset` opens them: a folder with a folder for each class,
        a CSV file with the columns path and label, a data set object, or ``"shapes"``.
    count : int, optional
        At most how many of the images, evenly spread.
    classes : int, str or sequence of these, optional
        Only wrong answers about these classes: as what is right, or as what was answered.
    pair : (truth, answer), optional
        Only images of one class that were taken for the other.
    confident : float
        Only wrong answers that the network is at least so sure of, 0 to 1.
    order : {"confidence", "loss"}
        What is worst: the surest wrong answer, or the largest cross-entropy.
    explain : int
        How many of the worst get heatmaps.
    workers : int, optional
        Threads that read images; what suits this machine by default.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each batch and each heatmap.

    Returns
    -------
    ErrorAnalysis

    Raises
    ------
    UsageError
        If nothing says what the images show, a label is no class of the network, the output is of
        a kind without right and wrong, or an argument is out of range.
    TargetError
        If there is no class of the name that a filter asks for.
    ImageError
        If no image can be read.
    """
    _check(confident, order, explain, workers)
    wrapped = as_model(model)
    check_takes_images(wrapped, "error_analysis")
    job = _Job.of(wrapped, open_dataset(data, count))
    chosen = _Filter.of(job, classes, pair, confident)
    notes = job.run(workers, progress)
    found = sorted(filter(chosen.lets, job.tally.mistakes), key=_worst_first(order))
    explainer = Explainer(wrapped, job.dataset)
    examples = explainer.explain(found[:explain], progress)
    progress(1, 1, "done")
    notes += [explainer.why_none] if explainer.why_none else []
    measures = job.tally.measures
    shown = () if job.tally.several else measures
    return ErrorAnalysis(
        provenance=wrapped.provenance([each.source for each in examples], notes=notes),
        kind=job.reading.kind or OutputKind.CLASSES,
        data=job.dataset.describe(),
        fingerprint=job.dataset.fingerprint,
        images=job.tally.images,
        decisions=job.tally.decisions,
        wrong=len(job.tally.mistakes),
        mistakes=tuple(found),
        examples=tuple(examples),
        measures=measures,
        shown_classes=tuple(each.name for each in shown),
        confusion=confusion_of(list(job.tally.pairs.items()), shown),
        calibration=job.tally.calibration,
        order=order,
        filters=chosen.words,
        layer=explainer.layer,
    )


def _check(confident: float, order: str, explain: int, workers: int | None) -> None:
    if not 0.0 <= confident <= 1.0:
        raise UsageError(f"No answer is {confident:g} sure.", "Give a probability from 0 to 1.")
    if order not in ORDERS:
        raise UsageError(
            f"Wrong answers cannot be ordered by {order!r}.",
            did_you_mean(order, ORDERS, f"Order them by {' or '.join(ORDERS)}."),
        )
    if explain < 0:
        raise UsageError(f"{explain} answers cannot be explained.", "Give 0 or more.")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} threads read nothing.", "Give 1 or more.")


def _worst_first(order: Order) -> Any:
    if order == "loss":
        return lambda m: (-m.loss, -m.confidence, m.place)
    # Where a softmax is as sure as numbers allow, the loss tells apart.
    return lambda m: (-m.confidence, -m.loss, m.place)


@dataclass
class _Job:
    """The images, what their labels mean, and what was counted."""

    model: Model
    dataset: Dataset
    indices: list[int]
    reading: Reading
    truth: Truth
    tally: Tally
    unlabelled: int = 0
    lost: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: Model, dataset: Dataset) -> _Job:
        """Find out what the labels mean, with the answer to one image."""
        indices = [index for index in range(len(dataset)) if dataset.labels(index)]
        every = range(len(dataset))
        sample = first_batch(dataset, model, indices or every)
        if not indices and sample.labels[0] < 0:
            raise _unlabelled(dataset)
        seen = capture(model, sample.tensor, layers=(), gradients=False)
        reading = read_output(model, seen.logits)
        check_kind(reading)
        truth = truth_of(dataset, reading)
        for index in indices:
            truth.of(dataset.labels(index))
        # Some data sets tell a label only with the image, and where labels are independent an
        # image without any is an answer, too.
        several = reading.kind == OutputKind.LABELS
        kept = list(every) if several or not indices else indices
        tally = Tally(truth.names, reading.kind or OutputKind.CLASSES)
        return cls(model, dataset, kept, reading, truth, tally)

    def run(self, workers: int | None, progress: Progress) -> list[str]:
        """Answer every image, and return what a reader must know."""
        found = scan(
            self.model,
            self.dataset,
            (),
            lambda *_: None,
            workers=workers,
            indices=self.indices,
            answered=self._answered,
            progress=progress,
        )
        notes = [self.model.doubt, self.truth.note, *self.dataset.notes]
        if self.model.untrained:
            notes.insert(0, "The weights of this network are random: its answers mean nothing.")
        left = len(self.dataset) - len(self.indices) + self.unlabelled
        if left:
            notes.append(f"{plural(left, 'image')} without a label left out.")
        if found.refused:
            lost = list(found.refused.values())
            notes.append(f"{plural(len(lost), 'image')} could not be read: {reasons(lost, 3)}.")
        if self.lost:
            notes.append(
                f"{plural(len(self.lost), 'answer')} NaN or infinite, left out: "
                f"{first_few(self.lost, 3)}."
            )
        if not self.tally.images:
            raise ModelError(
                f"{self.model.name} gives no answer that is a number to any image.",
                "gradient_flow, or cnnviz gradient-flow, names the first layer that gives none.",
            )
        if self.tally.several:
            notes.append(
                "Each image is taken to have the labels that the data says, and no others; a label "
                "is answered where its probability is above one half."
            )
        return [note for note in notes if note]

    def _answered(self, output: Any, batch: LoadedBatch) -> None:
        scores = scores_of(self.model, output).detach()
        # One answer that is no number is not to end an analysis of many.
        ranked = ~(scores.isnan() | scores.isposinf()).flatten(1).any(1)
        self.lost += [
            self.dataset.name(index) for index in batch.indices[~ranked.cpu().numpy()].tolist()
        ]
        rows = ranked.nonzero().flatten()
        if not len(rows):
            return
        shares = probabilities(self.model, scores[rows])[0].numpy()
        for row, share in zip(rows.tolist(), shares, strict=True):
            self._add(int(batch.indices[row]), int(batch.labels[row]), share)

    def _add(self, index: int, label: int, shares: NDArray[np.float64]) -> None:
        """Count the answer to one image; `label` is what was read with it, or -1."""
        labels = self.dataset.labels(index)
        if not labels and label >= 0:
            labels = (label,)
        if not labels and not self.tally.several:
            self.unlabelled += 1
            return
        self.tally.add(index, self.dataset.name(index), self.truth.of(labels), shares)


def _unlabelled(dataset: Dataset) -> UsageError:
    return UsageError(
        f"Nothing says what the images show ({dataset.describe()}).",
        "Sort them into a folder for each class, or list them in a CSV file with the columns path "
        "and label.",
    )


@dataclass(frozen=True)
class _Filter:
    """Which wrong answers are let through."""

    classes: tuple[int, ...]
    pair: tuple[int, int] | None
    confident: float
    words: str

    @classmethod
    def of(
        cls,
        job: _Job,
        classes: Class | Sequence[Class] | None,
        pair: tuple[Class, Class] | None,
        confident: float,
    ) -> _Filter:
        given = [classes] if isinstance(classes, (int, str)) else list(classes or ())
        if pair is not None and job.tally.several:
            raise UsageError(
                "Independent labels are not taken for one another, so there is no pair.",
                "Give the label as a class instead.",
            )
        places = tuple(_class(job, one) for one in given)
        both = None if pair is None else (_class(job, pair[0]), _class(job, pair[1]))
        names = job.truth.names
        words = []
        if places:
            words.append(f"about {joined([names[p] for p in places[:_MOST_NAMED]], 'or')}")
        if both is not None:
            words.append(f"of {names[both[0]]} taken for {names[both[1]]}")
        if confident:
            words.append(f"at least {percent(confident)} sure")
        return cls(places, both, confident, ", ".join(words))

    def lets(self, mistake: Mistake) -> bool:
        """Whether a wrong answer is let through."""
        about = not self.classes or any(one in mistake.classes for one in self.classes)
        pair = (mistake.truth_class, mistake.answer_class)
        return about and self.pair in (None, pair) and mistake.confidence >= self.confident


def _class(job: _Job, given: Class) -> int:
    names = job.truth.names
    if isinstance(given, str) and not (given.isdecimal() and given not in names):
        return job.model.class_index(given, names)
    index = int(given)
    if not 0 <= index < len(names):
        raise UsageError(
            f"There is no class {index}: the network has {len(names)} classes.",
            f"Give an index from 0 to {len(names) - 1}, or a class name.",
        )
    return index
