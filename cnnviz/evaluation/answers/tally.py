"""Answers counted while the images go by: nothing of an image stays but its mistakes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.evaluation.answers.measures import BINS, Calibration, ClassMeasures, bins_of
from cnnviz.models import OutputKind


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes
    ----------
    place : int
        The place of the image in the data set.
    image : str
        Its name.
    truth, answer : str
        What the label says, and what the network says. Of independent labels one of the two is
        "not" the label.
    truth_class, answer_class : int
        The classes; of independent labels both are the label that is wrong.
    confidence : float
        The probability of the answer.
    truth_probability : float
        The probability of what is right.
    """

    derived: ClassVar[tuple[str, ...]] = ("loss",)

    place: int
    image: str
    truth: str
    answer: str
    truth_class: int
    answer_class: int
    confidence: float
    truth_probability: float

    @property
    def loss(self) -> float:
        """The cross-entropy of the answer: minus the logarithm of the right one's probability."""
        return -math.log(self.truth_probability) if self.truth_probability > 0.0 else math.inf

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that it is about, the answer first."""
        return tuple(dict.fromkeys((self.answer_class, self.truth_class)))

    @property
    def missed(self) -> bool:
        """Of an independent label whether it holds, and the network does not say so."""
        return self.truth_class == self.answer_class and self.answer == f"not {self.truth}"


def surest_first(mistake: Mistake) -> tuple[float, float, int]:
    """Order mistakes by how sure they are, the surest first.

    Where a softmax is as sure as numbers allow, the loss tells apart.
    """
    return -mistake.confidence, -mistake.loss, mistake.place


class Tally:
    """What is known of the answers so far.

    Parameters
    ----------
    names : sequence of str
        The names of the classes.
    kind : OutputKind
        Whether one class is right or each label is by itself.
    keep_scores : bool
        Whether what is right and the probabilities of each image are kept as well, in `truths` and
        `scores`.

    Attributes
    ----------
    shard : int
        The shard of the images that are added. What is no whole number is added up by shards, and
        the sums then in their order, so that it does not matter who counted which.
    """

    def __init__(
        self, names: Sequence[str], kind: OutputKind, *, keep_scores: bool = False
    ) -> None:
        self.names = tuple(names)
        self.kind = kind
        self.several: bool = kind == OutputKind.LABELS
        self.keep_scores = keep_scores
        self.truths: list[tuple[int, ...]] = []
        self.scores: list[NDArray[np.float64]] | NDArray[np.float64] = []
        self.answered_images: list[str] = []
        self.answered_places: list[int] = []
        self.mistakes: list[Mistake] = []
        self.pairs: Counter[tuple[int, int]] = Counter()
        self.images, self.decisions = 0, 0
        self._labelled, self._answered, self._right = np.zeros((3, len(names)), np.int64)
        self._counts, self._hits = np.zeros((2, BINS), np.int64)
        self._sums: dict[int, NDArray[np.float64]] = {}
        self.shard = 0

    def add(
        self, place: int, image: str, truths: Sequence[int], shares: NDArray[np.float64]
    ) -> None:
        """Count the answer to one image.

        Parameters
        ----------
        place, image : int, str
            The place of the image in the data set, and its name.
        truths : sequence of int
            The classes that are right.
        shares : ndarray of float64
            The probability of each class, [K].

        Raises
        ------
        UsageError
            If not exactly one class is right where the network answers with one.
        """
        self.images += 1
        if self.several:
            self._add_labels(place, image, truths, shares)
            return
        if len(truths) != 1:
            raise UsageError(
                f"{image} has {len(truths)} labels, and the network answers with one class.",
                "Give one label, or declare --output labels for a network of independent labels.",
            )
        self._keep(place, image, truths, shares)
        truth, answer = truths[0], int(shares.argmax())
        self.pairs[truth, answer] += 1
        self._labelled[truth] += 1
        self._answered[answer] += 1
        self._right[truth] += truth == answer
        self._decided(shares[answer : answer + 1], np.array([truth == answer]))
        if truth != answer:
            self.mistakes.append(
                Mistake(
                    place,
                    image,
                    *self.words(truth, answer),
                    truth,
                    answer,
                    float(shares[answer]),
                    float(shares[truth]),
                )
            )

    def _add_labels(
        self, place: int, image: str, truths: Sequence[int], shares: NDArray[np.float64]
    ) -> None:
        self._keep(place, image, truths, shares)
        held = np.zeros(len(self.names), bool)
        held[list(truths)] = True
        given = shares > 0.5
        self._labelled += held
        self._answered += given
        self._right += held & given
        sure = np.where(given, shares, 1.0 - shares)
        self._decided(sure, held == given)
        for index in np.flatnonzero(held != given).tolist():
            words = self.words(index, index, missed=bool(held[index]))
            self.mistakes.append(
                Mistake(
                    place, image, *words, index, index, float(sure[index]), float(1.0 - sure[index])
                )
            )

    def _keep(
        self, place: int, image: str, truths: Sequence[int], shares: NDArray[np.float64]
    ) -> None:
        if self.keep_scores and isinstance(self.scores, list):
            self.answered_images.append(image)
            self.answered_places.append(place)
            self.truths.append(tuple(truths))
            # A row of a batch would keep the whole of it.
            self.scores.append(shares.copy())

    def _decided(self, sure: NDArray[np.float64], right: NDArray[np.bool_]) -> None:
        self.decisions += len(sure)
        bins = bins_of(sure)
        np.add.at(self._counts, bins, 1)
        np.add.at(self._hits, bins, right)
        np.add.at(self._sums.setdefault(self.shard, np.zeros(BINS)), bins, sure)

    def words(self, truth: int, answer: int, *, missed: bool = False) -> tuple[str, str]:
        """Return what is right and what was answered, of a label also that it does not hold."""
        if not self.several:
            return self.names[truth], self.names[answer]
        name = self.names[truth]
        return (name, f"not {name}") if missed else (f"not {name}", name)

    def counted(self) -> dict[str, NDArray[Any]]:
        """Return the counts as arrays, and the sums of each shard."""
        pairs = [(*pair, count) for pair, count in self.pairs.items()]
        return {
            "images": np.array(self.images),
            "decisions": np.array(self.decisions),
            "labelled": self._labelled,
            "answered": self._answered,
            "right": self._right,
            "counts": self._counts,
            "hits": self._hits,
            "summed": np.array([*self._sums], np.int64),
            "sums": np.array([*self._sums.values()]).reshape(-1, BINS),
            "pairs": np.array(pairs, np.int64).reshape(-1, 3),
        }

    def recount(self, found: Mapping[str, NDArray[Any]]) -> None:
        """Hold what `counted` returned, of one tally or of several."""
        self.images, self.decisions = int(found["images"]), int(found["decisions"])
        self._labelled, self._answered = found["labelled"], found["answered"]
        self._right, self._counts, self._hits = found["right"], found["counts"], found["hits"]
        self._sums = dict(zip(found["summed"].tolist(), found["sums"], strict=True))
        self.pairs = Counter()
        for truth, answer, count in found["pairs"].tolist():
            self.pairs[truth, answer] += count

    @property
    def calibration(self) -> Calibration:
        """How often the answers were right, by how sure the network was."""
        filled = self._counts > 0
        means = np.full(BINS, np.nan)
        sums = sum((self._sums[shard] for shard in sorted(self._sums)), np.zeros(BINS))
        means[filled] = sums[filled] / self._counts[filled]
        return Calibration(self._counts.copy(), self._hits.copy(), means)

    @property
    def measures(self) -> tuple[ClassMeasures, ...]:
        """Recall, precision and F1 of each class that has a label or an answer, in order."""
        counted = zip(self.names, self._labelled, self._answered, self._right, strict=True)
        return tuple(
            ClassMeasures(index, name, int(labelled), int(answered), int(right))
            for index, (name, labelled, answered, right) in enumerate(counted)
            if labelled or answered
        )
