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
from cnnviz.course.small_trainings import MOST, sign_flip
from cnnviz.course.transfer_tasks import TASKS, TransferTask
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.results import drawing
from cnnviz.results.intervals import mean_interval
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.table import Table, TableColumn, TableResult
from cnnviz.views import _transfer_text
from cnnviz.views._transfer_data import of_data
from cnnviz.views._transfer_material import Material, of_scenes
from cnnviz.views._transfer_run import (
    FROZEN,
    METHODS,
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
        """The 95% interval of each mean over the seeds (Student's t), [M, N, 2]; NaN for one.

        Of the logit, so that it stays within 0 and 1, which no share goes beyond. Where all seeds
        came to the same, it is that of a share, see `without_spread`.
        """
        each = [mean_interval(one, 0.0, 1.0) for one in self.accuracy.reshape(-1, len(self.seeds))]
        return np.array(each).reshape(*self.accuracy.shape[:2], 2)

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
        if len(self.layers) < 2:
            return float("nan")
        difference = self.cka[0] - self.cka[-1]
        return sign_flip(difference) if np.isfinite(difference).all() else float("nan")

    def _of(self, method: str) -> NDArray[np.float64]:
        return np.asarray(self.accuracy[self.methods.index(method)])

    def summary(self) -> str:
        """Say how accurate each method is at both ends, and which differences can be shown."""
        return _transfer_text.summary(self)

    def compared(self, pair: int) -> str:
        """Say of a pair of methods where a difference was shown, and where none can be."""
        return _transfer_text.compared(self, pair)

    def changed(self) -> str:
        """Say whether fine-tuning changed the last layer more than the first; nothing without."""
        return _transfer_text.changed(self)

    def caption(self) -> str:
        """Say what was trained on what, how it was judged, and what bands and bars are."""
        return _transfer_text.caption(self)

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
        How often a training from scratch sees each sample if there are 128 for each class;
        fine-tuning sees it half as often. With a quarter as many samples, each is seen twice as
        often.
    test : int
        How many samples judge; of images of your own at most a third of each class.
    layers : str or sequence of str, optional
        Which layers are compared before and after fine-tuning; by default every convolution, or the
        ends of stages where there are more than twelve. The last layer, which is exchanged, and
        what holds it are left out.
    seed : int
        The first seed. Global random generators are restored.
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
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
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
