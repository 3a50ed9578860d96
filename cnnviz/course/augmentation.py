"""A transform of torchvision from its text, and what it draws of an image."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from cnnviz.bounds import Within
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.foreign_code import called
from cnnviz.models.files import made_by
from cnnviz.models.files import split as split_file
from cnnviz.models.randomness import seeded
from cnnviz.models.torchvision_import import import_torchvision

Transform = Callable[[Any], Any]
_NUMBERS = Within(-4_096, 4_096)
_EXAMPLE = "Write calls such as RandomResizedCrop(64), RandomHorizontalFlip(p=0.5)."


def read_transform(spec: str) -> Transform:
    """Return the transform that a text asks for, without running the text.

    Parameters
    ----------
    spec : str
        Calls of classes of ``torchvision.transforms.v2`` with literal arguments, or lists of such
        calls, separated by commas; or ``file.py:name``, a callable, or a function without arguments
        that makes a transform. Naming the file is taken as trust in it.

    Raises
    ------
    ModelError
        If there is no such file or name in it.
    UsageError
        If the text is anything else.
    """
    named = split_file(spec)
    if named is not None:
        made = made_by(*named)
        if not callable(made):
            raise UsageError(f"{spec} is not callable.", "Name a transform, or what makes one.")
        found: Transform = made
        return found
    try:
        tree = ast.parse(f"[{spec}]", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{spec!r} is no transform.", _EXAMPLE) from error
    calls = tree.elts if isinstance(tree, ast.List) else []
    if not calls or not all(isinstance(call, ast.Call) for call in calls):
        raise UsageError(f"{spec!r} is no transform.", _EXAMPLE)
    made_each = [_value(call) for call in calls]
    return made_each[0] if len(made_each) == 1 else partial(_chained, made_each)


def _chained(transforms: list[Transform], image: Any) -> Any:
    for transform in transforms:
        image = transform(image)
    return image


def _value(node: ast.expr) -> Any:
    """Return a literal, or a transform of torchvision that is called with literals."""
    if isinstance(node, ast.List):
        return [_value(one) for one in node.elts]
    if not isinstance(node, ast.Call):
        try:
            value = ast.literal_eval(node)
        except ValueError as error:
            raise UsageError(
                f"{ast.unparse(node)!r} is no number, text or tuple of these.", _EXAMPLE
            ) from error
        # A size of 20,000 pixels would be worked at for a minute before its memory runs out.
        _NUMBERS.check("A number in a transform", value)
        return value
    if not isinstance(node.func, ast.Name) or any(word.arg is None for word in node.keywords):
        raise UsageError(f"{ast.unparse(node)!r} is no transform.", _EXAMPLE)
    kind = _named(node.func.id)
    given = [_value(one) for one in node.args]
    words = {str(word.arg): _value(word.value) for word in node.keywords}
    try:
        return kind(*given, **words)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{ast.unparse(node)} cannot be made: {' '.join(str(error).split())}.", _EXAMPLE
        ) from error


def _named(name: str) -> Any:
    module = import_torchvision("torchvision.transforms.v2")
    known = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, nn.Module) and not key.startswith("_")
    }
    if name not in known:
        raise UsageError(
            f"torchvision.transforms.v2 has no transform {name!r}.",
            did_you_mean(name, known, _EXAMPLE),
        )
    return known[name]


def _fails(what: str) -> UsageError:
    return UsageError(f"The transform fails: {what}.", "Give one that takes a PIL image.")


def drawn(transform: Transform, image: Image.Image, seed: int) -> NDArray[np.uint8] | torch.Tensor:
    """Return what a transform draws of an image with a seed; the global generators are put back.

    Returns
    -------
    ndarray of uint8 [H, W, 3], or torch.Tensor
        Pixels; a float tensor that has values beyond 0 and 1 is normalised already and is returned
        as it is.

    Raises
    ------
    UsageError
        If the transform fails or gives anything else than an image.
    """
    with seeded(seed):
        found = called(_fails, transform, image.copy())
    if isinstance(found, Image.Image):
        return np.asarray(found.convert("RGB"))
    if not isinstance(found, torch.Tensor) or found.ndim != 3:
        what = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise UsageError(
            f"The transform gives {what}, not one image.", "Give one from image to image."
        )
    found = found.detach().as_subclass(torch.Tensor).cpu()
    if found.is_floating_point():
        if float(found.min()) < 0.0 or float(found.max()) > 1.0:
            return found.float()
        found = (found * 255.0).round().to(torch.uint8)
    pixels = np.asarray(found.permute(1, 2, 0).numpy(), np.uint8)
    return pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
