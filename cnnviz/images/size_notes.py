"""What bringing a photo to the size that a network takes did: black around, enlargement, cuts."""

from __future__ import annotations

from cnnviz.images.photo import Photo
from cnnviz.images.preprocessing import Preprocessing
from cnnviz.results.text import percent

ENLARGED = 2.0
"""From how many times its height or width on it is said that a photo is enlarged."""

SEEN = 0.25
"""Below which share of its area it is said that little of a photo is left, as of a panorama."""


def size_notes(photo: Photo, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Say what of the input does not come from the photo's pixels, and where most of it is cut off.

    Parameters
    ----------
    photo : Photo
        The photo.
    preprocessing : Preprocessing
        How it is prepared.

    Returns
    -------
    tuple of str
        Notes without a full stop; none where the photo is about as large as the input, or larger,
        and of usual proportions.
    """
    height, width = preprocessing.resized(photo.height, photo.width)
    box = preprocessing.box(photo.height, photo.width)
    seen_down = min(box.bottom, photo.height) - max(box.top, 0.0)
    seen_across = min(box.right, photo.width) - max(box.left, 0.0)
    seen = seen_down * seen_across
    black = 1.0 - seen / (box.height * box.width)
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
    left = seen / (photo.height * photo.width)
    if left < SEEN:
        notes.append(f"the network sees {percent(left)} of the photo, its middle; the rest is cut")
    return tuple(notes)
