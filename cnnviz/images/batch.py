"""Many images, some of them broken, to one checked batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from cnnviz.errors import ImageError, UsageError
from cnnviz.images.array_batch import Prepared, prepare_arrays
from cnnviz.images.array_preprocessing import ArrayPreprocessing
from cnnviz.images.given_tensors import check_values_are_there
from cnnviz.images.paths import distinct_names, file_name, writable
from cnnviz.images.photo import Photo, PhotoError, new_photo
from cnnviz.images.photo_box import PhotoBox
from cnnviz.images.preprocessing import Preprocessing
from cnnviz.images.reading import read_photo
from cnnviz.images.size_notes import size_notes
from cnnviz.results.text import number, percent, plural, reasons

if TYPE_CHECKING:
    import torch

    from cnnviz.images.aliases import Unprepared


@dataclass(frozen=True)
class Refusal:
    """An image that could not be used, and why; the others of its batch went on."""

    name: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}. {self.remedy}".rstrip()


@dataclass(frozen=True, eq=False)
class Batch:
    """Images as a network takes them, beside the photos they come from.

    Attributes
    ----------
    tensor : torch.Tensor
        ``[N, C, H, W]``, preprocessed, on the device it was prepared for; of signals
        ``[N, C, L]``, of volumes and clips ``[N, C, D, H, W]``.
    photos : tuple of Photo
        The N photos; for tensors given as already preprocessed, what inverting the preprocessing
        gives.
    boxes : tuple of PhotoBox
        The part of each photo that the network sees, in pixels of the photo.
    refused : tuple of Refusal
        The images that could not be read, in the order they were given.
    """

    tensor: torch.Tensor = field(repr=False)
    photos: tuple[Photo, ...]
    boxes: tuple[PhotoBox, ...]
    refused: tuple[Refusal, ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    def singles(self) -> list[Batch]:
        """Return each image in a batch of its own; what was refused stays with the whole."""
        return self.parts(1)

    def parts(self, size: int) -> list[Batch]:
        """Return batches of at most so many images; what was refused stays with the whole."""
        return [
            Batch(self.tensor[k : k + size], self.photos[k : k + size], self.boxes[k : k + size])
            for k in range(0, len(self.tensor), size)
        ]


def prepare(
    images: Unprepared,
    preprocessing: Preprocessing,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Batch:
    """Read and preprocess images into one batch.

    Parameters
    ----------
    images : one image or an iterable of them
        Whatever `read_photo` takes; or float tensors ``[C, H, W]``, or one ``[N, C, H, W]``, taken
        as already preprocessed.
    preprocessing : Preprocessing
        What the network was trained on.
    device : str or torch.device
        Where the batch goes.
    dtype : torch.dtype, optional
        Its floating-point type, float32 when not given.

    Returns
    -------
    Batch
        Images that cannot be read are left out and listed in `Batch.refused`.

    Raises
    ------
    ImageError
        No image is left, or the images come out in different sizes.
    UsageError
        Tensors and images are mixed, or a tensor does not fit the network.
    """
    import torch

    dtype = dtype or torch.float32
    if isinstance(preprocessing, ArrayPreprocessing):
        read, errors = prepare_arrays(images, preprocessing)
        return _joined(read, errors, [_all_of(photo) for photo, _ in read], device, dtype)
    items = _items(images)
    tensors = [item for item in items if isinstance(item, torch.Tensor)]
    if not tensors:
        return _from_photos(items, preprocessing, device, dtype)
    if len(tensors) < len(items):
        raise UsageError(
            "Tensors and images are mixed in one call.", "Give either all tensors or no tensor."
        )
    return _from_tensors(tensors, preprocessing, device, dtype)


def _items(images: Unprepared) -> list[Any]:
    """Return the single images, a batch of tensors or arrays taken apart."""
    import torch

    single = isinstance(images, torch.Tensor | np.ndarray)
    given: list[Any] = [images] if single or not _is_collection(images) else list(images)
    items: list[Any] = []
    for item in given:
        if isinstance(item, torch.Tensor):
            check_values_are_there(item)
        stacked = isinstance(item, torch.Tensor | np.ndarray) and item.ndim == 4
        items.extend(item if stacked else [item])
    if not items:
        raise ImageError("No image was given.", "Name at least one.")
    return items


def _is_collection(images: Unprepared) -> TypeGuard[Iterable[Any]]:
    return isinstance(images, Iterable) and not isinstance(images, str | bytes | Photo)


def _from_photos(
    items: list[Any],
    preprocessing: Preprocessing,
    device: str | torch.device,
    dtype: torch.dtype,
) -> Batch:
    preprocessing.check_channels()
    read: list[Prepared] = []
    errors: list[PhotoError] = []
    names = distinct_names([name_and_path(item, index) for index, item in enumerate(items)])
    for item, name in zip(items, names, strict=True):
        try:
            photo = replace(item, name=name) if isinstance(item, Photo) else read_photo(item, name)
            prepared = preprocessing(photo)
            notes = (*photo.notes, *size_notes(photo, preprocessing))
            read.append((replace(photo, notes=notes), prepared))
        except PhotoError as error:
            errors.append(error)
    boxes = [preprocessing.box(photo.height, photo.width) for photo, _ in read]
    return _joined(read, errors, boxes, device, dtype)


def _joined(
    read: list[Prepared],
    errors: list[PhotoError],
    boxes: list[PhotoBox],
    device: str | torch.device,
    dtype: torch.dtype,
) -> Batch:
    import torch

    if not read:
        raise _nothing_left(errors)
    _check_sizes([(photo.name, tensor) for photo, tensor in read])
    return Batch(
        torch.stack([tensor for _, tensor in read]).to(device=device, dtype=dtype),
        tuple(photo for photo, _ in read),
        tuple(boxes),
        tuple(Refusal(error.name, error.reason, error.remedy) for error in errors),
    )


def _all_of(photo: Photo) -> PhotoBox:
    return PhotoBox(0, 0, photo.width, photo.height)


def check_any_readable(items: Sequence[Any]) -> None:
    """Raise the `ImageError` of `prepare` where none of these photos can be read.

    No further one is read than the first that can be.
    """
    errors: list[PhotoError] = []
    names = distinct_names([name_and_path(item, index) for index, item in enumerate(items)])
    for item, name in zip(items, names, strict=True):
        try:
            read_photo(item, name)
        except PhotoError as error:
            errors.append(error)
        else:
            return
    raise _nothing_left(errors)


def name_and_path(item: Any, index: int) -> tuple[str, str]:
    """Return the name of an image without folders, and its path where it has one."""
    if isinstance(item, Photo):
        return item.name, item.path
    on_disk = isinstance(item, str | os.PathLike)
    path = os.fsdecode(item) if on_disk else str(getattr(item, "filename", "") or "")
    return file_name(path) or writable(path) or f"image {index}", writable(path)


def _nothing_left(errors: list[PhotoError]) -> ImageError:
    if len(errors) == 1:
        return errors[0]
    return ImageError(
        f"None of the {len(errors)} images can be used ({reasons(errors, 5)}).",
        errors[0].remedy,
        option=errors[0].option,
    )


def _check_sizes(tensors: list[tuple[str, torch.Tensor]]) -> None:
    first_name, first = tensors[0]
    for name, tensor in tensors[1:]:
        if tensor.shape != first.shape:
            raise ImageError(
                f"The images come out in different sizes: {first_name} as {list(first.shape)} and "
                f"{name} as {list(tensor.shape)}.",
                "Give them one at a time, or a preprocessing with a crop.",
                option="Name them one at a time, or give --crop.",
            )


def _from_tensors(
    tensors: list[torch.Tensor],
    preprocessing: Preprocessing,
    device: str | torch.device,
    dtype: torch.dtype,
) -> Batch:
    import torch

    for index, tensor in enumerate(tensors):
        _check_tensor(tensor, index, preprocessing)
    _check_sizes([(f"image {index}", tensor) for index, tensor in enumerate(tensors)])
    # A copy: a network that works in place must not write into the caller's tensor.
    given = torch.stack([tensor.detach() for tensor in tensors]).to(device)
    _check_finite(given)
    height, width = given.shape[-2:]
    photos = _shown(given, preprocessing)
    return Batch(given.to(dtype), photos, (PhotoBox(0, 0, width, height),) * len(photos))


def _check_tensor(tensor: torch.Tensor, index: int, preprocessing: Preprocessing) -> None:
    if not tensor.is_floating_point():
        raise UsageError(
            f"Image {index} is a tensor of {tensor.dtype}; only float tensors are taken as "
            "preprocessed.",
            "To have it preprocessed, give tensor.permute(1, 2, 0).numpy(), uint8 [H, W, 3].",
        )
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise UsageError(
            f"Image {index} is a tensor of shape {list(tensor.shape)}.",
            "Give [N, C, H, W] or [C, H, W].",
        )
    if len(tensor) != preprocessing.channels:
        last = tensor.shape[-1] == preprocessing.channels
        raise UsageError(
            f"Image {index} is a tensor of shape {list(tensor.shape)}: of its axes C, H, W the "
            f"first has {plural(len(tensor), 'channel')}, and the network takes "
            f"{preprocessing.channels}.",
            "Its channels come last, H, W, C: give tensor.movedim(-1, -3)."
            if last
            else f"Give [N, {preprocessing.channels}, H, W].",
        )


def _check_finite(tensors: torch.Tensor) -> None:
    # A sum is finite only where all are, and takes a fiftieth of the time of asking each.
    suspects = tensors.flatten(1).sum(1).isfinite().logical_not_().nonzero().flatten().tolist()
    index = next((at for at in suspects if not bool(tensors[at].isfinite().all())), None)
    if index is not None:
        raise UsageError(
            f"Image {index} holds values that are not finite (NaN or infinity).",
            "Check the preprocessing.",
        )


_LEAST_OF_BYTES = 30.0
"""The largest value from which on numbers are taken for bytes: normalised ones are below 10."""


def _shown(tensors: torch.Tensor, preprocessing: Preprocessing) -> tuple[Photo, ...]:
    found = []
    for index, (pixels, clipped) in enumerate(zip(*preprocessing.inverted(tensors), strict=True)):
        notes = ["given as a preprocessed tensor"]
        if clipped:
            notes.append(
                f"{percent(clipped)} of its values lie beyond black or white and are shown clipped"
            )
            notes += _told_bytes(tensors[index])
        found.append(replace(new_photo(pixels, f"image {index}", tuple(notes)), as_tensor=True))
    return tuple(found)


def _told_bytes(tensor: torch.Tensor) -> list[str]:
    """Say that a tensor, for a network that takes other numbers, seems to hold pixels."""
    low, high = (float(value) for value in tensor.detach().aminmax())
    if low < 0 or high < _LEAST_OF_BYTES or high > 255:
        return []
    return [
        f"its values run from {number(low)} to {number(high)} like those of pixels, and a float "
        "tensor is taken as it is: to have pixels prepared, give uint8 [H, W, 3]"
    ]
