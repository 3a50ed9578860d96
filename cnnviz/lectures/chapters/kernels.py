"""Kernels that people wrote, before networks learned theirs."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="kernels",
    title="Kernels",
    opening=(
        "What a convolution does depends on nine numbers or twenty-five. For decades people chose "
        "them by hand, each for one task: to blur, to sharpen, to find edges. A network begins "
        "with the same operation, and finds the numbers itself.",
    ),
    steps=(
        Step(
            name="blur",
            title="Blur: a weighted mean of the neighbourhood",
            call='cnnviz.convolve(photo, "gaussian_5")',
            command="cnnviz convolve {photo} --kernel gaussian_5",
            before=(
                "Kernels whose numbers add up to one keep the brightness. The more the weight is "
                "spread, the more detail is lost, and noise with it.",
            ),
        ),
        Step(
            name="sharpen",
            title="Sharpen: the difference from the neighbourhood, added",
            call='cnnviz.convolve(photo, "sharpen")',
            command="cnnviz convolve {photo} --kernel sharpen",
        ),
        Step(
            name="laplacian",
            title="Edges in every direction",
            call='cnnviz.convolve(photo, "laplacian")',
            command="cnnviz convolve {photo} --kernel laplacian",
            before=(
                "Kernels whose numbers add up to zero answer nothing to an even surface, and "
                "strongly where something changes.",
            ),
        ),
    ),
)
