"""What a picture is to a computer: numbers, of which neighbours are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import count, number

if TYPE_CHECKING:
    from cnnviz.views.pixels import Pixels


def _after(found: Pixels) -> Sequence[str]:
    high, wide = found.size
    numbers = high * wide * len(found.channels)
    large = (
        "A picture is too large to be taken whole: one layer that connects each of these "
        f"{count(numbers)} numbers with a thousand units would have {count(1000 * numbers)} "
        "weights."
    )
    near, far = found.alike(1), found.alike(-1)
    if not math.isfinite(near):
        return (large,)
    return (
        f"Two pixels side by side correlate with {number(near)}, and two that are "
        f"{found.distances[-1]} pixels apart with {number(far)}. What belongs together in a "
        "picture lies together, and this is why the next chapter looks at small windows.",
        large,
    )


CHAPTER = Chapter(
    key="pixels",
    title="A picture is numbers",
    opening=(
        "To you this is a picture. To a computer it is a table of numbers: three for each pixel, "
        "how much red, green and blue there is, from 0 to 255. A table of height x width x 3 "
        "numbers is called a tensor, and each of its three layers a channel. The network has to "
        "find out from nothing but these numbers what there is to see.",
        "What it is given are not the pixels of the file. The photo is resized and cropped to the "
        "size that the network was trained with, and each channel has a mean subtracted and is "
        "divided by a standard deviation, so that its values lie around zero. A network that is "
        "given pixels in another way than in training mostly answers worse, and does not say so.",
    ),
    steps=(
        Step(
            name="pixels",
            title="The photo as the computer sees it",
            call="cnnviz.pixels(model, photo)",
            command="cnnviz pixels {photo} {model}",
            after=_after,
        ),
    ),
)
