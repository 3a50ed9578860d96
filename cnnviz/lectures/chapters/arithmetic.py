"""How large each layer is: shapes, parameters, operations and receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import listed, percent

if TYPE_CHECKING:
    from cnnviz.views.architecture import Architecture
    from cnnviz.views.receptive_field import EffectiveFields

_NAMED = 4
"""Layers named in one sentence before the rest are counted."""


def _after(found: Architecture) -> Sequence[str]:
    return (f"{found.summary().rstrip('.')}.{_where(found)}",)


def _where(found: Architecture) -> str:
    """Say which layer has most of the parameters, and which does most of the work."""
    weights = [layer.parameters for layer in found.layers]
    work = [layer.macs for layer in found.layers]
    if not (sum(weights) and sum(work)) or any(layer.uncounted for layer in found.layers):
        return ""
    heaviest, busiest = (values.index(max(values)) for values in (weights, work))
    heavy, busy = (found.layers[place].name for place in (heaviest, busiest))
    held, done = (
        percent(values[place] / sum(values))
        for values, place in ((weights, heaviest), (work, busiest))
    )
    if heaviest == busiest:
        return f" {heavy} has {held} of the parameters, and does {done} of the work as well."
    return (
        f" Most parameters are in {heavy} ({held}), and most of the work is done in {busy} "
        f"({done}). These need not be the same: a convolution uses each weight at every place of "
        "its map, so that large maps make work and many channels make parameters; a fully "
        "connected layer uses each weight once."
    )


def _further(found: Architecture) -> Sequence[str]:
    """Say which of the layers do not keep to the three lines of the opening, and what they do."""
    sizes = {one.layer: one.size_terms for one in found.arithmetic}
    grouped = [one.label for one in found.layers if one.windows and (one.windows.groups or 1) > 1]
    told = (
        (
            [name for name, axes in sizes.items() if any(one.dilation > 1 for one in axes)],
            "with a dilation of d the weights of a filter are d places apart, so that it is "
            "d (F - 1) + 1 wide in place of F",
        ),
        (
            grouped,
            "in G groups a filter reads D / G of the maps, and has F x F x D / G weights",
        ),
        (
            [name for name, axes in sizes.items() if any(one.rounding == "up" for one in axes)],
            "the number of places is rounded up, so that the last window may reach beyond the map",
        ),
        (
            [name for name, axes in sizes.items() if any(one.transposed for one in axes)],
            "a transposed convolution goes the other way, from W places to (W - 1) S - 2P + F",
        ),
    )
    parts = [f"{what} ({listed(names, _NAMED)})" for names, what in told if names]
    if not parts:
        return ()
    return (f"Some layers of this network need more than those three lines: {'; '.join(parts)}.",)


def _seen(found: EffectiveFields) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. The blue frame follows from the arithmetic and says what "
        "a unit could see. What it does see is measured by the gradient: many more ways lead to a "
        "unit from the middle of its frame than from the edge, so that the middle weighs most, "
        "much as under a bell curve (Luo et al. 2016).",
    )


CHAPTER = Chapter(
    key="arithmetic",
    title="The arithmetic of layers",
    opening=(
        "A filter of F x F weights that slides in steps of S over a map of W x W, with P rows of "
        "padding on each side, finds (W - F + 2P) / S + 1 places in each direction, rounded down. "
        "If D maps go in and K come out, it has F x F x D x K weights and K biases, and multiplies "
        "each weight once at every place. These three lines of arithmetic give the size of every "
        "layer.",
    ),
    steps=(
        Step(
            name="diagram",
            title="The network, drawn",
            call="cnnviz.network_diagram(model)",
            command="cnnviz network-diagram {model}",
        ),
        Step(
            name="architecture",
            title="The network from the image to the answer",
            call="cnnviz.architecture(model)",
            command="cnnviz architecture {model}",
            after=_after,
        ),
        Step(
            name="sums",
            title="Where each number comes from",
            call="cnnviz.architecture(model, arithmetic=True)",
            command="cnnviz architecture {model} --arithmetic",
            after=_further,
        ),
        Step(
            name="fields",
            title="What a layer could see, and what it looks at",
            call="cnnviz.receptive_field(model, photo)",
            command="cnnviz receptive-field {photo} {model}",
            before=(
                "A unit of a deep layer sees a few units of the layer below, and each of those a "
                "few of the layer below it: its receptive field in the photo grows from layer to "
                "layer, by (F - 1) times the product of all strides before it, where no dilation "
                "spreads the weights of a filter further apart.",
            ),
            after=_seen,
        ),
    ),
)
