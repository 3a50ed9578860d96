"""Maps on a common scale."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="normalization",
    title="Normalisation",
    opening=(
        "Each layer learns on what the layers below hand it, and these change while it learns. "
        "Normalisation keeps the scale of the maps where it is: it subtracts a mean and divides by "
        "a deviation. What the methods differ in is over what the two are taken: over the images "
        "of a batch, over the channels of one image, or over groups of them.",
    ),
    steps=(
        Step(
            name="normalised",
            title="Maps before and after normalisation, in five ways",
            call="cnnviz.normalization(model, photo)",
            command="cnnviz normalization {photo} {model}",
        ),
    ),
)
