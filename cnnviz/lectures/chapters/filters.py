"""What has been learned: kernels of the first layer, and what channels respond to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import percent

if TYPE_CHECKING:
    from cnnviz.views.feature_maps import FeatureMaps
    from cnnviz.views.filters import FilterGrid


def _kernels(found: FilterGrid) -> Sequence[str]:
    return (
        f"{found.summary()}. Nobody wrote these kernels. Where they are stripes, the network has "
        "found the edge detectors of the chapter on kernels by itself; where one colour stands "
        "beside its opposite, it has found that colours change at borders too.",
    )


def _maps(found: FeatureMaps) -> Sequence[str]:
    return (
        f"Of all positions of {found.layer}, {percent(found.mean_sparsity)} are zero or below: "
        "each place of the photo is described by the few channels that respond there.",
    )


CHAPTER = Chapter(
    key="filters",
    title="Learned filters and their maps",
    opening=(
        "In a network the kernels are not chosen but learned: they begin as random numbers, and "
        "training moves each weight a little in the direction that lowers the loss. What they "
        "have become can be looked at only in the first layer, where a kernel's inputs are red, "
        "green and blue. Behind it, one looks at what a filter responds to.",
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
                "At the end of the network maps are coarse, most channels are silent on this "
                "photo, and those that speak say what is there rather than what it looks like.",
            ),
            after=_maps,
        ),
    ),
)
