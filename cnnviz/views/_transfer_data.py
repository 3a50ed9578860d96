"""Images of one's own as a new task: which of them judge, and which train with each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest

import torch

from cnnviz.datasets import Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.readable import nothing_left
from cnnviz.datasets.streaming import stream
from cnnviz.errors import UsageError
from cnnviz.images import Refusal
from cnnviz.introspection.random_draws import own_generator
from cnnviz.models import Model
from cnnviz.results.text import percent, plural
from cnnviz.views._transfer_material import Material, on_device

_READ_AT_ONCE = 32
_MANY = 0.1
"""From which share of a class on it is told that seeds have samples in common."""
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
    judging, seen = _not_seen(chosen, inputs, row)
    return Material(
        model=model,
        task=dataset.describe(),
        told=f"the {len(chosen.classes)} classes of {dataset.describe()}",
        classes=chosen.classes,
        pool=on_device(model, inputs, torch.tensor([chosen.kinds[i] for i in chosen.used])),
        training=tuple(torch.tensor([row[i] for i in one]) for one in chosen.training),
        judging=torch.tensor([row[i] for i in judging]),
        notes=(
            *dataset.notes,
            *(f"{one.name} was left out: {one.reason}" for one in refused.values()),
            *seen,
            *_shared(chosen, largest, len(seeds)),
            *_uneven(chosen, judging),
        ),
    )


def _not_seen(
    chosen: _Choice, inputs: torch.Tensor, row: dict[int, int]
) -> tuple[list[int], list[str]]:
    """Return those that judge without copies of what is trained on, and a note of how many."""

    def pixels(index: int) -> bytes:
        return sha256(inputs[row[index]].contiguous().numpy().tobytes()).digest()

    trained = {pixels(index) for index in {*(i for one in chosen.training for i in one)}}
    kept = [index for index in chosen.judging if pixels(index) not in trained]
    lost = len(chosen.judging) - len(kept)
    if not kept:
        raise UsageError(
            "All images that would judge are among those to train with, under other names.",
            "Give images that differ, each once.",
        )
    if not lost:
        return kept, []
    return kept, [
        f"{plural(lost, 'image')} of those to judge {'is' if lost == 1 else 'are'} left out: the "
        "same pixels are among those to train with"
    ]


def _shared(chosen: _Choice, largest: int, seeds: int) -> list[str]:
    """Say how many samples two seeds have in common, since there are not ever more of them."""
    whole = min(len(one) for one in chosen.left)
    if seeds < 2 or largest < _MANY * whole:
        return []
    less = "their spread is less than that of samples drawn anew"
    if largest == whole:
        return [
            f"with {largest} samples a class some class has no others left, so that the seeds "
            f"share its samples and {less}"
        ]
    return [
        f"with {largest} samples a class, of {whole} that some class has, two seeds have "
        f"{largest / whole:.0%} of them in common on average, so that {less}"
    ]


def _uneven(chosen: _Choice, judging: list[int]) -> list[str]:
    """Say where an answer that is always the same would be right more often than a guess."""
    counts = [0] * len(chosen.classes)
    for index in judging:
        counts[chosen.kinds[index]] += 1
    most = max(counts)
    if most == min(counts):
        return []
    share = percent(most / len(judging))
    return [
        f"classes have {min(counts)} to {most} of the samples that judge: always to answer "
        f"{chosen.classes[counts.index(most)]} would be right in {share}"
    ]


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
