"""Kernels that people wrote, before networks learned theirs."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="kernels",
    title="Kernels",
    opening=(
        "What a convolution does depends on the numbers in its kernel, nine of them or "
        "twenty-five. For decades people chose these by hand, each kernel for one task: to blur, "
        "to sharpen, to find edges. A network begins with the same operation, and finds the "
        "numbers itself.",
        "Two sums tell what to expect. Kernels whose numbers add up to one keep the brightness of "
        "an even surface. Kernels whose numbers add up to zero give nothing on an even surface, "
        "whatever its brightness, and answer only where something changes.",
    ),
    steps=(
        Step(
            name="blur",
            title="Blur: a weighted mean of the neighbourhood",
            call='cnnviz.convolve(photo, "gaussian_5")',
            command="cnnviz convolve {photo} --kernel gaussian_5",
            before=(
                "Each pixel becomes a mean of those around it, in which near ones weigh more than "
                "far ones. The more the weight is spread, the more noise is lost, and detail with "
                "it: a kernel cannot tell one from the other.",
            ),
        ),
        Step(
            name="sharpen",
            title="Sharpen: the difference from the neighbourhood, added",
            call='cnnviz.convolve(photo, "sharpen")',
            command="cnnviz convolve {photo} --kernel sharpen",
            before=(
                "The opposite adds to each pixel how much it differs from its four neighbours. "
                "Edges become steeper, and so does noise; at strong edges the sums leave the range "
                "from 0 to 255, and what is shown there is cut off.",
            ),
        ),
        Step(
            name="laplacian",
            title="Edges in every direction",
            call='cnnviz.convolve(photo, "laplacian")',
            command="cnnviz convolve {photo} --kernel laplacian",
            before=(
                "The differences alone are the Laplacian, a second derivative. It answers on both "
                "sides of an edge with opposite signs, so that the edge itself lies where it "
                "crosses zero, and it answers to every direction alike. It answers to noise as "
                "well, which is why one blurs first (Marr and Hildreth 1980).",
            ),
        ),
    ),
)
