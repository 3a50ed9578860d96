"""Two networks beside each other: how alike their layers are, what they answer, where they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.course.cka import LEAST
from cnnviz.datasets import Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.randomisation import redraw, weighted_layers
from cnnviz.images import Batch, Photo
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model, load
from cnnviz.models.spaces import check_takes_images
from cnnviz.models.whole_image_scores import check_scores_the_image
from cnnviz.passes.resolved_target import Unit
from cnnviz.passes.scan import first_batch
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import ImageSource, Provenance, Result
from cnnviz.results.text import joined, plural
from cnnviz.views._compare_pass import UNKNOWN, Side, accuracy, agreement, run_both
from cnnviz.views._followed import FollowedImage, overlaid, thumbnail

_TILE = 128

Compared = str | Model | nn.Module


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Comparison(Result):
    """The likeness of the A layers of one network with the B layers of another, and their answers.

    Attributes
    ----------
    names : tuple of str
        The two networks.
    layers, other_layers : tuple of str
        The layers of each that are compared, from the shallowest to the deepest.
    cka : ndarray of float64
        [A, B]: centred kernel alignment, 1 where two layers tell the images apart in the same way,
        about 0 where they have nothing in common; NaN where a layer is the same for all images, or
        there are too few of these.
    batch_sizes : ndarray of int64
        How many images there were in each minibatch that counted.
    data : str
        What the images are.
    seen : int
        How many images both networks answered.
    answers : ndarray of int64
        [2, N]: the likeliest class of each image; -1 where a network names none.
    labels : ndarray of int64
        [N]: the class of each image as the data set has it; -1 where that is not known.
    agreement : float
        How often both answer the same class; NaN where they have no class in common.
    accuracies : tuple of float
        The share of the labelled images that each answers rightly; NaN where none is labelled with
        a class of its own.
    examples : tuple of str
        The S images whose answers are drawn.
    truths : tuple of str
        What each of them is labelled with; empty where that is not known.
    example_classes : tuple of tuple of str
        [S, 2]: the likeliest class of each by either network; empty where it names none.
    example_right : tuple of tuple of bool
        [S, 2]: whether that is the label; None where it is not known.
    example_answers : ndarray of float64
        [S, 2]: its probability, or the score that stands for it.
    units : tuple of {"probability", "score"}
        Which of the two, for either network.
    heatmap_layers : tuple of tuple of str
        Where either network's heatmaps are made; empty where it has no layer for them.
    sheet : ndarray of uint8
        [S, 2, h, w, 3]: each image as either network takes it, and where that looked.
    """

    left_out: ClassVar[tuple[str, ...]] = ("sheet",)
    derived: ClassVar[tuple[str, ...]] = ("counted",)

    names: tuple[str, str]
    layers: tuple[str, ...]
    other_layers: tuple[str, ...]
    cka: NDArray[np.float64]
    batch_sizes: NDArray[np.int64]
    data: str
    seen: int
    answers: NDArray[np.int64]
    labels: NDArray[np.int64]
    agreement: float
    accuracies: tuple[float, float]
    examples: tuple[str, ...]
    truths: tuple[str, ...]
    example_classes: tuple[tuple[str, str], ...]
    example_right: tuple[tuple[bool | None, bool | None], ...]
    example_answers: NDArray[np.float64]
    units: tuple[Unit, Unit]
    heatmap_layers: tuple[tuple[str, ...], tuple[str, ...]]
    sheet: NDArray[np.uint8]

    @property
    def counted(self) -> int:
        """How many images the CKA is of."""
        return int(self.batch_sizes.sum())

    def summary(self) -> str:
        """Say how alike the layers are, and how often the answers are the same."""
        first, other = self.names
        known = self.cka[np.isfinite(self.cka)]
        alike = (
            f"CKA of layers {known.min():.2f} to {known.max():.2f}"
            if known.size
            else "no CKA was measured"
        )
        agreed = (
            f"; the same answer to {self.agreement:.0%} of {plural(self.seen, 'image')}"
            if np.isfinite(self.agreement)
            else ""
        )
        return f"{first} and {other}: {alike}{agreed}"

    def caption(self) -> str:
        """Say what was compared with what, over which images, and how to read the picture."""
        first, other = self.names
        return (
            f"{first} and {other} over {plural(self.seen, 'image')} ({self.data}), each prepared "
            f"as either network takes it. {self._cka_told()} On the right the first "
            f"{plural(len(self.examples), 'image')} as either network takes them, its likeliest "
            f"class, and where it looked for that: {self._looked()}, each on its own scale. "
            f"{self._answers_told()}"
        )

    def _cka_told(self) -> str:
        if not len(self.batch_sizes):
            return f"No CKA was measured: it takes {LEAST} images or more."
        least, most = self.batch_sizes.min(), self.batch_sizes.max()
        sizes = f"{least}" if least == most else f"{least} to {most}"
        lacking = (
            " Grey without a number: a layer is the same for all images."
            if not np.isfinite(self.cka).all()
            else ""
        )
        return (
            "On the left the centred kernel alignment (CKA, linear; Kornblith 2019) of every pair "
            f"of layers, from {plural(len(self.batch_sizes), 'minibatch', 'minibatches')} of "
            f"{sizes} images with the unbiased HSIC_1 (Nguyen 2021). The features of a layer are "
            "its whole map of an image, flattened. 1: both tell the images apart in the same way, "
            "up to a rotation and a factor; about 0: they share nothing. Colours end at 0, below "
            f"which an estimate may lie.{lacking}"
        )

    def _looked(self) -> str:
        found = [
            f"{name} has no layer for a heatmap" if not at else f"Grad-CAM at {', '.join(at)}"
            for name, at in zip(self.names, self.heatmap_layers, strict=True)
        ]
        return joined(list(dict.fromkeys(found)))

    def _answers_told(self) -> str:
        told = (
            f"They answer the same to {self.agreement:.0%} of all images."
            if np.isfinite(self.agreement)
            else "They have no classes in common, so that their answers are not compared."
        )
        right = [
            f"{name} {share:.0%}"
            for name, share in zip(self.names, self.accuracies, strict=True)
            if np.isfinite(share)
        ]
        return f"{told} Right by the labels of the data: {joined(right)}." if right else told

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the matrix of CKA, and the answers beside it."""
        from cnnviz.views.pictures.compare import draw

        return draw(self, into)


def compare(
    model: Model | nn.Module,
    data: Data,
    compare: Compared | Sequence[Compared] | None = None,
    layers: Layers = "stages",
    other_layers: Layers | None = None,
    *,
    count: int | None = None,
    batch_size: int = 64,
    examples: int = 3,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Set two networks beside each other: before and after training, or before and after transfer.

    How alike any two of their layers are is their centred kernel alignment (Kornblith 2019), over
    many images in minibatches with the unbiased HSIC_1 (Nguyen, Raghu, Kornblith 2021). The
    features of a layer are its whole map of an image, flattened.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    data : str, Path, data set object, or images
        Whatever `cnnviz.open_dataset` opens: a folder, tar shards, "shapes", a data set of
        torchvision or Hugging Face, a list of images. Each network's own preprocessing prepares
        them; that of `model` also for the other, where nobody said how its images are prepared.
    compare : str, Model or torch.nn.Module, optional
        The other network, as a name that `cnnviz.load` takes or as itself; by default the same one
        with its weights redrawn, as before training.
    layers : str or sequence of str
        The layers of the network: names, patterns or kinds; by default the ends of its stages.
    other_layers : str or sequence of str, optional
        Those of the other network; by default chosen as `layers` says.
    count : int, optional
        At most how many images, evenly spread over the data.
    batch_size : int
        About how many images a minibatch of the CKA has; their maps are held at once.
    examples : int
        Of how many images the answers are drawn.
    seed : int
        The seed of redrawn weights.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each batch.

    Returns
    -------
    Comparison

    Raises
    ------
    LayerError
        If a layer does not exist.
    ImageError
        If there is no image that can be read.
    UsageError
        If an argument is out of range, or a network takes no photos or returns boxes.
    """
    if batch_size < 2 * LEAST or examples < 1 or seed < 0:
        raise UsageError(
            f"Batches of {batch_size} images, {examples} examples and the seed {seed} do not do.",
            f"Give batches of {2 * LEAST} or more, 1 example or more, and a seed from 0.",
        )
    dataset, chosen = open_dataset(data, count), (layers, other_layers)
    sides, redrawn = _sides(as_model(model), dataset, compare, chosen, seed)
    found, seen = run_both(*sides, dataset, batch_size, progress)
    right = [side.right(dataset, seen) for side in sides]
    looked = [_looked_at(side.model, dataset, seen[:examples]) for side in sides]
    return Comparison(
        provenance=_provenance(sides, dataset, seen[:examples], seed if redrawn else None),
        names=_told_apart(*sides),
        layers=sides[0].layers,
        other_layers=sides[1].layers,
        cka=found.values(),
        batch_sizes=np.array(found.sizes, np.int64),
        data=dataset.describe(),
        seen=len(seen),
        answers=np.array([[side.answers[index] for index in seen] for side in sides], np.int64),
        labels=np.array([sides[0].labels[index] for index in seen], np.int64),
        agreement=agreement(*sides, seen),
        accuracies=(accuracy(right[0]), accuracy(right[1])),
        examples=tuple(dataset.name(index) for index in seen[:examples]),
        truths=tuple(_truth(sides[0], dataset, index) for index in seen[:examples]),
        example_classes=tuple(
            (one.original.class_name, two.original.class_name)
            for one, two in zip(*looked, strict=True)
        ),
        example_right=tuple(zip(right[0][:examples], right[1][:examples], strict=True)),
        example_answers=np.array([[one.original.answer for one in side] for side in looked]).T,
        units=(looked[0][0].unit, looked[1][0].unit),
        heatmap_layers=(looked[0][0].layers, looked[1][0].layers),
        sheet=np.stack([np.stack([_tile(one) for one in side]) for side in looked], axis=1),
    )


def _sides(
    first: Model,
    dataset: Dataset,
    asked: Compared | Sequence[Compared] | None,
    layers: tuple[Layers, Layers | None],
    seed: int,
) -> tuple[tuple[Side, Side], bool]:
    """Return both networks with their layers, and whether the other has redrawn weights."""
    check_takes_images(first, "compare")
    inputs = first_batch(dataset, first, range(len(dataset))).tensor
    other, redrawn = _other(first, inputs, asked, seed)
    check_takes_images(other, "compare")
    # Its own preprocessing prepares them.
    other_inputs = first_batch(dataset, other, range(len(dataset))).tensor
    own, others = layers
    sides = (
        Side.of(first, inputs, own),
        Side.of(other, other_inputs, own if others is None else others),
    )
    check_scores_the_image(first, "compare", inputs)
    check_scores_the_image(other, "compare", other_inputs)
    return sides, redrawn


def _other(
    first: Model, inputs: torch.Tensor, asked: Compared | Sequence[Compared] | None, seed: int
) -> tuple[Model, bool]:
    """Return the network to compare with, and whether it is the same with weights redrawn."""
    chosen = [asked] if isinstance(asked, (str, Model, nn.Module)) else list(asked or ())
    if len(chosen) > 1:
        raise UsageError(f"{len(chosen)} other networks were given.", "Give one.")
    if chosen:
        (one,) = chosen
        other = load(one.strip()) if isinstance(one, str) else as_model(one)
        return _prepared_alike(first, other), False
    forgetful = copy_network(first.module)
    redraw(forgetful, weighted_layers(first, inputs), seed)
    return first.around(forgetful, weights=f"redrawn, seed {seed}", untrained=True), True


def _prepared_alike(first: Model, other: Model) -> Model:
    """Let what was said of one network's images hold for the other, of which nobody said anything.

    Otherwise a network would differ from itself. Only where as much can be read off either: one of
    another number of channels, or that takes another size, keeps its own guess.
    """
    if not other.preprocessing.is_guess or other.preprocessing == first.preprocessing:
        return other
    if Model(first.module).preprocessing != Model(other.module).preprocessing:
        return other
    alike = other.around(other.module, weights=other.weights, untrained=other.untrained)
    origin = f"as those of {first.name}"
    alike.preprocessing = replace(first.preprocessing, origin=origin, is_guess=True)
    return alike


def _preparation_told(other: Model) -> list[str]:
    if not other.preprocessing.is_guess:
        return []
    taken = other.preprocessing.describe()
    return [f"nobody said how the images of the other network are prepared; taken: {taken}"]


def _told_apart(one_side: Side, other_side: Side) -> tuple[str, str]:
    """Return what the two are called, with their weights where the name is the same."""
    first, other = one_side.model, other_side.model
    if first.name != other.name:
        return first.name, other.name
    one, two = (f"{model.name} ({model.weights})" for model in (first, other))
    return (one, two) if one != two else (f"{one}, first", f"{two}, second")


def _looked_at(model: Model, dataset: Dataset, indices: Sequence[int]) -> list[FollowedImage]:
    return [FollowedImage(model, _prepared(model, dataset, index), None) for index in indices]


def _prepared(model: Model, dataset: Dataset, index: int) -> Batch:
    image = dataset.read(index).image
    return model.prepare(image if isinstance(image, Photo) else image[None])


def _tile(image: FollowedImage) -> NDArray[np.uint8]:
    """Return an image as the network takes it, square, with where it looked over it."""
    pixels = image.model.preprocessing.invert(image.batch.tensor[0])
    small = thumbnail(overlaid(pixels, image.original.heat), _TILE)
    found = np.full((_TILE, _TILE, 3), 255, np.uint8)
    top, left = ((_TILE - side) // 2 for side in small.shape[:2])
    found[top : top + small.shape[0], left : left + small.shape[1]] = small
    return found


def _truth(side: Side, dataset: Dataset, index: int) -> str:
    label, classes = side.labels[index], dataset.classes
    if label == UNKNOWN:
        return ""
    return classes[label] if label < len(classes) else str(label)


def _provenance(
    sides: tuple[Side, Side], dataset: Dataset, shown: Sequence[int], seed: int | None
) -> Provenance:
    first, other = (side.model for side in sides)
    notes = [
        *dataset.notes,
        f"compared with {other.name}, weights {other.weights}, {other.sha256[:16]}",
        *_preparation_told(other),
    ]
    left = len(dataset) - len(sides[0].answers.keys() & sides[1].answers.keys())
    if left:
        was = "was" if left == 1 else "were"
        notes.append(f"{plural(left, 'image')} could not be read and {was} left out")
    sources = [ImageSource(dataset.name(index), dataset.sha256(index)) for index in shown]
    return first.provenance(sources, seed=seed, notes=notes)
