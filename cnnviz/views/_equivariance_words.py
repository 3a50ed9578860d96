"""What `equivariance` says of its result: how well layers and answers follow a shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results.text import layer_said, listed, number, whole_percent

if TYPE_CHECKING:
    from cnnviz.views.equivariance import Equivariance

EXACT = 1e-4
"""A mismatch that is rounding alone, in single precision."""


def summary(found: Equivariance) -> str:
    """Say how well the deepest layer follows, and how steady the answer is."""
    return f"{_of_maps(found)}; {_of_answers(found)}"


def _of_maps(found: Equivariance) -> str:
    if not found.layers:
        return "No layer has maps that could be compared"
    free = [place for place in range(len(found.layers)) if found.free(place)]
    place = (free or [*range(len(found.layers))])[-1]
    stride, whole, between = found.strides[place], found.at_strides[place], found.between_strides
    told = [
        f"{_how_well(value)} {when}"
        for value, when in (
            (whole, f"at multiples of its stride of {stride} px"),
            (between[place], "between them"),
        )
        if np.isfinite(value)
    ]
    if not told:
        why = (
            "has constant maps, which tell nothing"
            if found.constant(place)
            else "has too few positions to compare after a shift"
        )
        return f"{layer_said(found.layers[place])} {why}"
    edges = "" if free else ", edges included"
    lost, every = found.constant(place), len(found.images)
    some = f" (constant maps, not counted, for {lost} of {every} images)" if lost else ""
    return f"{layer_said(found.layers[place])} {' and '.join(told)}{edges}{some}"


def _of_answers(found: Equivariance) -> str:
    if not np.isfinite(found.consistency).all():
        low, high = found.answers.min(), found.answers.max()
        return f"the {found.unit} lies between {number(low)} and {number(high)}"
    kept = int((found.classes == found.classes[:, :1]).sum()) - len(found.images)
    others = found.classes.size - len(found.images)
    return (
        f"the answer stays at {kept} of {others} shifts (consistency "
        f"{whole_percent(float(found.consistency.mean()))})"
    )


def caption(found: Equivariance) -> str:
    """Say what was shifted, what enters, what is compared, and what the curves are."""
    enters = (
        "What leaves on one side enters on the other."
        if found.edge == "wrap"
        else "What enters comes from the photo beyond the crop."
    )
    if found.beyond.any():
        enters += (
            f" Where the photo ends its mirror image goes on, at most "
            f"{whole_percent(float(found.beyond.max()))} of the pixels."
        )
    return (
        f"Shift equivariance (Zhang 2019): each image is shifted {found.direction} by 0 to "
        f"{found.shifts[-1]} px of the network's input. {enters} The mismatch is the distance "
        "between the map of the shifted image and the shifted map of the image, as a share of "
        "the deviation of the former from the means of its channels: 0 where the layer is "
        "equivariant, about 1.4 where the two have nothing to do with each other. Between two "
        "positions a map goes straight, so that at shifts that are no multiple of a layer's "
        "stride a smooth map matches nearly, and one that is aliased does not. "
        f"{_edges_told(found)}{_answers_told(found)}{_example_told(found)}"
        f"{_unmeasured_told(found)}"
    )


def _edges_told(found: Equivariance) -> str:
    held = [name for place, name in enumerate(found.layers) if not found.free(place)]
    inner = (
        "Compared are the positions whose whole receptive field lies in what both frames show, "
        "so that neither padding nor what enters takes part"
    )
    if not held:
        return f"{inner}. "
    if len(held) == len(found.layers):
        inner = "Padding and what enters at the edge take part"
        return f"{inner}: every layer sees so much that no position is free of edges. "
    return (
        f"{inner}; {listed(held, 4)} {'has' if len(held) == 1 else 'have'} no such position at "
        "every shift, and there the edges take part (dashed). "
    )


def _answers_told(found: Equivariance) -> str:
    what = "probability of the class" if found.unit == "probability" else "score"
    told = f"One panel shows the {what}"
    if not np.isfinite(found.consistency).all():
        return f"{told}."
    return (
        f"{told}, with a mark where another class is likelier; consistency is the share of "
        "pairs of shifts that get the same answer."
    )


def _example_told(found: Equivariance) -> str:
    if not found.example_layer:
        return ""
    lines = " Between the dotted lines no edge reaches." if found.example_within.any() else ""
    return (
        f" Below, channel {found.example_channel} of {layer_said(found.example_layer)}, which "
        "varies most "
        f"over {found.images[0]}: its map moved along, that of the moved image, and the "
        f"difference.{lines}"
    )


def _unmeasured_told(found: Equivariance) -> str:
    return f" Not measured: {'; '.join(found.unmeasured)}." if found.unmeasured else ""


def _how_well(mismatch: float) -> str:
    return "follows exactly" if mismatch < EXACT else f"misses by {whole_percent(mismatch)}"
