"""What has been learned: kernels of the first layer, and what channels respond to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import layer_said, percent

if TYPE_CHECKING:
    from cnnviz.views.feature_maps import FeatureMaps
    from cnnviz.views.filters import FilterGrid

_LEAST_TO_READ = 5
"""The side of a kernel below which hardly a shape can be told."""


def _kernels(found: FilterGrid) -> Sequence[str]:
    small = (
        " These are so small that hardly a shape can be told in them."
        if max(found.kernels.shape[2:]) < _LEAST_TO_READ
        else ""
    )
    return (
        f"{found.summary().rstrip('.')}.{small} Nobody wrote these kernels. Where they are "
        "stripes, training has found the edge detectors of the chapter on kernels by itself; where "
        "one colour stands beside its opposite, it has found that colours change at borders, too. "
        "Nearly every network that is trained on photos finds such kernels first, whatever it is "
        "trained for (Yosinski et al. 2014).",
    )


def _maps(found: FeatureMaps) -> Sequence[str]:
    few = found.mean_sparsity > 0.5
    return (
        f"Of all positions of {layer_said(found.layer)}, {percent(found.mean_sparsity)} are "
        f"{found.quiet_said}"
        + (
            ": each place of the photo is described by the few channels that respond there."
            if few
            else "."
        ),
        "Each map here has its own scale, so that the brightest spot of a channel that hardly "
        "responds looks like that of one that responds strongly: read the number below it.",
    )


CHAPTER = Chapter(
    key="filters",
    title="Learned filters and their maps",
    opening=(
        "In a network the kernels are not chosen but learned: they begin as random numbers, and "
        "training moves each weight a little in the direction that lowers the loss. What they "
        "have become can be looked at only in the first layer, whose inputs are the colours of the "
        "photo. Behind it, one looks at what a filter responds to.",
    ),
    steps=(
        Step(
            name="kernels",
            title="The filters of the first convolution",
            call="cnnviz.filters(model)",
            command="cnnviz filters {model}",
            after=_kernels,
        ),
        Step(
            name="first_maps",
            title="The maps of an early layer",
            call="cnnviz.feature_maps(capture, stages[0], top=24)",
            command="cnnviz feature-maps {photo} {model} --layer {first} --top 24",
            before=(
                "Slide one filter over the photo, and what it answers at every place is its "
                "feature map. Early maps keep the outlines of the photo.",
            ),
        ),
        Step(
            name="last_maps",
            title="The maps of the last stage",
            call="cnnviz.feature_maps(capture, stages[-1], top=24)",
            command="cnnviz feature-maps {photo} {model} --layer {last} --top 24",
            before=(
                "At the end of the network maps are coarse: each value stands for a large part of "
                "the photo. They say what is there rather than what it looks like, and roughly "
                "where.",
            ),
            after=_maps,
        ),
    ),
)
