"""One pass over labelled images: what the labels mean is found out, every answer is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.datasets import Dataset, LoadedBatch, nothing_left
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.arrays import open_inputs
from cnnviz.datasets.named_labels import NamedLabels
from cnnviz.errors import ModelError, UsageError
from cnnviz.evaluation.answers.examples import Explainer
from cnnviz.evaluation.answers.portions import AnswerPortion, AnswerPortions
from cnnviz.evaluation.answers.result import CountedAnswers, confusion_of
from cnnviz.evaluation.answers.tally import Mistake, Tally
from cnnviz.evaluation.answers.truth import Truth, are_named, check_kind, truth_of
from cnnviz.images import Refusal
from cnnviz.models import Model, OutputKind, as_model
from cnnviz.models.outputs import read_output, scores_of
from cnnviz.models.reading import Reading
from cnnviz.passes.captures import capture
from cnnviz.passes.fast_model import expect_many
from cnnviz.passes.processes import Processes
from cnnviz.passes.ranked_classes import probabilities
from cnnviz.passes.scan import first_batch
from cnnviz.passes.scan_plan import depends_on
from cnnviz.passes.shared_scan import share_scan
from cnnviz.results.progress import Progress
from cnnviz.results.provenance import AS_IT_IS
from cnnviz.results.text import first_few, plural, reasons

FORMAT = "cnnviz answers 1"
Counted = TypeVar("Counted", bound=CountedAnswers)


@dataclass
class LabelledRun:
    """The images, what their labels mean, and what was counted.

    Attributes
    ----------
    model : Model
        The network.
    dataset : Dataset
        The images.
    indices : list of int
        Those that are answered.
    reading : Reading
        What the output means.
    truth : Truth
        What the labels mean.
    tally : Tally
        What was counted.
    explained : int
        How many wrong answers are explained.
    workers : int or None
        Threads that read images.
    odd : dict of int to str
        What stands as the label of images, which are left out, and is no class.
    computed_on : str
        On what the answers were computed.
    """

    model: Model
    dataset: Dataset
    indices: list[int]
    reading: Reading
    truth: Truth
    tally: Tally
    explained: int
    workers: int | None
    odd: dict[int, str]
    computed_on: str = AS_IT_IS

    @classmethod
    def of(
        cls,
        given: Model | nn.Module,
        data: Data,
        *,
        count: int | None,
        explain: int,
        workers: int | None,
        keep_scores: bool = False,
    ) -> LabelledRun:
        """Check what was asked for, and find out what the labels mean from the answer to one image.

        Parameters
        ----------
        given : Model or torch.nn.Module
            The network.
        data : str, Path, data set, ...
            Labelled images.
        count : int, optional
            At most how many of the images.
        explain : int
            How many wrong answers are explained.
        workers : int, optional
            Threads that read images.
        keep_scores : bool
            Whether the probabilities of every answer are kept.

        Raises
        ------
        UsageError
            If nothing says what the images show, the output is not right or wrong by a label, or
            a number is out of range.
        """
        model = as_model(given)
        dataset = open_inputs(data, model.preprocessing, count)
        indices, bare, odd = _by_label(dataset)
        sample = first_batch(dataset, model, indices or bare or [*odd])
        told = bool(indices) or sample.labels[0] >= 0
        if not told and not odd:
            raise _unlabelled(dataset, odd)
        seen = capture(model, sample.tensor, layers=(), gradients=False)
        reading = read_output(model, seen.logits)
        check_kind(reading)
        truth = truth_of(dataset, reading)
        if odd and are_named(dataset, odd, truth.names):
            dataset, truth = NamedLabels(dataset, truth.names), replace(truth, by="name", note="")
            indices, bare, odd = _by_label(dataset)
        elif not told:
            raise _unlabelled(dataset, odd)
        for index in indices:
            truth.of(dataset.labels(index), dataset.name(index))
        # Some data sets tell a label only with the image, and where labels are independent an
        # image without any is an answer, too.
        several = reading.kind == OutputKind.LABELS
        kept = sorted([*indices, *bare]) if several or not indices else indices
        tally = Tally(truth.names, reading.kind or OutputKind.CLASSES, keep_scores=keep_scores)
        return cls(model, dataset, kept, reading, truth, tally, explain, workers, odd)

    @property
    def noun(self) -> str:
        """What one input is called."""
        return self.model.space.noun

    def run(
        self,
        progress: Progress,
        processes: Processes,
        state: Path | None = None,
        shard: int | None = None,
    ) -> list[str]:
        """Answer every image, or the share of this process, and return what a reader must know.

        Parameters
        ----------
        progress : callable
            Called before each batch.
        processes : Processes
            Which process this is of how many.
        state : Path, optional
            A folder for what was counted so far.
        shard : int, optional
            Images in a shard.
        """
        found = self._counted(progress, processes, state, shard)
        found.fill(self.tally, self.dataset.name)
        if len(found.refused) == len(self.indices):
            raise nothing_left(list(found.refused.values()), self.dataset)
        notes = [self.model.doubt, self.truth.note, *self.dataset.notes]
        if self.model.untrained:
            notes.insert(0, "The weights of this network are random: its answers mean nothing.")
        left = len(self.dataset) - len(self.indices) - len(self.odd) + found.unlabelled
        if left:
            notes.append(f"{plural(left, self.noun)} without a label left out.")
        if self.odd:
            notes.append(
                f"{plural(len(self.odd), self.noun)} whose label is no class left out: "
                f"{_told_odd(self.dataset, self.odd)}"
            )
        if found.refused:
            lost = list(found.refused.values())
            notes.append(f"{plural(len(lost), self.noun)} could not be read: {reasons(lost, 3)}.")
        if found.lost:
            names = [self.dataset.name(place) for place in found.lost]
            notes.append(
                f"{plural(len(names), 'answer')} NaN or infinite, left out: "
                f"{first_few(names, 3, '.')}"
            )
        if not self.tally.images:
            raise ModelError(
                f"{self.model.name} gives no answer that is a number to any {self.noun}.",
                "gradient_flow, or cnnviz gradient-flow, names the first layer that gives none.",
            )
        if self.tally.several:
            notes.append(
                f"Each {self.noun} is taken to have the labels that the data says, and no "
                "others; a label "
                "is answered where its probability is above one half."
            )
        return [note for note in notes if note]

    def _counted(
        self, progress: Progress, processes: Processes, state: Path | None, shard: int | None
    ) -> AnswerPortion:
        """Return what all processes have counted together."""
        depends = depends_on(
            self.model,
            self.dataset,
            (),
            format=FORMAT,
            classes=[*self.truth.names],
            matched=[self.truth.by, *self.truth.places],
            kind=self.tally.kind.value,
            scores=self.tally.keep_scores,
        )
        found = share_scan(
            self.model,
            self.dataset,
            (),
            lambda size: _Counter(self, size),
            AnswerPortions(),
            processes=processes,
            depends=depends,
            state=state,
            shard=shard,
            workers=self.workers,
            chosen=self.indices,
            progress=progress,
        )
        self.computed_on = found.computed_on
        # A process that has answered few or none explains as one that has answered all.
        expect_many(self.model, first_batch(self.dataset, self.model, self.indices).tensor)
        return found.whole

    def result(
        self,
        kind: type[Counted],
        mistakes: Sequence[Mistake],
        notes: Sequence[str],
        progress: Progress,
        *,
        seed: int | None = None,
        **measured: Any,
    ) -> Counted:
        """Explain the first of the mistakes, and return a result of this kind.

        Parameters
        ----------
        kind : type
            The type of the result.
        mistakes : sequence of Mistake
            Wrong answers, worst first.
        notes : sequence of str
            What `run` said.
        progress : callable
            Called before each heatmap.
        seed : int, optional
            The seed of what is drawn at random.
        **measured
            What such a result holds besides the counts of the pass.
        """
        explainer = Explainer(self.model, self.dataset)
        examples = explainer.explain(mistakes[: self.explained], progress)
        progress(1, 1, "done")
        told = [*notes, *([explainer.why_none] if explainer.why_none else [])]
        sources = [each.source for each in examples]
        measures = self.tally.measures
        shown = () if self.tally.several else measures
        return kind(
            provenance=self.model.provenance(
                sources, seed=seed, notes=told, computed_on=self.computed_on
            ),
            kind=self.reading.kind or OutputKind.CLASSES,
            data=self.dataset.describe(),
            fingerprint=self.dataset.fingerprint,
            matched_by=self.truth.by,
            matched=self.truth.told,
            images=self.tally.images,
            decisions=self.tally.decisions,
            wrong=len(self.tally.mistakes),
            mistakes=tuple(mistakes),
            examples=tuple(examples),
            measures=measures,
            shown_classes=tuple(each.name for each in shown),
            confusion=confusion_of(list(self.tally.pairs.items()), shown),
            calibration=self.tally.calibration,
            layer=explainer.layer,
            noun=self.noun,
            **measured,
        )


class _Counter:
    """Counts the answers that fall to one process."""

    def __init__(self, job: LabelledRun, shard: int) -> None:
        self._job, self._shard = job, shard
        self._tally = Tally(job.tally.names, job.tally.kind, keep_scores=job.tally.keep_scores)
        self._lost: list[int] = []
        self._unlabelled = 0

    def see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        """Look at no layer: the answers say it all."""

    def answered(self, output: Any, batch: LoadedBatch) -> None:
        """Count the answers to a batch."""
        self._tally.shard = int(batch.indices[0]) // self._shard
        scores = scores_of(self._job.model, output).detach()
        # One answer that is no number is not to end an analysis of many.
        ranked = ~(scores.isnan() | scores.isposinf()).flatten(1).any(1)
        self._lost += batch.indices[~ranked.cpu().numpy()].tolist()
        rows = ranked.nonzero().flatten()
        if not len(rows):
            return
        shares = probabilities(self._job.model, scores[rows])[0].numpy()
        for row, share in zip(rows.tolist(), shares, strict=True):
            self._add(int(batch.indices[row]), int(batch.labels[row]), share)

    def portion(self, shards: tuple[int, ...], refused: Mapping[int, Refusal]) -> AnswerPortion:
        """Return everything, as what these shards hold."""
        return AnswerPortion.of(shards, self._tally, self._unlabelled, self._lost, refused)

    def _add(self, index: int, label: int, shares: NDArray[np.float64]) -> None:
        """Count the answer to one image; `label` is what was read with it, or -1."""
        dataset = self._job.dataset
        labels = dataset.labels(index)
        if not labels and label >= 0:
            labels = (label,)
        if not labels and not self._tally.several:
            self._unlabelled += 1
            return
        name = dataset.name(index)
        self._tally.add(index, name, self._job.truth.of(labels, name), shares)


def _by_label(dataset: Dataset) -> tuple[list[int], list[int], dict[int, str]]:
    """Return the images with labels, those without, and those whose label is no class, with it."""
    indices, bare, odd = [], [], {}
    for index in range(len(dataset)):
        if dataset.labels(index):
            indices.append(index)
        elif (written := dataset.odd_label(index)) is not None:
            odd[index] = written
        else:
            bare.append(index)
    return indices, bare, odd


def _told_odd(dataset: Dataset, odd: Mapping[int, str]) -> str:
    told = [f"{dataset.name(index)} ({written!r})" for index, written in odd.items()]
    return first_few(told, 3, ".")


def _unlabelled(dataset: Dataset, odd: Mapping[int, str]) -> UsageError:
    if odd:
        return UsageError(
            f"No label of {dataset.describe()} is a class: {_told_odd(dataset, odd)}",
            "Write the number of the class, as the outputs of the network count, from 0, or its "
            "name to the letter.",
        )
    return UsageError(
        f"Nothing says what the images show ({dataset.describe()}).",
        "Sort them into a folder for each class, or list them in a CSV file with the columns path "
        "and label.",
    )
