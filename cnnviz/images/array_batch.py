"""Signals, volumes and clips to one checked batch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.errors import ImageError, UsageError
from cnnviz.images.array_preprocessing import ArrayPreprocessing
from cnnviz.images.array_reading import (
    ArrayInput,
    is_picture,
    named,
    new_array,
    read_array,
    refuse_picture,
)
from cnnviz.images.given_tensors import check_values_are_there
from cnnviz.images.paths import distinct_names, file_name
from cnnviz.images.photo import Photo, PhotoError
from cnnviz.results.text import plural

if TYPE_CHECKING:
    import torch

Prepared = tuple[Photo, "torch.Tensor"]


def prepare_arrays(
    images: Any, preprocessing: ArrayPreprocessing
) -> tuple[list[Prepared], list[PhotoError]]:
    """Return each input with the tensor [C, ...] made of it, and what could not be read.

    Parameters
    ----------
    images : path, array, float tensor, or a list of these
        One input or several; an array or a tensor with one axis more than an input is several. A
        list of pictures is one clip.
    preprocessing : ArrayPreprocessing
        What the network takes.

    Raises
    ------
    UsageError
        A tensor does not fit the network.
    ImageError
        Nothing was given.
    """
    items = _items(images, preprocessing)
    if not items:
        raise ImageError("No input was given.", "Name at least one.")
    prepared: list[Prepared] = []
    errors: list[PhotoError] = []
    own = [_name_and_path(item) for item in items]
    for index, (item, name) in enumerate(zip(items, distinct_names(own), strict=True)):
        try:
            shown, tensor = _prepared(item, preprocessing, named(items, index, preprocessing))
            prepared.append((replace(shown, name=name or shown.name), tensor))
        except PhotoError as error:
            longer = name and error.name == own[index][0]
            if longer:
                error = PhotoError(name, error.reason, error.remedy, option=error.option)
            errors.append(error)
    return prepared, errors


def _name_and_path(item: Any) -> tuple[str, str]:
    """Return the name of an input and its path; nothing where it has no name of its own."""
    if isinstance(item, Photo):
        return item.name, item.path
    path = os.fsdecode(item) if isinstance(item, str | os.PathLike) else ""
    return file_name(path), path


def _items(images: Any, preprocessing: ArrayPreprocessing) -> list[Any]:
    import torch

    axes = preprocessing.axes
    if isinstance(images, torch.Tensor):
        check_values_are_there(images)
    if isinstance(images, torch.Tensor | np.ndarray):
        single = is_picture(images) or _is_frames(images, preprocessing)
        return list(images) if images.ndim == axes + 2 and not single else [images]
    if isinstance(images, str | bytes | Photo) or not isinstance(images, Iterable):
        return [images]
    given = list(images)
    if len(given) == 1 and isinstance(given[0], str | os.PathLike):
        return given
    if given and all(map(is_picture, given)) and preprocessing.takes_frames:
        return [given]
    found: list[Any] = []
    for item in given:
        found += _items(item, preprocessing) if isinstance(item, torch.Tensor) else [item]
    return found


def _is_frames(images: Any, preprocessing: ArrayPreprocessing) -> bool:
    return (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and preprocessing.takes_frames
        and images.ndim == 4
    )


def _prepared(item: Any, preprocessing: ArrayPreprocessing, name: str) -> Prepared:
    import torch

    if isinstance(item, ArrayInput):
        return item, preprocessing.prepared(item.values)
    if isinstance(item, torch.Tensor):
        _check_tensor(item, preprocessing, name)
        # A copy: a network that works in place must not write into the caller's tensor.
        tensor = item.detach().clone()
        shown = new_array(tensor, preprocessing, name, _TENSOR, as_tensor=True)
        return shown, tensor
    numbers = isinstance(item, np.ndarray) and item.ndim <= preprocessing.axes + 1
    # A file may be an animation.
    animated = preprocessing.takes_frames and isinstance(item, str | os.PathLike)
    if is_picture(item) and not animated and not (numbers and item.shape[-1] > 4):
        said = str(getattr(item, "name", "") or (item if isinstance(item, str) else name))
        raise refuse_picture(said, preprocessing)
    return read_array(item, preprocessing, name)


_TENSOR = ("given as a preprocessed tensor",)


def _check_tensor(tensor: torch.Tensor, preprocessing: ArrayPreprocessing, name: str) -> None:
    wanted = preprocessing.space.shape(preprocessing.channels)
    title = name[:1].upper() + name[1:]
    if not tensor.is_floating_point():
        raise UsageError(
            f"{title} is a tensor of {tensor.dtype}; only float tensors are taken as preprocessed.",
            "Give tensor.float(), or tensor.numpy() to have it preprocessed.",
        )
    if tensor.ndim != preprocessing.axes + 1 or 0 in tensor.shape:
        raise UsageError(
            f"{title} is a tensor of shape {list(tensor.shape)}, and the network takes "
            f"{preprocessing.takes}.",
            f"Give {wanted}.",
        )
    if len(tensor) != preprocessing.channels:
        last = tensor.shape[-1] == preprocessing.channels
        axes = ("C", *preprocessing.space.letters)
        raise UsageError(
            f"{title} is a tensor of shape {list(tensor.shape)}: of its axes {', '.join(axes)} the "
            f"first has {plural(len(tensor), 'channel')}, and the network takes "
            f"{preprocessing.channels}.",
            f"Its channels come last: give {wanted}, such as tensor.movedim(-1, {-len(axes)})."
            if last
            else f"Give {wanted}.",
        )
    if not bool(tensor.isfinite().all()):
        raise UsageError(
            f"{title} holds values that are not finite (NaN or infinity).",
            "Check the preprocessing.",
        )
