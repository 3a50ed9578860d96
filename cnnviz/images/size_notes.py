"""What bringing a photo to the size that a network takes made up: black around it, enlargement."""

from __future__ import annotations

from cnnviz.images.photo import Photo
from cnnviz.images.preprocessing import Preprocessing
from cnnviz.results.text import percent

ENLARGED = 2.0
"""From how many times its height or width on it is said that a photo is enlarged."""


def size_notes(photo: Photo, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Say what of the input of a network does not come from the photo's own pixels.

    Parameters
    ----------
    photo : Photo
        The photo.
    preprocessing : Preprocessing
        How it is prepared.

    Returns
    -------
    tuple of str
        Notes without a full stop; none where the photo is about as large as the input, or larger.
    """
    height, width = preprocessing.resized(photo.height, photo.width)
    box = preprocessing.box(photo.height, photo.width)
    seen_down = min(box.bottom, photo.height) - max(box.top, 0.0)
    seen_across = min(box.right, photo.width) - max(box.left, 0.0)
    black = 1.0 - seen_down * seen_across / (box.height * box.width)
    notes = []
    if black > 0 and preprocessing.crop is not None:
        cut = " x ".join(map(str, preprocessing.crop))
        notes.append(
            f"{percent(black)} of the input of the network is black around the photo, whose "
            f"{height} x {width} px (height x width) are fewer than the {cut} px that are cut"
        )
    times = max(height / photo.height, width / photo.width)
    if times >= ENLARGED:
        notes.append(
            f"enlarged {times:.1f} times for the network, from {photo.height} x {photo.width} to "
            f"{height} x {width} px (height x width), which adds no detail"
        )
    return tuple(notes)
