"""How large each layer is: shapes, parameters, operations and receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.architecture import Architecture
    from cnnviz.views.receptive_field import EffectiveFields


def _after(found: Architecture) -> Sequence[str]:
    return (
        f"{found.summary()}. Where the parameters are and where the work is done are two "
        "different places: maps are large at the beginning, where filters are few, and small at "
        "the end, where filters are many.",
    )


def _seen(found: EffectiveFields) -> Sequence[str]:
    return (
        f"{found.summary()}. The frame that follows from the arithmetic says what a unit could "
        "see. Most ways from a pixel to the unit lead through the middle of the frame, so the "
        "middle weighs most, as a bell curve does (Luo et al. 2016): a layer looks at less than "
        "it could see.",
    )


CHAPTER = Chapter(
    key="arithmetic",
    title="The arithmetic of layers",
    opening=(
        "A filter of F x F weights that slides in steps of S over a map of W x W, with P rows of "
        "padding on each side, finds (W - F + 2P) / S + 1 places in each direction. If D maps go "
        "in and K come out, it has F x F x D x K weights and K biases, and multiplies each weight "
        "once at every place. These three lines of arithmetic give the size of every layer.",
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
        ),
        Step(
            name="fields",
            title="What a layer could see, and what it looks at",
            call="cnnviz.receptive_field(model, photo)",
            command="cnnviz receptive-field {photo} {model}",
            before=(
                "A unit of a deep layer sees a few units of the layer below, and each of those a "
                "few of the layer below it: its receptive field in the photo grows from layer to "
                "layer, by (F - 1) times the product of all strides before it.",
            ),
            after=_seen,
        ),
    ),
)
