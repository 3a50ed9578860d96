"""What stands in the caption of projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.introspection.backward_rules import Rule
from cnnviz.results.space import IMAGE
from cnnviz.results.text import first_few
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures.deconvnet import REACH, in_place, told_beyond

if TYPE_CHECKING:
    from cnnviz.views.deconvnet import Projections

_MOST_NAMED = 8
RULES: dict[Rule, str] = {
    "deconvnet": "the deconvnet rule (Zeiler and Fergus 2013)",
    "guided": "guided backpropagation (Springenberg et al. 2014)",
    "gradient": "the plain gradient",
}

SHORT: dict[Rule, str] = {
    "deconvnet": "the deconvnet rule",
    "guided": "guided backpropagation",
    "gradient": "the gradient",
}


def what_is_where(found: Projections) -> str:
    """Say what stands beside what."""
    space, window = found.space, found.windows[0][0].sizes
    start = "one" if found.rule == "gradient" else "its value"
    places = "pixels" if space == IMAGE else space.places
    size, by = space.size(window), f"by {RULES[found.rule]}, from {start} at"
    if space != IMAGE or not in_place(found):
        above, below = ("On the left", "on the right") if space == IMAGE else ("Above", "below")
        return (
            f"{above} the patch that a unit sees at its strongest position ({size}; receptive "
            f"field: {found.field}), {below} what it sends back to these {places} {by} that "
            f"position and zero elsewhere.{told_beyond(found)}"
        )
    alone = len(found.images) == 1
    drawn, there = ("once", "on the right") if alone else ("above", "below it")
    sent = f"what each unit sends back to its pixels {by} its strongest position and zero"
    if window == found.photos.shape[1:3]:
        return (
            f"A unit sees the whole image (receptive field: {found.field}), which is drawn "
            f"{drawn}; {there} {sent} elsewhere."
        )
    return (
        f"A unit sees {size} (receptive field: {found.field}), most of the image, which is "
        f"therefore drawn {drawn}; {there}, in its place on the image, {sent} elsewhere. The "
        "frame is what the unit sees; the image around it is dimmed."
    )


def how_scaled(found: Projections) -> str:
    """Say how the colours of a projection are scaled."""
    if found.space != IMAGE:
        return array_patches.how(found)
    return (
        "Grey is zero. Each projection has its own scale: its colours end at the "
        f"{REACH:g}th percentile of its sizes, which stands below it after the sign ±, under "
        "the channel and the unit's value."
    )


def constant_told(found: Projections) -> tuple[str, ...]:
    """Say which units nothing that was tried moves, for each image that has any."""
    said, dark = [], "black" if found.space == IMAGE else "zeros"
    for image, name in enumerate(found.images):
        units = [
            channel
            for channel, same in zip(found.channels, found.constant[:, image], strict=True)
            if same
        ]
        if units:
            one = len(units) == 1
            named = (
                f"unit {units[0]} keeps its value"
                if one
                else (f"units {first_few(units, _MOST_NAMED)} keep their values")
            )
            whose = (
                "its projection does not show what it responds"
                if one
                else ("their projections do not show what they respond")
            )
            said.append(
                f"{name}: {named}, but for rounding, with noise, {dark} or the mean of the "
                f"{found.space.noun} in its place: {whose} to."
            )
    return tuple(said)
