"""Maps on a common scale."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="normalization",
    title="Normalisation",
    opening=(
        "Each layer learns on what the layers below hand it, and these change while it learns. "
        "Normalisation keeps the scale of the maps where it is: it subtracts a mean and divides by "
        "a standard deviation, and then each channel gets a scale and a shift of its own, which "
        "are learned. What the methods differ in is over what the mean and the deviation are "
        "taken: over a batch of images (batch normalisation), over the channels of one image "
        "(layer), over one channel of one image (instance), or over some of its channels (group).",
        "Batch normalisation makes an image's maps depend on which other images are in the batch. "
        "So it does one thing in training and another afterwards, when it uses averages that were "
        "gathered on the way, and it suffers from small batches, which is what the others mend. "
        "That it lets networks learn faster is beyond doubt (Ioffe and Szegedy 2015); why it does "
        "is not, and that the maps of lower layers change less is probably not the reason "
        "(Santurkar et al. 2018).",
    ),
    steps=(
        Step(
            name="normalised",
            title="Maps before and after normalisation, by five methods",
            call="cnnviz.normalization(model, photo)",
            command="cnnviz normalization {photo} {model}",
        ),
    ),
)
