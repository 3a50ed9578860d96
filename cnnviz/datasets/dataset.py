"""What every data set can do: tell its images apart, say what is known of each, and read one."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.images import Photo

if TYPE_CHECKING:
    import torch

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DatasetImage:
    """One image of a data set, as read.

    Attributes
    ----------
    image : Photo or torch.Tensor
        The image; a float tensor [C, H, W] is taken as already preprocessed.
    label : int or None
        Its class, as an index into `Dataset.classes` where these are known.
    """

    image: Photo | torch.Tensor
    label: int | None = None


class Dataset(ABC):
    """Images in a fixed order, none of which is read before it is asked for.

    Every method may be called from several threads at once.

    Attributes
    ----------
    classes : tuple of str
        The names of the classes, in the order of the labels; empty where they are not known.
    notes : tuple of str
        What a reader must know of the set, such as what was left out of it.
    """

    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what an image is called: its path in the set where it has one."""

    @abstractmethod
    def key(self, index: int) -> str:
        """Return a text that changes when the image does, found without decoding it.

        It does not depend on where the set lies on this machine.
        """

    @abstractmethod
    def read(self, index: int) -> DatasetImage:
        """Read one image.

        Raises
        ------
        ImageError
            If it cannot be read.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say in a few words what the set is."""

    def label(self, index: int) -> int | None:
        """Return the label of an image as far as it is known without decoding it."""
        return None

    def labels(self, index: int) -> tuple[int, ...]:
        """Return all labels of an image, of which there may be several; none where none is known.

        As far as they are known without decoding the image.
        """
        found = self.label(index)
        return () if found is None else (found,)

    def odd_label(self, index: int) -> str | None:
        """Return what stands as the label of an image and is no class; None where nothing does."""
        return None

    def named_label(self, index: int) -> str | None:
        """Return the whole text that stands as the label of an image, where it is no number."""
        return None

    def check(self, index: int, *, masked: bool = False) -> None:  # noqa: B027
        """Raise `ImageError` if an image is seen to be unreadable without decoding it."""

    def size(self, index: int) -> tuple[int, int] | None:
        """Return height and width of an image as read, where that is told without decoding it."""
        return None

    def mask(self, index: int) -> Mask | None:
        """Return the pixels of an image that show the object, [H, W]; None if not known.

        Raises
        ------
        ImageError
            If the mask cannot be read, or does not fit.
        """
        return None

    def sha256(self, index: int) -> str:
        """Return the SHA-256 that the photo will have when it is read, without decoding a file."""
        image = self.read(index).image
        return image.sha256 if isinstance(image, Photo) else tensor_sha256(image)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every image."""
        return tuple(self.name(index) for index in range(len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the keys of all images in order, and the names of the classes.

        Of the images as they were when it was first asked for.
        """
        return self.fingerprint_now()

    def fingerprint_now(self) -> str:
        """Return the fingerprint of the images as they are now: files change meanwhile."""
        digest = hashlib.sha256("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        for index in range(len(self)):
            digest.update(b"\n" + self.key(index).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def spread(self, count: int | None) -> Dataset:
        """Return at most `count` of the images, evenly spread over the set."""
        if count is None or count >= len(self):
            return self
        places = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        return Part(self, [int(place) for place in places])

    def __repr__(self) -> str:
        return f"<Dataset: {self.describe()}>"


class Part(Dataset):
    """Some images of another set, in a given order.

    Parameters
    ----------
    whole : Dataset
        The set.
    places : sequence of int
        Which of its images.
    """

    def __init__(self, whole: Dataset, places: Sequence[int]) -> None:
        beyond = [place for place in places if not 0 <= place < len(whole)]
        if beyond:
            raise UsageError(
                f"There is no image {beyond[0]} in {whole.describe()}.", "Images count from 0."
            )
        self.whole, self.places = whole, tuple(places)
        self.classes, self.notes = whole.classes, whole.notes

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """Return what the image is called in the whole set."""
        return self.whole.name(self.places[index])

    def key(self, index: int) -> str:
        """Return the key that the image has in the whole set."""
        return self.whole.key(self.places[index])

    def label(self, index: int) -> int | None:
        """Return the label that the image has in the whole set."""
        return self.whole.label(self.places[index])

    def labels(self, index: int) -> tuple[int, ...]:
        """Return the labels that the image has in the whole set."""
        return self.whole.labels(self.places[index])

    def odd_label(self, index: int) -> str | None:
        """Return what stands as the label of the image in the whole set."""
        return self.whole.odd_label(self.places[index])

    def named_label(self, index: int) -> str | None:
        """Return the text that stands as the label of the image in the whole set."""
        return self.whole.named_label(self.places[index])

    def check(self, index: int, *, masked: bool = False) -> None:
        """Check the image in the whole set."""
        self.whole.check(self.places[index], masked=masked)

    def size(self, index: int) -> tuple[int, int] | None:
        """Return the size that the image has in the whole set."""
        return self.whole.size(self.places[index])

    def sha256(self, index: int) -> str:
        """Return the SHA-256 that the image has in the whole set."""
        return self.whole.sha256(self.places[index])

    def mask(self, index: int) -> Mask | None:
        """Return the mask that the image has in the whole set."""
        return self.whole.mask(self.places[index])

    def read(self, index: int) -> DatasetImage:
        """Read the image from the whole set."""
        return self.whole.read(self.places[index])

    def describe(self) -> str:
        """Say how many of which set these are."""
        return f"{len(self):,} of {self.whole.describe()}"


def tensor_sha256(tensor: Any) -> str:
    """Return the SHA-256 of the values of a tensor, as float32 bytes."""
    values = tensor.detach().float().cpu().contiguous().numpy()
    return hashlib.sha256(values.tobytes()).hexdigest()
