"""The checkpoints of one training, in the order of their epochs, and whether they all fit."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnviz.datasets.patterns import is_pattern, matching
from cnnviz.errors import CheckpointError, UsageError, did_you_mean
from cnnviz.images.paths import expand
from cnnviz.introspection.copies import copy_network
from cnnviz.models.checkpoints import SUFFIXES, load_state, not_finite, read_state
from cnnviz.models.model import Model
from cnnviz.results.text import listed, plural

Checkpoints = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A folder, a pattern, or files in their order."""
_LEAST = 2
_UNITS = ("epoch", "step", "checkpoint")
"""What a number may count, that by which checkpoints are best told apart first."""


@dataclass(frozen=True)
class CheckpointSeries:
    """Checkpoints in the order of their epochs.

    Attributes
    ----------
    paths : tuple of Path
        The files, from the first epoch to the last.
    epochs : tuple of int
        The number of each: of those in the names that are another in every file that of the epoch
        or the step, as far as a word says so, or the first; or else the place, from 1.
    numbered : bool
        Whether these are numbers of the names.
    unit : {"epoch", "step", "checkpoint"}
        What they count, as far as the names say.
    found : int
        How many there were to choose from.
    notes : tuple of str
        What was left out, and why.
    """

    paths: tuple[Path, ...]
    epochs: tuple[int, ...]
    numbered: bool
    unit: str
    found: int
    notes: tuple[str, ...] = ()

    def at(self, places: Sequence[int], note: str = "") -> CheckpointSeries:
        """Return some of them."""
        return CheckpointSeries(
            tuple(self.paths[place] for place in places),
            tuple(self.epochs[place] for place in places),
            self.numbered,
            self.unit,
            self.found,
            (*self.notes, *([note] if note else ())),
        )


def checkpoint_series(
    given: Checkpoints, epochs: Sequence[int] | None = None, most: int = 8
) -> CheckpointSeries:
    """Find the checkpoints of a training, and choose some where there are many.

    Files are ordered by the numbers in their names, so that epoch 10 comes after epoch 9; those
    that are named one by one stay in the order given. Of many some are chosen: the first epochs, in
    which most changes, stand closer together than the last.

    Parameters
    ----------
    given : str, os.PathLike, or sequence of these
        A folder, a pattern such as ``run/epoch-*.pth``, or the files in their order, which may also
        stand in one text with commas.
    epochs : sequence of int, optional
        Which, by the numbers in their names.
    most : int
        How many at most where none are named.

    Raises
    ------
    CheckpointError
        There are fewer than two, or their order cannot be told.
    UsageError
        An epoch is none of theirs.
    """
    series = _ordered(given)
    if epochs is not None:
        return series.at(_named(series, epochs))
    if len(series.paths) <= most:
        return series
    chosen = _spread(len(series.paths), most)
    note = (
        f"{len(chosen)} of {len(series.paths)} checkpoints, the first and the last among them, "
        "closer together at the beginning"
    )
    return series.at(chosen, note)


def check_series(model: Model, series: CheckpointSeries) -> None:
    """See that every checkpoint can be read into a network, which is left as it was.

    Raises
    ------
    CheckpointError
        Some cannot, or hold weights that are not numbers; each is named with the reason.
    """
    module, refused = copy_network(model.module), []
    for path in series.paths:
        try:
            load_state(module, read_state(path), model.name, path.name)
        except CheckpointError as error:
            refused.append((path.name, error))
            continue
        bad = not_finite(module)
        if bad:
            lost = CheckpointError(f"{path.name} has {bad[0]}.", "Leave it out.")
            refused.append((path.name, lost))
    if len(refused) == 1:
        raise refused[0][1]
    if refused:
        names = [name for name, _ in refused]
        raise CheckpointError(
            f"{len(refused)} of {len(series.paths)} checkpoints cannot be used: "
            f"{listed(names, 6)}. The first: {refused[0][1].what}",
            refused[0][1].remedy,
        )


def _ordered(given: Checkpoints) -> CheckpointSeries:
    """Return all checkpoints there are in order."""
    paths, as_given = _files(given)
    notes: tuple[str, ...] = ()
    if not as_given:
        paths, notes = _with_numbers(sorted(paths, key=_natural))
    numbers = [_numbers(path) for path in paths]
    columns = [list(column) for column in zip(*numbers, strict=False)]
    apart = [at for at, one in enumerate(columns) if len(set(one)) == len(one)]
    if not apart:
        places = tuple(range(1, len(paths) + 1))
        return CheckpointSeries(tuple(paths), places, False, "checkpoint", len(paths), notes)
    # A loss in the names tells them apart as well.
    slot = min(apart, key=lambda at: (_UNITS.index(_unit(paths[0], at)), at))
    told = columns[slot]
    if not as_given:
        order = sorted(range(len(paths)), key=told.__getitem__)
        paths, told = [paths[place] for place in order], [told[place] for place in order]
    return CheckpointSeries(
        tuple(paths), tuple(told), True, _unit(paths[0], slot), len(paths), notes
    )


def _unit(path: Path, slot: int) -> str:
    """Return what the number at a place of a name counts, by the word before it."""
    words = re.split(r"\d+", path.stem)[slot].lower()
    # The short ones are words of their own: "stage-1" is no epoch, and "unit-3" no step.
    found = re.search(r"(epoch|step|iteration|iter|(?<![a-z])(?:ep|e|it))s?[^a-z]*$", words)
    if found is None:
        return "checkpoint"
    return "epoch" if found[1].startswith("e") else "step"


def _files(given: Checkpoints) -> tuple[list[Path], bool]:
    """Return the files, and whether their order is the caller's."""
    if not isinstance(given, (str, os.PathLike)):
        return _enough([expand(one) for one in given], "were named"), True
    text, path = os.fspath(given), expand(given)
    if path.is_dir():
        held = [one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file()]
        # What a dot hides, such as a half-written file, is nobody's checkpoint.
        held = [one for one in held if not one.name.startswith(".")]
        return _enough(held, f"are in the folder {text!r}"), False
    if is_pattern(text):
        return _enough([one for one in matching(text) if one.suffix in SUFFIXES], "match"), False
    if "," in text and not path.exists():
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return _enough([expand(part) for part in parts], "were named"), True
    if path.is_file():
        raise CheckpointError(
            f"{path.name} is one checkpoint, and a history is of {_LEAST} or more.",
            "Name the folder that holds them, a pattern, or several files with commas.",
        )
    beside = path.absolute().parent
    known = [entry.name for entry in beside.iterdir()] if beside.is_dir() else []
    raise CheckpointError(
        f"There is no folder {text!r} of checkpoints.",
        did_you_mean(path.name, known, "Check the path."),
    )


def _enough(paths: list[Path], where: str) -> list[Path]:
    if len(paths) >= _LEAST:
        return paths
    found = plural(len(paths), "checkpoint") if paths else "No checkpoints"
    verb = where.replace("are ", "is ").replace("were ", "was ") if len(paths) == 1 else where
    raise CheckpointError(
        f"{found} {verb}, and a history is of {_LEAST} or more.",
        f"Save one after every epoch, under names such as epoch-1.pth; looked for are "
        f"{', '.join(SUFFIXES)}.",
    )


def _with_numbers(paths: list[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Leave out what has no number in its name, such as best.pth; refuse where nothing has one."""
    kept = [path for path in paths if _numbers(path)]
    left = [path.name for path in paths if not _numbers(path)]
    if len(kept) < _LEAST:
        raise CheckpointError(
            f"The order of these checkpoints cannot be told: {listed(left, 4)} "
            f"{'has' if len(left) == 1 else 'have'} no number in the name.",
            "Name the files themselves in their order, with commas between them.",
        )
    if not left:
        return kept, ()
    was = "was" if len(left) == 1 else "were"
    return kept, (f"{listed(left, 4)} {was} left out, whose name has no number",)


def _named(series: CheckpointSeries, epochs: Sequence[int]) -> list[int]:
    """Return the places of the epochs that are asked for."""
    wanted = sorted(set(epochs))
    missing = [epoch for epoch in wanted if epoch not in series.epochs]
    if missing or len(wanted) < _LEAST:
        what = f"There is no epoch {missing[0]}." if missing else "One epoch is no history."
        known = listed([str(epoch) for epoch in series.epochs], 12)
        raise UsageError(what, f"Choose {_LEAST} or more of {known}.")
    return [place for place, epoch in enumerate(series.epochs) if epoch in wanted]


def _spread(count: int, most: int) -> list[int]:
    """Return so many of `count` places, the first and the last among them, by equal factors."""
    wanted = np.geomspace(1.0, count, most)
    places: list[int] = []
    for step, target in enumerate(wanted):
        # Each is another, and leaves as many as are still to come.
        low = places[-1] + 1 if places else 0
        high = count - (most - step)
        places.append(int(min(max(round(float(target)) - 1, low), high)))
    return places


def _numbers(path: Path) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", path.stem)]


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return what orders names as people do: 9 comes before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
