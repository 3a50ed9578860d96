"""What is said of the strongest patches of channels: how they were found, and how to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results.space import IMAGE
from cnnviz.results.text import first_few, layer_said, plural, shown_of
from cnnviz.views._deconvnet_text import RULES
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures import top_activations as picture

if TYPE_CHECKING:
    from cnnviz.views.top_activations import TopActivations

_FEW = 10
"""With fewer images for each patch than these, the last patches may be of anything."""


def summary(found: TopActivations) -> str:
    """Say how many channels were searched in how many images, and how many are never above zero."""
    pages = f"; {found.pages} pages" if found.pages > 1 else ""
    return f"{_searched(found)}{pages}"


def title(found: TopActivations) -> str:
    """Return what stands above the page."""
    place = f"; page {found.page} of {found.pages}" if found.pages > 1 else ""
    return f"{_searched(found)}{place}"


def strongest(count: int) -> str:
    """Return what so many patches of a channel are.

    >>> strongest(1), strongest(9)
    ('strongest patch', '9 strongest patches')
    """
    return "strongest patch" if count == 1 else f"{count} strongest patches"


def _searched(found: TopActivations) -> str:
    count, k = found.values.shape
    below = int(found.never_above_zero.sum())
    return (
        f"{layer_said(found.layer)}: the {strongest(k)} of {plural(count, 'channel')} in "
        f"{plural(found.seen, found.space.noun)}" + (f"; {below} never above zero" if below else "")
    )


def caption(found: TopActivations) -> str:
    """Say what stands beside what, how it is scaled, and what is left out."""
    count, k = found.values.shape
    noun = found.space.noun
    told = [
        f"What the channels of {layer_said(found.layer)} respond to most in {found.data}: "
        f"{_extent(found)}.",
        _tiles_told(found),
    ]
    if found.seen < _FEW * k:
        what = "values" if found.space.axes == 1 else "bars"
        told.append(
            f"{k if k < found.seen else 'All'} of only {found.seen} {noun}s are shown: the last "
            f"patches need not be typical of what the channel looks for, as their {what} tell."
        )
    if found.pages > 1:
        told.append(
            f"This is page {found.page} of {found.pages}; figure(page) draws another, and save "
            "writes all."
        )
    below = np.flatnonzero(found.never_above_zero).tolist()
    if below:
        told.append(
            f"Never above zero in these {noun}s: {len(below)} of {count} ({first_few(below, 12)}). "
            "A ReLU right behind lets nothing of them through; a batch norm may shift them."
        )
    if not found.drawn[~found.never_above_zero[list(found.shown)]].all():
        told.append("A place stays grey where a channel is above zero in too few images.")
    if found.provenance.precision:
        told.append(found.provenance.precision)
    return " ".join(told)


def _tiles_told(found: TopActivations) -> str:
    """Say what stands beside what, and how it is scaled."""
    k, space, rule = found.values.shape[1], found.space, RULES[found.rule]
    one = "an image" if space == IMAGE else f"a {space.noun}"
    size = f"({space.size(found.size)}; receptive field: {found.field})"
    reach = f"ends at the {picture.REACH:g}th percentile of its sizes"
    if space.axes == 1:
        return (
            f"In the row of each channel stand the {k} patches with its strongest activations, "
            f"the strongest first, each from {one} of its own {size}; below each is what of it "
            f"made the unit respond, by {rule}. "
            f"{array_patches.channels_told(found.patches.shape[2])}Each projection has its own "
            f"scale, which {reach}, with zero as a faint line; each patch spans its own range. "
            f"Below stand the activation and the name of the {space.noun}."
        )
    slices = array_patches.slices_told(found.size[0]) if space != IMAGE else ""
    return (
        f"For each channel the {k} patches with its strongest activations on the right, the "
        f"strongest first and row by row, each from {one} of its own {size}; on the left, in "
        f"the same order, what of each made the unit respond, by {rule}. {slices}In a "
        f"projection grey is zero and each has its own scale, which {reach}. Light grey lies "
        f"beyond the {space.noun}. Above stand the channel and the range of its activations; the "
        "bars below the tiles are these, as shares of the first."
    )


def _extent(found: TopActivations) -> str:
    return f"{shown_of(len(found.shown), len(found.values), 'channel')}, {found.order}"
