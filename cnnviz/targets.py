"""What is explained: from a class, a name or a callable to one score for each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cnnviz.errors import TargetError
from cnnviz.models import Model

Target = int | str | Sequence[int | str] | Callable[[Any], torch.Tensor] | None


@dataclass(frozen=True)
class Scores:
    """One score for each image of a batch.

    Attributes
    ----------
    values : torch.Tensor
        Shape [N], with a graph where the output had one.
    names : tuple of str
        What each score is, in words.
    classes : tuple of int or None
        The class index of each score; None where a callable made it.
    """

    values: torch.Tensor
    names: tuple[str, ...]
    classes: tuple[int | None, ...]


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
    target : None, int, str, sequence of these, or callable
        None takes each image's top-1 class; a class index or name stands for every image, a
        sequence gives one for each. A callable gets the whole output and returns the scores [N].
    count : int
        The number of images, N.

    Raises
    ------
    TargetError
        If a class does not exist, the lengths differ, or the scores have another shape.
    """
    if callable(target):
        return _called(target, output, count)
    logits = logits_of(output)
    if logits.ndim != 2 or logits.shape[0] != count:
        raise TargetError(
            f"The network returns {describe(logits)} for {count} images, not [N, classes].",
            "Give a callable as target that makes one score for each image of it.",
        )
    classes = _classes(model, logits, target, count)
    index = torch.tensor(classes, device=logits.device)
    values = logits.gather(1, index[:, None])[:, 0]
    return Scores(values, tuple(model.category(i) for i in classes), tuple(classes))


def _classes(model: Model, logits: torch.Tensor, target: Any, count: int) -> list[int]:
    if target is None:
        return [int(index) for index in logits.detach().argmax(1)]
    each = [target] * count if isinstance(target, (int, str)) else list(target)
    if len(each) != count:
        raise TargetError(
            f"There are {len(each)} targets for {count} images.",
            "Give one target for all images, or one for each.",
        )
    return [_class_index(model, entry, logits.shape[1]) for entry in each]


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


def _called(target: Callable[[Any], torch.Tensor], output: Any, count: int) -> Scores:
    values = target(output)
    if not isinstance(values, torch.Tensor) or values.shape != (count,):
        raise TargetError(
            f"The target callable returned {describe(values)}, not one score for each image.",
            f"Return a tensor of shape [{count}].",
        )
    name = getattr(target, "__name__", type(target).__name__)
    return Scores(values, (name,) * count, (None,) * count)
