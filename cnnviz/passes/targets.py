"""What is explained: a class, several, a contrast, a value, a region or a callable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from cnnviz.errors import TargetError
from cnnviz.foreign_code import called
from cnnviz.images import Batch
from cnnviz.introspection.finite import finite
from cnnviz.models import Model, OutputKind
from cnnviz.models.output_members import describe
from cnnviz.models.outputs import not_rows, read_output, scores_of
from cnnviz.passes.box_targets import BoxResolver
from cnnviz.passes.resolved_target import ResolvedTarget as ResolvedTarget
from cnnviz.passes.resolved_target import Unit as Unit
from cnnviz.passes.score_targets import ScoreResolver
from cnnviz.passes.target_types import Box as Box
from cnnviz.passes.target_types import Contrast as Contrast
from cnnviz.passes.target_types import OneTarget as OneTarget
from cnnviz.passes.target_types import Region as Region
from cnnviz.passes.target_types import Similarity as Similarity
from cnnviz.passes.target_types import SumOf as SumOf
from cnnviz.passes.target_types import Target as Target
from cnnviz.passes.target_types import Value as Value
from cnnviz.results.text import plural, there_are


@dataclass(frozen=True, eq=False)
class Scores:
    """One score for each image of a batch.

    Attributes
    ----------
    values : torch.Tensor
        Shape [N], with a graph where the output had one.
    resolved_targets : tuple of ResolvedTarget
        What each score is.
    """

    values: torch.Tensor
    resolved_targets: tuple[ResolvedTarget, ...]


def score(
    model: Model,
    output: Any,
    target: Target,
    count: int,
    batch: Batch | None = None,
) -> Scores:
    """Turn a target into one score for each image.

    Parameters
    ----------
    model : Model
        The network, for what its output means and the names of its classes.
    output : Any
        What its forward returned for `count` images.
    target : None, int, str, SumOf, Contrast, Region, Value, Similarity, Box, sequence, or callable
        None takes each image's own answer: the likeliest class or label, the first value, the
        embedding itself, the region of the class that a map shows most of, but for the background,
        or the box of the highest score; a class then is its best box. Anything else stands for
        every image, and a sequence gives one for each. A name may be written ``koala - wombat`` for
        a contrast and ``tabby + tiger cat`` for classes together; indices may be numpy's or
        torch's, and one-hot. A callable gets the whole output and returns the scores [N]; it must
        treat each image by itself.
    count : int
        The number of images, N.
    batch : Batch, optional
        The images, which tell a picture that a network returns from a map of classes, and where in
        its photo a box lies; without them boxes are in pixels of the network's input.

    Raises
    ------
    TargetError
        If a class does not exist, the lengths differ, or the scores have another shape.
    NotFiniteError
        If a score that is explained is NaN or infinite, or, where the network's own answer is
        asked for, the score of any class.
    """
    if callable(target):
        resolved = _called(target)
        return Scores(_checked(resolved.score(output), count), (resolved,) * count)
    reading = read_output(model, output, None if batch is None else batch.tensor)
    if reading.kind == OutputKind.BOXES:
        return _of_boxes(BoxResolver(model, reading, output, batch), target, count)
    scores = scores_of(model, output, count)
    if reading.kind is None:
        raise not_rows(scores, count)
    resolver = ScoreResolver(model, reading, scores)
    each = [None] * count if target is None else _each(target, count, reading.classes)
    found = tuple(resolver(entry, n) for n, entry in enumerate(each))
    values = [resolved.score(scores[n : n + 1]) for n, resolved in enumerate(found)]
    return Scores(finite(torch.cat(values), "The scores that are explained"), found)


def _of_boxes(resolver: BoxResolver, target: Target, count: int) -> Scores:
    if len(resolver.found) != count:
        raise TargetError(
            f"The network returns boxes of {plural(len(resolver.found), 'image')} for {count}.",
            "Give decode= a callable that returns one entry for each image.",
            option="Let decode in the network's file return one entry for each image.",
        )
    each = [None] * count if target is None else _each(target, count, resolver.reading.classes)
    resolved = tuple(resolver(entry, n) for n, entry in enumerate(each))
    # Of what was decoded already, so that the output is decoded once.
    values = [resolver.value(one, n) for n, one in enumerate(resolved)]
    return Scores(finite(torch.stack(values), "The scores that are explained"), resolved)


def check_one_each(given: int, count: int, what: str = "target", of: str = "image") -> None:
    """Raise a `TargetError` unless as many targets, or labels, are given as there are images."""
    if given != count:
        raise TargetError(
            f"{there_are(given, what)} for {plural(count, of)}.",
            f"Give one {what} for all images, or one for each.",
        )


def targets_of_each(target: Target, count: int) -> list[Target]:
    """Return what is asked of each of several images that are scored one by one.

    Raises
    ------
    TargetError
        If there are more or fewer targets than images.
    """
    if isinstance(target, (np.ndarray, torch.Tensor)):
        rows: Any = target.tolist() if target.ndim == 1 and len(target) == count else None
        return [target] * count if rows is None else [[row] for row in rows]
    if not isinstance(target, Sequence) or isinstance(target, str):
        return [target] * count
    check_one_each(len(target), count)
    return [[entry] for entry in target]


def _each(target: Any, count: int, classes: int) -> list[Any]:
    """Return one target for each image."""
    if isinstance(target, (np.ndarray, np.generic, torch.Tensor)):
        target = _from_array(target, count, classes)
    single = isinstance(target, (int, str, SumOf, Contrast, Region, Value, Similarity, Box))
    each = [target] * count if single else list(target)
    check_one_each(len(each), count)
    return [
        _one_index(entry, classes)
        if isinstance(entry, (list, tuple, np.ndarray, np.generic, torch.Tensor))
        else entry
        for entry in each
    ]


def _from_array(target: Any, count: int, classes: int) -> Any:
    values = _numbers(target)
    if values.ndim == 0 or (_is_one_hot(values, classes) and values.size != count):
        return _one_index(values, classes)
    if values.ndim == 1 and not np.issubdtype(values.dtype, np.integer):
        return _one_index(values, classes)
    return list(values)


def _one_index(entry: Any, classes: int) -> int:
    """Return the class that a number or a one-hot row names."""
    values = _numbers(entry)
    if values.ndim == 1 and _is_one_hot(values, classes):
        return int(values.argmax())
    if values.size == 1 and float(values.reshape(-1)[0]).is_integer():
        return int(values.reshape(-1)[0])
    raise TargetError(
        f"An array {list(values.shape)} names no class.",
        "Give the index of a class, its name, or a row with a one at its place.",
    )


def _numbers(entry: Any) -> Any:
    return np.asarray(entry.detach().cpu() if isinstance(entry, torch.Tensor) else entry)


def _is_one_hot(values: Any, classes: int) -> bool:
    return bool(
        values.ndim == 1
        and values.size == classes > 1
        and np.count_nonzero(values) == 1
        and values.max() == 1
    )


# Functions of the module, for those within a method could not be pickled.


def _called(target: Callable[[Any], torch.Tensor]) -> ResolvedTarget:
    name = getattr(target, "__name__", type(target).__name__)
    return ResolvedTarget(name, None, partial(called, partial(_fails, name), target), asked=target)


def _fails(name: str, what: str) -> TargetError:
    return TargetError(
        f"The target callable {name} fails: {what}.",
        "It gets what the network returns, and returns one score for each image.",
    )


def _checked(values: Any, count: int) -> torch.Tensor:
    if not isinstance(values, torch.Tensor) or values.shape != (count,):
        raise TargetError(
            f"The target callable returned {describe(values)}, not one score for each image.",
            f"Return a tensor of shape [{count}].",
        )
    return values
