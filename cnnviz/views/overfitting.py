"""How a small network learns few scenes by heart, and what of the usual means holds it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.course.overfitting import (
    BATCH,
    DIFFICULTY,
    RATE,
    SIDE,
    Recipe,
    draw_scenes,
    parameter_count,
    recipes,
    train,
)
from cnnviz.course.small_trainings import FEWEST, LEVEL, MOST, cannot_show, sign_flip
from cnnviz.datasets.shapes import CLASSES
from cnnviz.results import drawing
from cnnviz.results.aligned_numbers import mean_and_spread
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import count, itemised, joined, plural

STOPPING = "early stopping"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Overfitting(Result):
    """V variants of one small network, trained with S seeds for E epochs each.

    With one seed all variants have the same weights at the start, the same training scenes and
    the same batches. Validation and test scenes are the same for all seeds; the epoch of early
    stopping is chosen by the validation scenes and judged by the test scenes.

    Attributes
    ----------
    variants : tuple of str
        The trainings, the first of them with nothing that holds it back, [V].
    seeds : ndarray of int64
        The seed of each training, [S].
    train_loss, validation_loss, test_loss : ndarray of float64
        The mean cross-entropy in nats after each epoch, [V, S, E], without dropout, of scenes as
        they are.
    train_accuracy, validation_accuracy, test_accuracy : ndarray of float64
        The share that is answered rightly, [V, S, E].
    scenes, validation_scenes, test_scenes : int
        How many scenes a training has, and by how many it is followed and judged.
    classes : int
        How many classes the scenes have.
    parameters : int
        How many parameters the network has.
    batch, rate : int, float
        Scenes in a batch, and the learning rate of AdamW.
    dropout, weight_decay : float
        How much of each, in the variants that have it.
    """

    derived: ClassVar[tuple[str, ...]] = (
        "epochs", "techniques", "stopped", "mean_curves", "loss_changes", "accuracy_changes",
        "loss_chance", "accuracy_chance",
    )  # fmt: skip

    variants: tuple[str, ...]
    seeds: NDArray[np.int64]
    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    validation_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    scenes: int
    validation_scenes: int
    test_scenes: int
    classes: int
    parameters: int
    batch: int
    rate: float
    dropout: float
    weight_decay: float

    @property
    def epochs(self) -> int:
        """How many epochs each training has."""
        return int(self.train_loss.shape[2])

    @property
    def techniques(self) -> tuple[str, ...]:
        """What was tried against overfitting, [T]: the other variants, and early stopping."""
        return (*self.variants[1:], STOPPING)

    @property
    def stopped(self) -> NDArray[np.int64]:
        """The epoch, from 1, at which the plain network's validation loss is least, [S]."""
        return np.asarray(self.validation_loss[0].argmin(1) + 1, np.int64)

    @property
    def mean_curves(self) -> NDArray[np.float64]:
        """The means over the seeds, [2, 2, V, E]: loss and accuracy, in training and validation."""
        losses, shares = (
            (self.train_loss, self.validation_loss),
            (self.train_accuracy, self.validation_accuracy),
        )
        return np.array([[one.mean(1) for one in pair] for pair in (losses, shares)])

    @property
    def loss_changes(self) -> NDArray[np.float64]:
        """The test loss with each technique, less that of the plain network at its end, [T, S]."""
        return self._changes(self.test_loss)

    @property
    def accuracy_changes(self) -> NDArray[np.float64]:
        """The test accuracy with each, less that of the plain network at its end, [T, S]."""
        return self._changes(self.test_accuracy)

    def _changes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        early = values[0, np.arange(len(self.seeds)), self.stopped - 1]
        return np.concatenate([values[1:, :, -1], early[None]]) - values[0, :, -1]

    @property
    def loss_chance(self) -> NDArray[np.float64]:
        """How often chance alone changes the mean test loss as much, [T] (Fisher 1935)."""
        return np.array([sign_flip(row) for row in self.loss_changes])

    @property
    def accuracy_chance(self) -> NDArray[np.float64]:
        """How often chance alone changes the mean test accuracy as much, [T]."""
        return np.array([sign_flip(row) for row in self.accuracy_changes])

    def summary(self) -> str:
        """Say what helped, by how much and with what spread, and what these seeds cannot tell."""
        loss, share = self.test_loss[0, :, -1], 100.0 * self.test_accuracy[0, :, -1]
        return (
            f"Test loss {mean_and_spread(loss)} after {plural(self.epochs, 'epoch')}: "
            f"{self._told(self.loss_changes, self.loss_chance, '')}. Test accuracy "
            f"{mean_and_spread(share)}%: "
            f"{self._told(100.0 * self.accuracy_changes, self.accuracy_chance, ' points')}"
        )

    def _told(self, changes: NDArray[np.float64], chance: NDArray[np.float64], unit: str) -> str:
        parts, unclear = [], []
        for name, row, probability in zip(self.techniques, changes, chance, strict=True):
            if probability > LEVEL:
                unclear.append(name)
                continue
            mean = float(row.mean())
            word = "lowers" if mean < 0.0 else "raises"
            parts.append(f"{name} {word} it by {mean_and_spread(np.sign(mean) * row)}{unit}")
        if unclear:
            parts.append(f"{cannot_show(len(self.seeds))} with {joined(unclear, 'or')}")
        return itemised(parts, len(parts))

    def caption(self) -> str:
        """Say what was trained on what, how it was judged, and of what the spread is."""
        several = len(self.seeds) > 1
        spread = " ± is one standard deviation over the seeds." if several else ""
        return (
            f"A network of {count(self.parameters)} parameters, trained on {self.scenes} scenes of "
            f"shapes ({DIFFICULTY}, {SIDE} x {SIDE} pixels, {self.classes} classes) by AdamW, in "
            f"batches of {self.batch} with a learning rate of {self.rate:g}: plain; with each "
            "batch turned, mirrored and its colours exchanged at random; with dropout of "
            f"{self.dropout:g} before each linear layer (Srivastava et al. 2014); and with a "
            f"decoupled weight decay of {self.weight_decay:g} (Loshchilov and Hutter 2019). "
            f"{self._lines_told()} All is "
            "measured without dropout, on scenes as they are. Early stopping (Prechelt 1998) "
            "takes the plain network at the epoch of least loss (dots) on the "
            f"{self.validation_scenes} validation scenes. At the bottom the change from the plain "
            f"network's end to each, on {self.test_scenes} other scenes, which chose nothing: a "
            f"{'dot for each seed, a bar at the mean' if several else 'dot'}{self._judged()}"
            f"{spread} Other amounts of each, or more scenes, come out differently."
        )

    def _judged(self) -> str:
        """Say which dots are filled, or that none can be, and why."""
        if len(self.seeds) < FEWEST:
            return f". With fewer than {FEWEST} seeds no difference can be shown."
        return (
            "; filled where at most one in twenty choices of the signs of these differences has a "
            "mean as far from 0 (Fisher 1935), each technique by itself."
        )

    def _lines_told(self) -> str:
        if len(self.seeds) == 1:
            return "There is one seed, whose weights, batches and scenes all variants share."
        return (
            f"Thin lines are {plural(len(self.seeds), 'seed')}, each with weights, batches and "
            "training scenes of its own that all variants share; thick ones are their means."
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the curves of each variant, and what each technique changed on the test scenes."""
        from cnnviz.views.pictures.overfitting import draw

        return draw(self, into)

    def __str__(self) -> str:
        """Return what each technique changed, one line for each."""
        wide = max(map(len, self.techniques))
        return "\n".join(
            f"{name:<{wide}}  loss {mean_and_spread(loss, signed=True)} (chance {p:.3f}), "
            f"accuracy {mean_and_spread(100.0 * share, signed=True)} points (chance {q:.3f})"
            for name, loss, p, share, q in zip(
                self.techniques, self.loss_changes, self.loss_chance, self.accuracy_changes,
                self.accuracy_chance, strict=True,
            )
        )  # fmt: skip


@bounded
def overfitting(
    *,
    scenes: Annotated[int, Within(1, 10_000)] = 100,
    epochs: Annotated[int, Within(1, 1_000)] = 30,
    seeds: Annotated[int, Within(1, MOST)] = 6,
    validation: Annotated[int, Within(1, 10_000)] = 100,
    test: Annotated[int, Within(1, 10_000)] = 200,
    dropout: Annotated[float, Within(0.0, 1.0, below=True)] = 0.5,
    weight_decay: Annotated[float, Within(0.0, 1.0 / RATE, below=True)] = 1.0,
    seed: Seed = 0,
    progress: Progress = silent,
) -> Overfitting:
    """Train a small network on few scenes, with and without what holds back overfitting.

    Augmentation, dropout and weight decay are trainings of their own; early stopping is read off
    the plain one. Whether one helped is judged on scenes that chose nothing, seed by seed.

    Parameters
    ----------
    scenes : int
        How many scenes of `shapes` each training has.
    epochs : int
        How often a training sees each of them.
    seeds : int
        How many trainings of each variant, 1 to 12; with fewer than 6 no difference can be shown.
    validation : int
        How many scenes choose the epoch of early stopping.
    test : int
        How many other scenes the variants are compared on.
    dropout : float
        The probability with which dropout sets a value to 0.
    weight_decay : float
        The decoupled weight decay, which AdamW multiplies by the learning rate.
    seed : int
        The first seed, and that of the scenes. Global random generators are restored.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each training.

    Returns
    -------
    Overfitting

    Raises
    ------
    UsageError
        If a number is out of range.
    """
    variants = recipes(dropout, weight_decay)
    found = _trained(variants, (scenes, validation, test), epochs, (seed, seeds), progress)
    (train_loss, validation_loss, test_loss), (train_share, validation_share, test_share) = found
    return Overfitting(
        provenance=Provenance(
            model="small network", weights="trained here", weights_sha256="", seed=seed
        ),
        variants=tuple(one.name for one in variants),
        seeds=np.arange(seed, seed + seeds),
        train_loss=train_loss,
        validation_loss=validation_loss,
        test_loss=test_loss,
        train_accuracy=train_share,
        validation_accuracy=validation_share,
        test_accuracy=test_share,
        scenes=scenes,
        validation_scenes=validation,
        test_scenes=test,
        classes=len(CLASSES),
        parameters=parameter_count(),
        batch=BATCH,
        rate=RATE,
        dropout=dropout,
        weight_decay=weight_decay,
    )


def _trained(
    variants: tuple[Recipe, ...],
    counts: tuple[int, int, int],
    epochs: int,
    seeds: tuple[int, int],
    progress: Progress,
) -> NDArray[np.float64]:
    """Return losses and accuracies on training, validation and test scenes, [2, 3, V, S, E]."""
    scenes, validation, test = counts
    first, many = seeds
    held = draw_scenes(first, "held-out", 0, validation)
    unseen = draw_scenes(first, "held-out", validation, test)
    found = np.zeros((2, 3, len(variants), many, epochs))
    total = many * len(variants)
    for place in range(many):
        own = draw_scenes(first, "train", place * scenes, scenes)
        for at, recipe in enumerate(variants):
            progress(place * len(variants) + at, total, f"{recipe.name}, seed {first + place}")
            found[:, :, at, place] = train(recipe, own, (own, held, unseen), epochs, first + place)
    progress(total, total, "done")
    return found
