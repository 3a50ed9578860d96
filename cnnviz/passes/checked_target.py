"""What is asked for, looked at before any work: what names no class is refused after one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cnnviz.bounds import read_whole
from cnnviz.errors import CnnvizError, TargetError
from cnnviz.images import Batch
from cnnviz.introspection.hooks import isolated
from cnnviz.models import Model
from cnnviz.models.categories import ClassNames, class_number
from cnnviz.models.member_choice import choose_member
from cnnviz.passes.references import embedded
from cnnviz.passes.target_types import (
    Box,
    Contrast,
    Region,
    Similarity,
    SumOf,
    Target,
    Value,
    parts_of_name,
)
from cnnviz.passes.targets import score, targets_of_each


def checked_target(model: Model, target: Target, batch: Batch) -> Target:
    """Return a target with which work can begin.

    References of similarities are vectors in it, and rows a list: the network embeds a reference
    that is an image, so this cannot be done while its layers are being recorded. Where a class is
    asked for that the names of the network do not tell, the image that it is asked of goes through
    the network alone, so that a mistake costs one pass over one image.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    target : None, int, str, another target, a sequence of these, or callable
        What is asked for.
    batch : Batch
        The images.

    Raises
    ------
    TargetError
        If a class does not exist, or there are more or fewer targets than images.
    """
    found = _with_references(model, target)
    if callable(found) or found is None or isinstance(found, (np.ndarray, torch.Tensor)):
        return found
    each = targets_of_each(found, len(batch.tensor))
    if model.categories is None:
        return found
    known, tried = ClassNames(model.categories), set[int | str]()
    for place, wanted in enumerate(each):
        classes = _classes(wanted[0] if isinstance(wanted, list) else wanted, model.categories)
        doubted = {one for one in classes if not _told(one, known, len(model.categories))}
        if not doubted <= tried:
            _try(model, wanted, batch.parts(1)[place])
        tried |= doubted
    return found


def _with_references(model: Model, target: Target) -> Target:
    if isinstance(target, Similarity):
        return embedded(model, target)
    if isinstance(target, (np.ndarray, torch.Tensor)) and target.ndim > 1:
        return list(target)
    if isinstance(target, Sequence) and not isinstance(target, str):
        return [embedded(model, e) if isinstance(e, Similarity) else e for e in target]
    return target


def _told(label: int | str, known: ClassNames, count: int) -> bool:
    """Tell whether known names have a class; if not, that is a doubt, and no verdict."""
    index = read_whole(label) if isinstance(label, str) else class_number(label)
    if index is None:
        return len(known.matching(str(label))) == 1
    return 0 <= index < count


def _classes(entry: Any, names: Sequence[str]) -> list[int | str]:
    """Return the classes that a target names."""
    if isinstance(entry, SumOf):
        return list(entry.classes)
    if isinstance(entry, Contrast):
        return [entry.this, entry.that]
    if isinstance(entry, (Region, Box)):
        return [] if entry.label is None else [entry.label]
    if isinstance(entry, Value):
        return [entry.index]
    if isinstance(entry, str):
        return [label for label, _ in parts_of_name(entry, names)]
    return [entry] if isinstance(entry, int) else []


def _try(model: Model, wanted: Target, image: Batch) -> None:
    """Ask it of one image, which tells what the output means and what the likeliest answers are."""
    try:
        with isolated(model.module, grad=False):
            output = model.forward(image.tensor.clone())
            choose_member(model, output, image.tensor)
            score(model, output, wanted, 1, image)
    except TargetError:
        raise
    except CnnvizError:
        return  # A network that does not take one image alone is asked with the others.
