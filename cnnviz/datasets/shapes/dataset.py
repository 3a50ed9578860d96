"""The endless, seeded, random-access set of samples."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from cnnviz.errors import UsageError, did_you_mean

from .factors import (
    CLASSES,
    DIFFICULTIES,
    NAMES,
    Factors,
    Setting,
    Value,
    check_name,
    check_settings,
    pick,
)
from .scene import SIZE, Sample, check_label, check_size, draw
from .streams import Split, stream

if TYPE_CHECKING:
    from .torch_dataset import ShapesDataset


class Shapes:
    """An endless set of pictures of ten shapes, drawn when they are asked for.

    Sample `i` depends on the seed, the split, the settings and `i` alone: not on what was drawn
    before, and not on any global state. Ten samples in a row have the ten classes, in an order
    that changes.

    Parameters
    ----------
    seed : int
        Seed of the set, 0 to 2**63 - 1.
    split : {"train", "held-out"}
        Two sets that share no random number.
    difficulty : {"easy", "default", "hard"}
        What the factors are drawn from; `DIFFICULTIES` has the ranges.
    size : int
        Side of the pictures in pixels.
    **settings
        Factors by name: a value fixes the factor, `(low, high)` narrows or widens its range, and a
        tuple of names is a choice of textures.

    Raises
    ------
    UsageError
        If an argument is out of its limits, or a name is not a factor.

    Examples
    --------
    >>> shapes = Shapes(seed=0, rotation=0.0, clutter=(0, 3))
    >>> sample = shapes[12345]
    >>> sample.image.shape, sample.mask.shape
    ((96, 96, 3), (96, 96))
    >>> [f"{s.hidden:.1f}" for s in shapes.sweep("occlusion", [0.0, 0.2, 0.4], index=3)]
    ['0.0', '0.2', '0.4']
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        split: Split = "train",
        difficulty: str = "default",
        size: int = SIZE,
        **settings: Setting,
    ) -> None:
        if difficulty not in DIFFICULTIES:
            choices = f"Choose from {', '.join(DIFFICULTIES)}."
            raise UsageError(
                f"{difficulty!r} is not a difficulty of shapes.",
                did_you_mean(difficulty, DIFFICULTIES, choices),
            )
        stream(seed, split, 0, "label")
        self.seed = seed
        self.split: Split = split
        self.difficulty = difficulty
        self.size: int = check_size(size)
        self.fixed: Mapping[str, Setting] = MappingProxyType(check_settings(settings))
        self._settings = {**DIFFICULTIES[difficulty], **self.fixed}

    def __repr__(self) -> str:
        fixed = "".join(f", {name}={setting!r}" for name, setting in self.fixed.items())
        return (
            f"Shapes(seed={self.seed}, split={self.split!r}, difficulty={self.difficulty!r}, "
            f"size={self.size}{fixed})"
        )

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            start, step = index.start or 0, 1 if index.step is None else index.step
            if index.stop is None or min(start, index.stop) < 0 or step < 1:
                raise UsageError(
                    "The set is endless, so a slice needs an end and cannot count backwards.",
                    "Write shapes[start:stop] with numbers from 0 up.",
                )
            return [self[i] for i in range(start, index.stop, step)]
        return self.draw(self.label(index), self.factors(index), index)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in itertools.count())

    def label(self, index: int) -> int:
        """Return the class of sample `index` without drawing it."""
        index = int(index)
        block, position = divmod(index, len(CLASSES))
        order = stream(self.seed, self.split, max(block, min(index, 0)), "label")
        return int(order.permutation(len(CLASSES))[position])

    def factors(self, index: int) -> Factors:
        """Return the factors of sample `index` without drawing it."""
        numbers = stream(self.seed, self.split, int(index), "factors").random(len(NAMES))
        return pick(self._settings, numbers)

    def draw(self, label: int | str, factors: Factors, index: int = 0) -> Sample:
        """Draw a class with given factors on the background and clutter of sample `index`."""
        return draw(
            label, factors, seed=self.seed, index=int(index), split=self.split, size=self.size
        )

    def sweep(
        self,
        factor: str,
        values: Iterable[Value],
        *,
        index: int = 0,
        label: int | str | None = None,
    ) -> list[Sample]:
        """Return sample `index` once per value of one factor, with all else as it was.

        Parameters
        ----------
        factor : str
            Name of the factor.
        values : iterable
            What it takes, one after the other.
        index : int
            Sample to start from.
        label : int or str, optional
            Class to draw instead of the sample's own.

        Raises
        ------
        UsageError
            If the name is not a factor or a value is out of its limits.
        """
        check_name(factor)
        own = self.label(index) if label is None else check_label(label)
        start = self.factors(index)
        changed = [dataclasses.replace(start, **{factor: value}) for value in values]  # type: ignore[arg-type]
        return [self.draw(own, factors, index) for factors in changed]

    def batches(
        self, batch_size: int, *, start: int = 0, count: int | None = None
    ) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
        """Yield images [N, size, size, 3] and labels [N] from sample `start` on.

        Parameters
        ----------
        batch_size : int
            Samples in each batch; the last may have fewer.
        start : int
            First sample.
        count : int, optional
            Samples in all; without it the iterator never ends.
        """
        if batch_size < 1:
            raise UsageError(f"A batch cannot have {batch_size} samples.", "Give 1 or more.")
        for first in itertools.count(start, batch_size):
            last = first + batch_size if count is None else min(first + batch_size, start + count)
            if last <= first:
                return
            samples = self[first:last]
            labels = np.array([sample.label for sample in samples], dtype=np.int64)
            yield np.stack([sample.image for sample in samples]), labels

    def as_dataset(self, count: int, *, start: int = 0) -> ShapesDataset:
        """Return `count` samples as a map-style torch dataset of (image, label).

        Images are float32 [3, size, size] in [0, 1], not normalised.
        """
        from .torch_dataset import ShapesDataset

        return ShapesDataset(self, count, start)
