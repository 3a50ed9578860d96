"""Learning from few examples, and seeing more of them than there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.augmentation import Augmentation


def _after(found: Augmentation) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Where an answer changes under a transform that leaves the "
        "thing what it is, more of such pictures in training would teach the network that it does.",
    )


CHAPTER = Chapter(
    key="training",
    title="Training and augmentation",
    opening=(
        "A network with a million weights can learn a few thousand pictures by heart, and then "
        "knows nothing of any other: it overfits. The remedy is more pictures; and where there are "
        "none, the same ones turned, mirrored, cropped and coloured anew each time they are shown.",
    ),
    steps=(
        Step(
            name="augmented",
            title="What a training transform makes of the photo",
            call="cnnviz.augmentation(model, photo)",
            command="cnnviz augmentation {photo} {model}",
            after=_after,
        ),
    ),
)
