"""What is explained: a class, several, a contrast, a region or a callable; one score an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import TargetError
from cnnviz.models import Model


@dataclass(frozen=True)
class SumOf:
    """The sum of the scores of several classes: "any cat at all"."""

    classes: tuple[int | str, ...]

    def __init__(self, *classes: int | str) -> None:
        object.__setattr__(self, "classes", classes)


@dataclass(frozen=True)
class Contrast:
    """The score of one class less that of another: "why this and not that"."""

    this: int | str
    that: int | str


@dataclass(frozen=True, eq=False)
class Region:
    """The score of a class summed over a region, for networks that segment.

    Attributes
    ----------
    label : int or str
        The class.
    mask : ndarray of bool, optional
        The region, [H, W] at the size of the network's output; by default where the class is the
        network's own answer (Vinogradova et al. 2020).
    """

    label: int | str
    mask: NDArray[np.bool_] | None = None


OneTarget = int | str | SumOf | Contrast | Region
"""What is explained of one image."""
Target = OneTarget | Sequence[OneTarget] | Callable[[Any], torch.Tensor] | None
"""What is explained: the network's own answer, one target for all images, or one for each."""


@dataclass(frozen=True, eq=False)
class ResolvedTarget:
    """What is explained of one image.

    Attributes
    ----------
    name : str
        What it is, in words.
    class_index : int or None
        The class, where it is exactly one.
    score : callable
        ``score(output)``: what the network returned for B images to B scores, [B].
    """

    name: str
    class_index: int | None
    score: Callable[[Any], torch.Tensor]


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


def logits_of(output: Any) -> torch.Tensor:
    """Find the class scores in what a network returned.

    A tensor is taken as it is. In a mapping or an object with named fields the entry ``logits`` or
    ``out`` is taken, or its only tensor of floating-point numbers; in a tuple or list the first.

    Raises
    ------
    TargetError
        If the output holds no tensor of floating-point numbers, or several without a known name.
    """
    if isinstance(output, torch.Tensor):
        return output
    named = _named_entries(output)
    for name in ("logits", "out"):
        if isinstance(named.get(name), torch.Tensor):
            found: torch.Tensor = named[name]
            return found
    is_sequence = isinstance(output, (tuple, list))
    entries = list(output) if is_sequence else list(named.values())
    tensors = [entry for entry in entries if _is_floating(entry)]
    if len(tensors) == 1 or (tensors and is_sequence):
        first: torch.Tensor = tensors[0]
        return first
    raise TargetError(
        f"The network returns {describe(output)}, in which no class scores can be told apart.",
        "Wrap it in a module that returns the logits, as one tensor [N, classes].",
    )


def describe(output: Any) -> str:
    """Say in a few words what a network or layer returned."""
    if isinstance(output, torch.Tensor):
        return f"a tensor {list(output.shape)}"
    named = _named_entries(output)
    if named:
        return f"a {type(output).__name__} with {', '.join(map(repr, named))}"
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


def _named_entries(output: Any) -> dict[str, Any]:
    if isinstance(output, Mapping):
        return {str(key): value for key, value in output.items()}
    names = getattr(output, "_fields", None) or getattr(output, "__dataclass_fields__", None)
    return {str(name): getattr(output, name) for name in names} if names else {}


def _is_floating(entry: Any) -> bool:
    return isinstance(entry, torch.Tensor) and entry.is_floating_point()


def score(model: Model, output: Any, target: Target, count: int) -> Scores:
    """Turn a target into one score for each image.

    Parameters
    ----------
    model : Model
        The network, for the names of its classes.
    output : Any
        What its forward returned for `count` images.
    target : None, int, str, SumOf, Contrast, Region, sequence of these, or callable
        None takes each image's top-1 class; anything else stands for every image, and a sequence
        gives one for each. A name may be written ``koala - wombat`` for a contrast and
        ``tabby + tiger cat`` for classes together. A callable gets the whole output and returns the
        scores [N]; it must treat each image by itself.
    count : int
        The number of images, N.

    Raises
    ------
    TargetError
        If a class does not exist, the lengths differ, or the scores have another shape.
    """
    if callable(target):
        resolved = _called(target)
        return Scores(_checked(resolved.score(output), count), (resolved,) * count)
    logits = logits_of(output)
    if logits.ndim == 4 and logits.shape[0] == count and target is not None:
        return _regions(model, logits, _each(target, count))
    if logits.ndim != 2 or logits.shape[0] != count:
        raise TargetError(
            f"The network returns {describe(logits)} for {count} images, not [N, classes].",
            "Give a callable as target that makes one score for each image of it, or a Region for "
            "a network that segments.",
        )
    each = logits.detach().argmax(1).tolist() if target is None else _each(target, count)
    return _scored(logits, tuple(_resolved(model, entry, logits.shape[1]) for entry in each))


def _scored(logits: torch.Tensor, resolved_targets: tuple[ResolvedTarget, ...]) -> Scores:
    values = [resolved.score(logits[n : n + 1]) for n, resolved in enumerate(resolved_targets)]
    return Scores(torch.cat(values), resolved_targets)


def _each(target: Any, count: int) -> list[Any]:
    single = isinstance(target, (int, str, SumOf, Contrast, Region))
    each = [target] * count if single else list(target)
    if len(each) != count:
        raise TargetError(
            f"There are {len(each)} targets for {count} images.",
            "Give one target for all images, or one for each.",
        )
    return each


def _resolved(model: Model, entry: Any, count: int) -> ResolvedTarget:
    """Return the target that is a weighted sum of the logits."""
    if isinstance(entry, Region):
        raise TargetError(
            f"A region of {entry.label!r} was asked for, and the network makes no map of classes.",
            "Give a class.",
        )
    parts = _parts(model, entry)
    indices = [(_class_index(model, label, count), sign) for label, sign in parts]
    name = model.category(indices[0][0])
    for index, sign in indices[1:]:
        name += f" {'+' if sign > 0 else '-'} {model.category(index)}"
    alone = indices[0][0] if len(indices) == 1 else None

    def add_up(output: Any) -> torch.Tensor:
        logits = logits_of(output)
        return torch.stack([sign * logits[:, index] for index, sign in indices]).sum(0)

    return ResolvedTarget(name, alone, add_up)


def _parts(model: Model, entry: Any) -> list[tuple[int | str, int]]:
    if isinstance(entry, SumOf):
        if not entry.classes:
            raise TargetError("No class was given.", "Name at least one.")
        return [(label, 1) for label in entry.classes]
    if isinstance(entry, Contrast):
        return [(entry.this, 1), (entry.that, -1)]
    # A class whose own name holds a sign is meant as it stands.
    if isinstance(entry, str) and entry not in (model.categories or ()):
        if " - " in entry:
            this, _, that = entry.partition(" - ")
            return [(this.strip(), 1), (that.strip(), -1)]
        if " + " in entry:
            return [(label.strip(), 1) for label in entry.split(" + ")]
    return [(entry, 1)]


def _class_index(model: Model, entry: Any, classes: int) -> int:
    if isinstance(entry, str) and not entry.lstrip("-").isdigit():
        index = model.class_index(entry)
    else:
        index = int(entry)
    if not 0 <= index < classes:
        raise TargetError(
            f"There is no class {index}: the network has {classes} classes.",
            f"Give an index from 0 to {classes - 1}, or a class name.",
        )
    return index


def _regions(model: Model, logits: torch.Tensor, each: Sequence[Any]) -> Scores:
    answers = logits.detach().argmax(1)
    resolved_targets = tuple(
        _region(model, entry, answers[n], logits.shape) for n, entry in enumerate(each)
    )
    return _scored(logits, resolved_targets)


def _region(model: Model, entry: Any, answer: torch.Tensor, shape: torch.Size) -> ResolvedTarget:
    wanted = entry if isinstance(entry, Region) else Region(entry)
    if not isinstance(wanted.label, (int, str)):
        raise TargetError(
            f"{wanted.label!r} is no class of a network that segments.", "Give a class or a Region."
        )
    index = _class_index(model, wanted.label, shape[1])
    if wanted.mask is None:
        mask = answer == index
    else:
        mask = torch.as_tensor(wanted.mask, dtype=torch.bool, device=answer.device)
        if mask.shape != answer.shape:
            raise TargetError(
                f"The mask has the shape {list(mask.shape)}, and the network's output has "
                f"{list(answer.shape)}.",
                "Give the mask at the size of the output.",
            )
    if not bool(mask.any()):
        raise TargetError(
            f"The region of {model.category(index)!r} is empty.",
            "Give a mask that holds a pixel, or a class that the network finds in the image.",
        )

    def add_up(output: Any) -> torch.Tensor:
        return logits_of(output)[:, index, mask].sum(1)

    return ResolvedTarget(f"{model.category(index)} in a region", None, add_up)


def _called(target: Callable[[Any], torch.Tensor]) -> ResolvedTarget:
    return ResolvedTarget(getattr(target, "__name__", type(target).__name__), None, target)


def _checked(values: Any, count: int) -> torch.Tensor:
    if not isinstance(values, torch.Tensor) or values.shape != (count,):
        raise TargetError(
            f"The target callable returned {describe(values)}, not one score for each image.",
            f"Return a tensor of shape [{count}].",
        )
    return values
