"""Images of one's own as a new task: which of them judge, and which train with each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch

from cnnviz.datasets import Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.streaming import nothing_left, stream
from cnnviz.errors import UsageError
from cnnviz.images import Refusal
from cnnviz.introspection.random_draws import own_generator
from cnnviz.models import Model
from cnnviz.results.text import plural
from cnnviz.views._transfer_material import Material, on_device

_READ_AT_ONCE = 32
_HELD = 3
"""Of the images of a class at most one in so many judges."""


def of_data(model: Model, data: Data, largest: int, seeds: Sequence[int], test: int) -> Material:
    """Choose images of a labelled set: some to judge, and of the others some for each seed."""
    dataset = open_dataset(data)
    refused: dict[int, Refusal] = {}
    while True:
        chosen = _Choice.of(dataset, set(refused), largest, seeds, test)
        inputs, lost = _read(model, dataset, chosen.used)
        if not lost:
            break
        refused |= lost
    row = {index: at for at, index in enumerate(chosen.used)}
    whole = min(len(one) for one in chosen.left)
    alike = largest == whole
    notes = [f"{one.name} was left out: {one.reason}" for one in refused.values()]
    if alike:
        notes.append(
            f"with {largest} samples a class some class has no others left, so that the seeds "
            "share its samples and their spread is less than that of samples drawn anew"
        )
    return Material(
        model=model,
        task=dataset.describe(),
        told=f"the {len(chosen.classes)} classes of {dataset.describe()}",
        classes=chosen.classes,
        pool=on_device(model, inputs, torch.tensor([chosen.kinds[i] for i in chosen.used])),
        training=tuple(torch.tensor([row[i] for i in one]) for one in chosen.training),
        judging=torch.tensor([row[i] for i in chosen.judging]),
        notes=(*dataset.notes, *notes),
    )


@dataclass(frozen=True)
class _Choice:
    classes: tuple[str, ...]
    kinds: dict[int, int]
    """The class of each image, by its place in the set."""
    left: list[list[int]]
    """Of each class the images that do not judge."""
    judging: list[int]
    training: list[list[int]]

    @property
    def used(self) -> list[int]:
        return sorted({*self.judging, *(index for one in self.training for index in one)})

    @classmethod
    def of(
        cls, dataset: Dataset, without: set[int], largest: int, seeds: Sequence[int], test: int
    ) -> _Choice:
        of_class: dict[int, list[int]] = {}
        for index in range(len(dataset)):
            label = dataset.label(index)
            if label is not None and index not in without:
                of_class.setdefault(label, []).append(index)
        if len(of_class) < 2:
            raise UsageError(
                f"There are {plural(len(of_class), 'class', 'classes')} of labelled images in "
                f"{dataset.describe()}: nothing to tell apart.",
                "Give a folder with a folder for each class, or a CSV file with labels.",
            )
        labels = sorted(of_class)
        each = max(1, test // len(labels))
        judges, left = [], []
        for label in labels:
            indices = of_class[label]
            order = _shuffled(indices, seeds[0], "judging", label)
            held = min(each, len(indices) // _HELD)
            judges.append(order[:held])
            left.append(order[held:])
        # Class by class in turn: the CKA is of the first of them, and of all classes.
        judging = [index for row in zip_longest(*judges) for index in row if index is not None]
        _check_enough(dataset, labels, left, len(judging), largest)
        training = []
        for seed in seeds:
            drawn = [
                _shuffled(one, seed, "training", label)[:largest]
                for label, one in zip(labels, left, strict=True)
            ]
            training.append([index for row in zip(*drawn, strict=True) for index in row])
        names = tuple(_name(dataset, label) for label in labels)
        kinds = {index: at for at, label in enumerate(labels) for index in of_class[label]}
        return cls(names, kinds, left, judging, training)


def _check_enough(
    dataset: Dataset, labels: list[int], left: list[list[int]], judging: int, largest: int
) -> None:
    least = min(range(len(labels)), key=lambda at: len(left[at]))
    if judging < len(labels) or len(left[least]) < largest:
        raise UsageError(
            f"Of class {_name(dataset, labels[least])!r} there are {len(left[least])} images to "
            f"train with, beside those that judge, and not {largest}.",
            "Give smaller numbers of samples, such as --samples 1,4, or more images.",
        )


def _shuffled(indices: list[int], seed: int, what: str, label: int) -> list[int]:
    order = torch.randperm(len(indices), generator=own_generator(seed, f"transfer {what}", label))
    return [indices[place] for place in order.tolist()]


def _name(dataset: Dataset, label: int) -> str:
    return dataset.classes[label] if dataset.classes else f"class {label}"


def _read(
    model: Model, dataset: Dataset, indices: list[int]
) -> tuple[torch.Tensor, dict[int, Refusal]]:
    """Return the images as the network takes them, and those that could not be read."""
    parts = []
    with stream(dataset, model.preprocessing, _READ_AT_ONCE, None, indices) as batches:
        for batch in batches:
            parts.append(batch.tensor)
        lost = dict(batches.refused)
    if not parts:
        raise nothing_left(list(lost.values()), dataset)
    if len({part.shape[1:] for part in parts}) > 1:
        raise UsageError(
            f"The images of {dataset.describe()} come out at several sizes.",
            "Say a crop with --crop, so that they can be in one batch.",
        )
    return torch.cat(parts), lost
