"""One small window, slid over the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import count

if TYPE_CHECKING:
    from cnnviz.views.weight_sharing import WeightSharing


def _shared(found: WeightSharing) -> Sequence[str]:
    full, local, shared = (int(one) for one in found.weights)
    return (
        f"From {count(full)} weights to {count(local)}, because what belongs together lies "
        f"together; and from these to {count(shared)}, because an edge is an edge wherever it is. "
        "A network that has both built in need not learn them. They are assumptions all the same: "
        "where every place has its own meaning, as in photos of faces that were all aligned, "
        "weights that are not shared can do better (Taigman et al. 2014).",
    )


CHAPTER = Chapter(
    key="convolution",
    title="Convolution",
    opening=(
        "Lay a small table of numbers, the kernel, over a window of the picture. Multiply each "
        "number with the one below it, add the products up, and write the sum down. Move the "
        "window on by one, and do it again, until there is a sum for every place. The table of "
        "the sums is called a feature map.",
        "How far the window moves on is the stride. What it sees beyond the edge, if it goes "
        "there, is the padding, usually zeros, without which each convolution would make the map "
        "smaller. In a network a filter has a kernel for each channel that goes in; their sums are "
        "added up, and one more number, the bias, with them. So one filter makes one map, however "
        "many go in, and a layer of K filters makes K.",
    ),
    steps=(
        Step(
            name="by_hand",
            title="A convolution by hand",
            call=(
                "cnnviz.convolve([[1,1,1,0,0],[0,1,1,1,0],[0,0,1,1,1],[0,0,1,1,0],[0,1,1,0,0]], "
                "[[1,0,1],[0,1,0],[1,0,1]])"
            ),
        ),
        Step(
            name="edges",
            title="The same on the photo",
            call='cnnviz.convolve(photo, "sobel_x")',
            command="cnnviz convolve {photo} --kernel sobel_x",
            before=(
                "Nothing changes when the table is a photo. This kernel subtracts what lies on the "
                "left from what lies on the right: where the two are alike the sum is zero, and "
                "what remains are the edges that run from top to bottom. Red is where the photo "
                "becomes brighter to the right, blue where it becomes darker.",
            ),
        ),
        Step(
            name="signals",
            title="A signal and an impulse response",
            call="cnnviz.convolve_signals()",
            command="cnnviz convolve-signals",
            before=(
                "In one dimension this is how an echo comes about: each sound sets off a "
                "response, and what is heard is the sum of all responses. There the kernel is "
                "turned round before it slides, which is convolution in the strict sense. Networks "
                "do not turn it, which is called cross-correlation; they learn their kernels, and "
                "would learn the turned ones just as well (Goodfellow, Bengio and Courville 2016).",
            ),
        ),
        Step(
            name="sharing",
            title="Why it needs so few weights",
            call="cnnviz.weight_sharing(photo)",
            command="cnnviz weight-sharing {photo}",
            after=_shared,
        ),
    ),
)
