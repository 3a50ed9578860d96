"""The networks that made the field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.famous_networks import FamousNetworks


def _after(found: FamousNetworks) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. All of it on one set of photos: which network is best on "
        "that says less and less of which is best elsewhere, and the labels of the set have errors "
        "of their own (Beyer et al. 2020).",
    )


CHAPTER = Chapter(
    key="networks",
    title="Famous networks",
    opening=(
        "In 1998 LeNet-5 read handwritten digits (LeCun et al. 1998). In 2012 AlexNet, much the "
        "same idea with ReLU, dropout, two graphics cards and 1.2 million photos to learn from, "
        "won the ImageNet challenge: seven of them, averaged, had a top-5 error of 15.3%, and "
        "the best entry without a network 26.2% (Krizhevsky, Sutskever and Hinton 2012).",
        "What followed was depth: VGG with kernels of 3 x 3 only (Simonyan and Zisserman 2015), "
        "GoogLeNet with branches side by side (Szegedy et al. 2015), ResNet with skips that let it "
        "have 152 layers (He et al. 2016), DenseNet, in which each layer sees all before it (Huang "
        "et al. 2017); and then, with MobileNet (Howard et al. 2017), fewer operations for nearly "
        "the same answer.",
    ),
    steps=(
        Step(
            name="networks",
            title="Error over the years",
            call="cnnviz.famous_networks()",
            command="cnnviz famous-networks",
            after=_after,
        ),
    ),
)
