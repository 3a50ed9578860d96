"""What two networks make of the same images, a batch at a time: kernels of layers, and answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.course.cka import LEAST, MinibatchCKA, gram
from cnnviz.datasets import Dataset, LoadedBatch
from cnnviz.errors import ImageError, TargetError, UsageError
from cnnviz.introspection.finite import finite
from cnnviz.introspection.layers import Layers, named_layers, split
from cnnviz.models import Model
from cnnviz.models.categories import classes_called
from cnnviz.models.outputs import read_output, scores_of
from cnnviz.models.reading import Reading
from cnnviz.passes.call_order import call_order
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.likeliest import NO_CLASS
from cnnviz.passes.no_map import no_map
from cnnviz.passes.ranked_classes import probabilities
from cnnviz.passes.scan import scan
from cnnviz.passes.stages import STAGES, CallOrder
from cnnviz.results.progress import Progress
from cnnviz.results.text import whole_percent

UNKNOWN = -1
"""Stands for the class of an image that nobody knows."""
FEW = 20
"""Of fewer images it is said how many, and not which share of them."""

LACKING = "a layer is the same for all images"
"""Why there is no CKA of two layers, where there are enough images."""


@dataclass
class Side:
    """One of the two networks, and what it made of the images so far.

    Attributes
    ----------
    model : Model
        The network.
    layers : tuple of str
        The layers that are compared.
    answers, labels : dict of int to int
        The likeliest class of each image that was answered, and its label in the data.
    reading : Reading, optional
        What its output means, where it names classes.
    """

    model: Model
    layers: tuple[str, ...]
    answers: dict[int, int] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    reading: Reading | None = None
    _features: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    _seen: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, model: Model, inputs: torch.Tensor, layers: Layers) -> Side:
        """Choose the layers of a network."""
        order = call_order(model, inputs)
        names = order.stage_calls()
        if layers != STAGES:
            known = named_layers(model.module)
            asked = split(layers, known)
            # "name#1" is the second call of a layer, which no kind and no pattern stands for.
            calls = any("#" in name and name not in known for name in asked)
            names = tuple(asked if calls else _in_order(order, choose(model, layers)))
        if not names:
            raise no_map(model, "Name layers.")
        return cls(model, names)

    def look(self, dataset: Dataset, block: Sequence[int]) -> dict[int, int]:
        """Send some images through the network; return in which row each of them came."""
        self._features, self._seen = {layer: [] for layer in self.layers}, []
        scan(self.model, dataset, self.layers, self._see, indices=block, answered=self._answered)
        return {index: row for row, index in enumerate(self._seen)}

    def kernels(self) -> list[NDArray[np.float64]]:
        """Return the kernel of each layer for these images; their features are let go."""
        found = []
        for layer in self.layers:
            parts = self._features.pop(layer)
            if len({part.shape[1] for part in parts}) > 1:
                raise UsageError(
                    f"The images come out at several sizes in {layer} of {self.model.name}.",
                    "Give images of one size: a layer's whole map is what is compared.",
                )
            found.append(gram(torch.cat(parts)))
        return found

    def _see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        finite(maps, f"The activations of layer {layer!r} of {self.model.name}")
        # The next layer may write to them.
        self._features[layer].append(maps.detach().flatten(1).cpu().clone())

    def _answered(self, output: Any, batch: LoadedBatch) -> None:
        indices = batch.indices.tolist()
        self._seen += indices
        self.labels.update(zip(indices, batch.labels.tolist(), strict=True))
        try:
            scores = scores_of(self.model, output, len(batch))
            shares, _ = probabilities(self.model, scores)
        except TargetError:  # a network whose answer is no class for each image
            self.answers.update(dict.fromkeys(indices, NO_CLASS))
            return
        self.reading = read_output(self.model, scores)
        self.answers.update(zip(indices, shares.argmax(1).tolist(), strict=True))

    def right(self, dataset: Dataset, indices: Sequence[int]) -> list[bool | None]:
        """Return whether each answer is the label of the image; None where that is not known."""
        if self.reading is None:
            return [None] * len(indices)
        # A label means the class of the same name; without names, the class of the same number.
        of = {label: label for label in range(self.reading.classes)}
        if dataset.classes:
            names = [self.reading.name(index) for index in range(self.reading.classes)]
            of = dict(enumerate(classes_called(dataset.classes, names)))
        truths = [of.get(self.labels[index], UNKNOWN) for index in indices]
        return [
            None if truth == UNKNOWN else self.answers[index] == truth
            for index, truth in zip(indices, truths, strict=True)
        ]


def _in_order(order: CallOrder, chosen: Iterable[str]) -> list[str]:
    """Return layers as they are called, each call of one by itself; those that never are last."""
    wanted = dict.fromkeys(chosen)
    calls = [call for call in order.calls if call.name in wanted]
    found = [order.written(call.name, call.index) for call in calls]
    return found + [name for name in wanted if name not in {call.name for call in calls}]


def share_told(share: float, count: int) -> str:
    """Return a share of so many images; of few the number of them."""
    return whole_percent(share) if count >= FEW else f"{round(share * count)} of {count}"


def accuracy(right: Sequence[bool | None]) -> float:
    """Return the share of right answers among those of which it is known; NaN where none is."""
    known = [one for one in right if one is not None]
    return float(np.mean(known)) if known else float("nan")


def agreement(first: Side, other: Side, indices: Sequence[int]) -> float:
    """Return how often both answer the same class; NaN where they have no class in common."""
    one, two = first.reading, other.reading
    if one is None or two is None or not indices:
        return float("nan")
    if one.names is None and two.names is None:
        same = list(range(two.classes)) if one.classes == two.classes else []
    else:
        names = [[each.name(index) for index in range(each.classes)] for each in (one, two)]
        same = list(classes_called(names[1], names[0]))
    if max(same, default=UNKNOWN) == UNKNOWN:
        return float("nan")
    hits = [first.answers[index] == same[other.answers[index]] for index in indices]
    return float(np.mean(hits))


def run_both(
    first: Side, other: Side, dataset: Dataset, batch_size: int, progress: Progress
) -> tuple[MinibatchCKA, list[int]]:
    """Look at all images with both networks; return their CKA, and which images both answered."""
    total, seen = len(dataset), list[int]()
    found = MinibatchCKA(len(first.layers), len(other.layers))
    refused: ImageError | None = None
    # Batches of nearly one size, so that none is too small to count.
    blocks = np.array_split(np.arange(total), max(1, round(total / batch_size)))
    for block in blocks:
        progress(int(block[0]), total, "comparing layers")
        try:
            rows = first.look(dataset, block.tolist())
            kernels = first.kernels()
            columns = other.look(dataset, block.tolist())
        except ImageError as error:  # not one of them can be read
            refused = error
            continue
        both = [index for index in rows if index in columns]
        seen += both
        if len(both) >= LEAST:
            found.add(
                _rows(kernels, [rows[index] for index in both]),
                _rows(other.kernels(), [columns[index] for index in both]),
            )
    if refused is not None and not seen:
        raise refused
    progress(total, total, "done")
    return found, seen


def _rows(kernels: Sequence[NDArray[np.float64]], rows: Sequence[int]) -> list[NDArray[np.float64]]:
    return [kernel[np.ix_(rows, rows)] for kernel in kernels]
