"""A network that knows one task learns another: frozen, fine-tuned, and from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.course.small_trainings import FEWEST, LEVEL, MOST, sign_flip
from cnnviz.course.transfer import BATCH, HEAD_RATE, PENALTY, WEIGHT_DECAY
from cnnviz.course.transfer_tasks import TASKS, TransferTask
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.results import drawing
from cnnviz.results.intervals import t_reach
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Provenance
from cnnviz.results.table import Table, TableColumn, TableResult
from cnnviz.results.text import itemised, joined, mean_and_spread, plural, whole_percent
from cnnviz.views._transfer_data import of_data
from cnnviz.views._transfer_material import Material, of_scenes
from cnnviz.views._transfer_run import (
    COMPARED,
    FROZEN,
    METHODS,
    RATES,
    SCRATCH,
    TUNED,
    Found,
    epochs_for,
    run_all,
)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TransferLearning(TableResult):
    """M ways to learn a new task, from N numbers of samples, with S seeds each.

    With one seed all methods have the same samples, and the trained ones the same batches. The
    samples that judge are the same for all seeds, and nothing was chosen by them.

    Attributes
    ----------
    source : str
        The network that knew another task.
    task, told : str
        The name of the new task, and what it asks.
    classes : tuple of str
        The K classes of the task.
    methods : tuple of str
        "frozen": a new linear layer on the network's features; "fine-tuned": all of the network
        trained on; "scratch": the same with weights drawn anew, [M].
    samples : ndarray of int64
        How many training samples of each class, [N].
    epochs : ndarray of int64
        How often each method trains on each of them, [M, N]; 0 where the features are frozen.
    seeds : ndarray of int64
        The seed of each training, [S].
    accuracy, train_accuracy : ndarray of float64
        The share of right answers to the samples that judge, and to those of the training,
        [M, N, S].
    test_samples : int
        How many samples judge.
    layers : tuple of str
        The L layers that were compared before and after fine-tuning on the most samples; none
        where nothing was fine-tuned.
    cka : ndarray of float64
        Centred kernel alignment of each layer with itself before, [L, S]: 1 where it tells the
        images of the new task apart as it did; NaN where it is the same for all images.
    weight_change : ndarray of float64
        How far the parameters of each layer moved, as a share of their norm, [L, S]; NaN for one
        without any.
    examples : ndarray of uint8
        A few training images of each class as the network takes them, [K, E, h, w, 3].
    """

    left_out: ClassVar[tuple[str, ...]] = ("examples",)
    derived: ClassVar[tuple[str, ...]] = (
        "by_chance", "mean_accuracy", "deviation", "interval", "pairs", "differences",
        "differences_chance", "change_chance",
    )  # fmt: skip

    source: str
    task: str
    told: str
    classes: tuple[str, ...]
    methods: tuple[str, ...]
    samples: NDArray[np.int64]
    epochs: NDArray[np.int64]
    seeds: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_samples: int
    layers: tuple[str, ...]
    cka: NDArray[np.float64]
    weight_change: NDArray[np.float64]
    examples: NDArray[np.uint8]

    @property
    def by_chance(self) -> float:
        """The accuracy of guessing, where all classes are as frequent."""
        return 1.0 / len(self.classes)

    @property
    def mean_accuracy(self) -> NDArray[np.float64]:
        """The mean accuracy over the seeds, [M, N]."""
        return np.asarray(self.accuracy.mean(2))

    @property
    def deviation(self) -> NDArray[np.float64]:
        """One standard deviation over the seeds, [M, N]; NaN for one seed."""
        return _deviation(self.accuracy)

    @property
    def interval(self) -> NDArray[np.float64]:
        """The 95 % interval of each mean over the seeds (Student's t), [M, N, 2]; NaN for one.

        It is cut off at 0 and 1, which no share goes beyond.
        """
        reach = t_reach(len(self.seeds)) * self.deviation
        ends = [self.mean_accuracy - reach, self.mean_accuracy + reach]
        return np.clip(np.stack(ends, axis=2), 0.0, 1.0)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The P pairs of methods that are compared, in the order of `METHODS`."""
        order = [(FROZEN, SCRATCH), (TUNED, SCRATCH), (TUNED, FROZEN)]
        return tuple(pair for pair in order if {*pair} <= {*self.methods})

    @property
    def differences(self) -> NDArray[np.float64]:
        """The accuracy of the first of each pair less that of the other, [P, N, S]."""
        found = [self._of(first) - self._of(other) for first, other in self.pairs]
        return np.array(found).reshape(len(self.pairs), *self.accuracy.shape[1:])

    @property
    def differences_chance(self) -> NDArray[np.float64]:
        """How often chance alone makes a mean difference as large, [P, N] (Fisher 1935)."""
        return np.array([[sign_flip(row) for row in pair] for pair in self.differences]).reshape(
            self.differences.shape[:2]
        )

    @property
    def change_chance(self) -> float:
        """How often chance alone makes the last layer's CKA differ as much from the first's.

        NaN where fewer than two layers were compared, or a CKA is not known.
        """
        difference = self._first_less_last()
        return sign_flip(difference) if np.isfinite(difference).all() else float("nan")

    def _first_less_last(self) -> NDArray[np.float64]:
        if len(self.layers) < 2:
            return np.full(len(self.seeds), np.nan)
        return np.asarray(self.cka[0] - self.cka[-1])

    def _of(self, method: str) -> NDArray[np.float64]:
        return np.asarray(self.accuracy[self.methods.index(method)])

    def summary(self) -> str:
        """Say how accurate each method is at both ends, and which differences can be shown."""
        ends = [0] if len(self.samples) == 1 else [0, len(self.samples) - 1]
        parts = []
        for at in ends:
            each = [
                f"{method} {mean_and_spread(100.0 * self._of(method)[at])} %"
                for method in self.methods
            ]
            parts.append(f"with {plural(self.samples[at], 'sample')} a class {joined(each)}")
        compared = [self.compared(place) for place in range(len(self.pairs))]
        name = self.task.capitalize() if self.task in TASKS else self.task
        return ". ".join([f"{name}, {'; '.join(parts)}", *compared])

    def compared(self, pair: int) -> str:
        """Say of a pair of methods where a difference was shown, and where none can be."""
        first, other = self.pairs[pair]
        better, worse, unclear = [], [], []
        for at, chance in enumerate(self.differences_chance[pair]):
            difference = self.differences[pair, at]
            if chance > LEVEL:
                unclear.append(str(self.samples[at]))
            elif difference.mean() > 0.0:
                better.append(
                    f"{mean_and_spread(100.0 * difference)} points with {self.samples[at]}"
                )
            else:
                worse.append(
                    f"{mean_and_spread(-100.0 * difference)} points with {self.samples[at]}"
                )
        said = [f"better by {joined(better)}"] if better else []
        said += [f"worse by {joined(worse)}"] if worse else []
        if unclear:
            said.append(f"no difference that these seeds can show with {joined(unclear)}")
        return f"{first.capitalize()} against {other}: {itemised(said, len(said))}"

    def changed(self) -> str:
        """Say whether fine-tuning changed the last layer more than the first; nothing without."""
        if len(self.layers) < 2:
            return ""
        first, last = self.cka[0], self.cka[-1]
        if not np.isfinite(self._first_less_last()).all():
            return "How much fine-tuning changed the first and the last layer was not measured"
        measured = (
            f"the CKA of {self.layers[0]} before and after is {mean_and_spread(first)}, that of "
            f"{self.layers[-1]} {mean_and_spread(last)}"
        )
        if self.change_chance > LEVEL:
            return f"Fine-tuning: {measured}, no difference that these seeds can show"
        deep = float(first.mean()) > float(last.mean())
        return (
            f"Fine-tuning changed the {'last' if deep else 'first'} layer more than the "
            f"{'first' if deep else 'last'}: {measured}"
        )

    def caption(self) -> str:
        """Say what was trained on what, how it was judged, and what bands and bars are."""
        return " ".join(filter(None, [self._task_told(), self._methods_told(), self._lines_told()]))

    def _task_told(self) -> str:
        return (
            f"{self.source} learns a new task: {self.told}. Each accuracy is of "
            f"{plural(self.test_samples, 'sample')} that no training saw; guessing has "
            f"{whole_percent(self.by_chance)}."
        )

    def _methods_told(self) -> str:
        told = {
            FROZEN: "frozen: its features stay as they are, computed once, and a logistic "
            f"regression (L2 penalty {PENALTY:g}) is fitted to them, standardised",
            TUNED: "fine-tuned: all of it goes on learning at a rate of "
            f"{RATES[TUNED]:g}, before a new linear layer that begins at zeros, at {HEAD_RATE:g}",
            SCRATCH: "from scratch: all its weights are drawn anew (He et al. 2015) and learn at "
            f"{RATES[SCRATCH]:g}",
        }
        said = itemised([told[method] for method in self.methods], len(self.methods))
        found = f"{said[0].upper()}{said[1:]}."
        if not {TUNED, SCRATCH} & {*self.methods}:
            return found
        sizes = joined([str(count) for count in self.samples])
        epochs = joined(
            [
                f"{joined([str(count) for count in row])} epochs {method}"
                for method, row in zip(self.methods, self.epochs, strict=True)
                if method != FROZEN
            ]
        )
        return (
            f"{found} AdamW (weight decay {WEIGHT_DECAY:g}) takes batches of about {BATCH}, over "
            f"{sizes} samples a class for {epochs}; how far each fits its own samples is in the "
            "table."
        )

    def _lines_told(self) -> str:
        changed = f" {self.changed()}." if self.changed() else ""
        changes = (
            " What fine-tuning on the most samples changed, layer by layer: the centred kernel "
            "alignment of a layer with itself before (CKA, linear; Kornblith et al. 2019) over "
            f"{plural(min(self.test_samples, COMPARED), 'sample')} that judge, where 1 is "
            "nothing, and how far its weights moved as a share of their norm. Steps of Adam are "
            "about as long for every weight, so that of layers with small weights a larger share "
            f"moves. Yosinski et al. (2014) found early layers general and late ones specific."
            f"{changed}"
            if self.layers
            else ""
        )
        return f"{self._spread_told()}{changes}"

    def _spread_told(self) -> str:
        if len(self.seeds) < 2:
            return "There is one seed, so that nothing is known of the spread."
        own = "samples and batches" if {TUNED, SCRATCH} & {*self.methods} else "samples"
        alike = ", the same for all methods" if len(self.methods) > 1 else ""
        drawn = ", and from scratch weights of its own" if SCRATCH in self.methods else ""
        spread = (
            f"Lines are means over {plural(len(self.seeds), 'seed')}, each with {own} of its own"
            f"{alike}{drawn}; bands and ± are one standard deviation over the seeds."
        )
        if not self.pairs:
            return spread
        few = (
            f" With fewer than {FEWEST} seeds no difference can be shown."
            if len(self.seeds) < FEWEST
            else ""
        )
        return (
            f"{spread} Differences are taken seed by seed: a dot for each, a bar at the mean, "
            "filled where at most one in twenty choices of their signs has a mean as far from 0 "
            f"(Fisher 1935), each number of samples by itself.{few}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw samples, accuracy over the number of them, differences, and what changed."""
        from cnnviz.views.pictures.transfer_learning import draw

        return draw(self, into)

    def table(self) -> Table:
        """Return a row for each method and number of samples."""
        percent = [
            TableColumn(name, "%")
            for name in (
                "accuracy", "standard deviation", "from", "to", "accuracy in training",
            )
        ]  # fmt: skip
        columns: list[str | TableColumn] = [
            "method",
            "samples a class",
            "epochs",
            "seeds",
            *percent,
        ]
        columns += [TableColumn("better than scratch by", "points"), "chance of that"]
        rows = [self._row(m, n) for n in range(len(self.samples)) for m in range(len(self.methods))]
        return Table.of(columns, rows)

    def _row(self, method: int, at: int) -> list[str | float | int | None]:
        name = self.methods[method]
        pair = (name, SCRATCH)
        better: list[float | None] = [None, None]
        if pair in self.pairs:
            place = self.pairs.index(pair)
            better = [
                100.0 * float(self.differences[place, at].mean()),
                float(self.differences_chance[place, at]),
            ]
        shares = [
            self.mean_accuracy[method, at], self.deviation[method, at],
            *self.interval[method, at], self.train_accuracy[method, at].mean(),
        ]  # fmt: skip
        return [
            name, int(self.samples[at]), int(self.epochs[method, at]) or None,
            len(self.seeds), *(100.0 * float(share) for share in shares), *better,
        ]  # fmt: skip


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(values.std(-1, ddof=1))


@bounded
def transfer_learning(
    model: Model | nn.Module,
    task: Data = "letters",
    *,
    methods: str | Sequence[str] | None = None,
    samples: Annotated[int | Sequence[int], Within(1, 100_000)] = (2, 8, 32, 128),
    seeds: Annotated[int, Within(1, MOST)] = 6,
    epochs: Annotated[int, Within(1, 1_000)] = 10,
    test: Annotated[int, Within(1, 100_000)] = 400,
    layers: Layers | None = None,
    seed: Seed = 0,
    progress: Progress = silent,
) -> TransferLearning:
    """Let a trained network learn a new task: with its features frozen, fine-tuned, from scratch.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A classifier that ends with a linear layer. It is left as it was; copies are trained.
    task : str, Path, data set object, or images
        "letters": which of four letters it is, in scenes of `shapes`; "directions": which way an
        arrow points, which networks on `shapes` were taught to ignore; or images of your own with
        labels: a folder with a folder for each class, a CSV file, whatever
        `cnnviz.open_dataset` opens.
    methods : str or sequence of str, optional
        Of "frozen", "fine-tuned" and "scratch"; by default all for the two tasks of scenes, and
        "frozen" alone for images of your own, since the others may take hours.
    samples : int or sequence of int
        How many training samples of each class.
    seeds : int
        How many trainings of each kind, 1 to 12; with fewer than 6 no difference can be shown.
    epochs : int
        How often a training from scratch sees each of 128 samples a class, and fine-tuning half as
        often; of a quarter as many each is seen twice as often.
    test : int
        How many samples judge; of images of your own at most a third of each class.
    layers : str or sequence of str, optional
        Which layers are compared before and after fine-tuning; by default every convolution, or the
        ends of stages where there are more than twelve. The last layer, which is exchanged, and
        what holds it are left out.
    seed : int
        The first seed. Global generators are put back.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before and after each training.

    Returns
    -------
    TransferLearning

    Raises
    ------
    UsageError
        If a number is out of range, the network does not end with a linear layer, or a class has
        too few images.
    """
    model = as_model(model)
    check_takes_images(model, "transfer_learning")
    sizes = [samples] if isinstance(samples, int) else list(samples)
    _check(sizes)
    scenes = _scenes(task)
    chosen = _methods(methods, METHODS if scenes is not None else (FROZEN,))
    sizes = sorted({*sizes})
    numbers = range(seed, seed + seeds)
    progress(0, 1, "drawing scenes" if scenes is not None else "reading images")
    with torch.inference_mode(False):
        material = (
            of_data(model, task, sizes[-1], numbers, test)
            if scenes is None
            else of_scenes(model, scenes, sizes[-1], numbers, test)
        )
        found = run_all(material, chosen, sizes, epochs, numbers, layers, progress)
    return _result(material, found, chosen, sizes, epochs, seed)


def _result(
    material: Material,
    found: Found,
    methods: Sequence[str],
    sizes: Sequence[int],
    epochs: int,
    seed: int,
) -> TransferLearning:
    model = material.model
    return TransferLearning(
        provenance=Provenance(
            model=model.name,
            weights=model.weights,
            weights_sha256=model.sha256,
            preprocessing=model.preprocessing.describe(),
            seed=seed,
            notes=(*model.notes, *material.notes),
        ),
        source=model.name,
        task=material.task,
        told=material.told,
        classes=material.classes,
        methods=tuple(methods),
        samples=np.array(sizes, np.int64),
        epochs=np.array(
            [[epochs_for(method, epochs, size) for size in sizes] for method in methods], np.int64
        ),
        seeds=np.arange(seed, seed + len(material.training)),
        accuracy=found.accuracy,
        train_accuracy=found.train_accuracy,
        test_samples=len(material.judging),
        layers=found.layers,
        cka=found.cka,
        weight_change=found.weight_change,
        examples=material.examples(),
    )


def _scenes(task: Data) -> TransferTask | None:
    """Return the task of scenes of this name, or None for images of one's own."""
    if not isinstance(task, str) or task in TASKS:
        return TASKS.get(task) if isinstance(task, str) else None
    meant = did_you_mean(task, TASKS, "")
    if meant and not Path(task).exists():
        raise UsageError(f"There is no task {task!r}.", meant)
    return None


def _methods(given: str | Sequence[str] | None, usual: Sequence[str]) -> tuple[str, ...]:
    asked = usual if given is None else given.split(",") if isinstance(given, str) else given
    words = [one.strip() for one in asked]
    for word in words:
        if word not in METHODS:
            raise UsageError(
                f"There is no method {word!r} of transfer.",
                did_you_mean(word, METHODS, f"Choose from {', '.join(METHODS)}."),
            )
    if not words:
        raise UsageError("No method of transfer is named.", f"Choose from {', '.join(METHODS)}.")
    return tuple(method for method in METHODS if method in words)


def _check(samples: Sequence[int]) -> None:
    if not samples:
        raise UsageError("No number of samples is given.", "Give one or more, such as 2 and 8.")
