"""What is said of how far a network holds under the challenges of vision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results.intervals import alike
from cnnviz.results.text import layer_said, number, whole_percent

if TYPE_CHECKING:
    from cnnviz.views.challenges import Challenges

_WEAKEST = (
    " The weakest spot is where the answer changes soonest, as a share of the way to the last "
    "amount that was tried."
)


def told(found: Challenges, place: int) -> str:
    """Say between which amounts of a sweep the answer first changes, and to what."""
    at = found.first_changes[place]
    if at is None:
        return f"held up to {number(found.amounts[place, -1])}" if found.named else "no classes"
    before, after = (number(float(v)) for v in found.amounts[place, at - 1 : at + 1])
    stays = bool((found.classes[place, at:] == found.classes[place, at]).all())
    where = f"from {after} on" if stays else f"at {after}, and not always after that"
    return f"{found.class_names[place][at]} {where}, held at {before}"


def summary(found: Challenges) -> str:
    """Name the weakest spot of the network on this image."""
    lowest = int(found.answers.min(1).argmin())
    least = found.answers[lowest].min()
    said = whole_percent(float(least)) if found.unit == "probability" else number(float(least))
    falls = (
        f"falls nowhere below {said}, that of the image as it is"
        if alike(least, found.answers[lowest, 0])
        else f"is lowest, {said}, when {found.sweeps[lowest]}"
    )
    if not found.named:
        return (
            f"{found.target}: the score {falls}; the network names no classes, so when its "
            "answer changes is not known"
        )
    place = found.weakest
    if place is None:
        return (
            f"{found.class_names[0][0]!r} held everywhere tried; the {found.unit} of "
            f"{found.target!r} {falls}"
        )
    at = found.first_changes[place] or 0
    before, after = (number(float(v)) for v in found.amounts[place, at - 1 : at + 1])
    return (
        f"Weakest spot: {found.sweeps[place]} ({found.challenges[place]}). "
        f"{found.class_names[place][0]!r} becomes {found.class_names[place][at]!r} between "
        f"{before} and {after} ({found.units[place]})"
    )


def caption(found: Challenges) -> str:
    """Say what was changed and how, what the curves are, and what could not be tried."""
    how = (
        "A scene of shapes is rendered anew with one factor changed and all else as it was, "
        "background, clutter and grain included; blur alone is added to the picture."
        if found.rendered
        else "One thing at a time is done to the photo's pixels: light as a camera would take "
        "it (sRGB; a stop less is half of it, a stop more twice as much), turned, enlarged and "
        "tilted about its middle, a rectangle of its mean colour over the middle, a Gaussian blur."
    )
    mirrored = (
        f" Where the photo ends its mirror image goes on, at most "
        f"{whole_percent(float(found.beyond.max()))} of the pixels."
        if found.beyond.any()
        else ""
    )
    unswept = f" Not tried: {'; '.join(found.unswept)}." if found.unswept else ""
    return (
        f"{found.image}, changed in {len(found.sweeps)} ways at {found.amounts.shape[1]} amounts "
        f"each, the first as it is. {how}{mirrored} Blue is the {found.unit} of "
        f"{found.target!r}"
        + (", with a ring where another class is likelier. " if found.named else ". ")
        + _heat_told(found)
        + (_WEAKEST if found.weakest is not None else "")
        + unswept
    )


def _heat_told(found: Challenges) -> str:
    if not found.layers:
        return "The network has no layer for a heatmap."
    along = "its object" if found.rendered else "the image"
    share = " Green is the share of the evidence that lies on the object." if found.rendered else ""
    return (
        "Below each picture where the network looked (Grad-CAM at "
        f"{', '.join(map(layer_said, found.layers))}, "
        "each on its own scale). Orange is how far that stayed: the correlation with the "
        f"heatmap of the image as it is, moved along with {along}.{share}"
    )
