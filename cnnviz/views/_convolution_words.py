"""The caption of `convolve`: how the result was computed, what is drawn, and on what scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.course.convolution import turned
from cnnviz.results.text import number, percent

if TYPE_CHECKING:
    from cnnviz.views.convolve import Convolution


def caption(found: Convolution) -> str:
    """Say how it was computed, what is drawn, and on what scale."""
    row, column = found.at
    f, g = found.kernel.shape[1:]
    return (
        f"What slides over {found.image} is {found.title} ({f} x {g}; {found.source})"
        f"{_channel_words(found)}. {_order(found)} Stride {_pair(found.stride)}, dilation "
        f"{_pair(found.dilation)}, {_padding_words(found)}. At row {row}, column {column} of "
        f"the result, counted from 0 ({found.chosen}), the window in the frame is multiplied cell "
        "by cell with the "
        f"kernel, and the {found.products.size} products{' and the bias' if found.bias else ''} "
        f"add up to {number(found.total)}. {_scale_words(found)} {_moving(found)}"
    )


def _channel_words(found: Convolution) -> str:
    count = len(found.channels)
    if len(found.kernel) > 1:
        return f": one of its slices over each of {count} channels, and their sums added"
    if count > 1:
        return ", over each channel alone"
    if found.photo is None:
        return ""
    made = " (0.299 red + 0.587 green + 0.114 blue, rounded)" if found.channels == ("grey",) else ""
    return f", over its {found.channels[0]} values{made}"


def _order(found: Convolution) -> str:
    if found.flipped:
        return (
            "The kernel was turned by 180 degrees first: that is convolution as it is defined, "
            "which libraries compute without the turn."
        )
    same = np.array_equal(found.kernel, turned(found.kernel))
    more = (
        "; this kernel is the same turned by 180 degrees, so that convolution gives the same"
        if same
        else "; convolution as it is defined turns the kernel by 180 degrees first (flip)"
    )
    return f"What libraries call convolution is cross-correlation, and so is this{more}."


def _padding_words(found: Convolution) -> str:
    if found.padding == "none" or not any(map(any, found.margins)):
        smaller = ", so that the result is smaller than the image"
        return f"no padding{smaller if max(found.sliding.reach) > 1 else ''}"
    (top, bottom), (left, right) = found.margins
    words = {
        "zero": "zeros",
        "reflect": "the image mirrored at its edge",
        "replicate": "the values of the edge again",
        "circular": "the values of the other side",
    }
    return (
        f"padded with {words[found.padding]} ({top}, {bottom}, {left} and {right} pixels above, "
        "below, left and right)"
    )


def _scale_words(found: Convolution) -> str:
    low, high = map(number, found.scale)
    if found.drawn == "picture":
        drawn = "The result is drawn as a picture, black at 0 and white at 255"
    elif found.drawn == "signed":
        drawn = f"The result is drawn with white at zero, from {low} (blue) to {high} (red)"
    else:
        drawn = f"The result is drawn from {low} (dark) to {high} (light)"
    if not found.beyond:
        return f"{drawn}; none of its values lies beyond."
    return f"{drawn}; {percent(found.beyond)} of its values lie beyond, and have the end colours."


def _moving(found: Convolution) -> str:
    return (
        "Saved as .gif or .webp it shows the kernel at "
        + ("every position" if found.small else "some positions, row by row,")
        + " and the result as it is filled."
    )


def _pair(sizes: tuple[int, int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]} x {sizes[1]}"
