"""A photo that suits a network, for whoever names none."""

from __future__ import annotations

from cnnviz.datasets.shapes import CLASSES, Shapes
from cnnviz.images import Photo, read_photo, sample_photo
from cnnviz.models.model import Model

HELD_OUT_SAMPLE = 19


def sample_for(model: Model) -> Photo:
    """Return a held-out sample of the shipped data for a network of its classes.

    Any other network gets the sample photo that matplotlib carries.
    """
    if model.categories == CLASSES:
        return held_out_photo(HELD_OUT_SAMPLE)
    return sample_photo()


def held_out_photo(index: int) -> Photo:
    """Return a held-out sample of the shipped data as a photo that is named after it."""
    sample = Shapes(split="held-out")[index]
    return read_photo(sample.image, name=f"shapes held-out {index} ({sample.name})")
