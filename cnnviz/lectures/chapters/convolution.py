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
        "Both are true of pictures, and a network that is built on them need not learn them.",
    )


CHAPTER = Chapter(
    key="convolution",
    title="Convolution",
    opening=(
        "Lay a small table of numbers, the kernel, over a window of the picture. Multiply each "
        "number with the one below it, add the products up, and write the sum down. Move the "
        "window on by one, and do it again, until there is a sum for every place. This is all that "
        "a convolution does.",
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
                "what remains are the edges that run from top to bottom.",
            ),
        ),
        Step(
            name="signals",
            title="A signal and a response",
            call="cnnviz.convolve_signals()",
            command="cnnviz convolve-signals",
            before=(
                "In one dimension this is how an echo comes about: each sound sets off a "
                "response, and what is heard is the sum of all responses. There the kernel is "
                "turned round before it slides, which is convolution in the strict sense; "
                "networks, which learn their kernels, need not turn them.",
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
