"""What makes recognition hard: the same thing, shifted, scaled, rotated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.challenges import Challenges
    from cnnviz.views.invariance import Invariance


def _swept(found: Challenges) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. An answer that stays is not all: where the heatmap "
        "wanders off the object, the network has begun to answer for another reason.",
    )


def _moved(found: Invariance) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. The upper rows say why: an early layer changes at once, "
        "whatever is done to the photo, and what the answer keeps has to be won behind it. Nothing "
        "in a convolution makes it indifferent to size or to rotation; as far as a network is, it "
        "has learned that from its training photos.",
    )


CHAPTER = Chapter(
    key="challenges",
    title="What makes recognition hard",
    opening=(
        "The same thing never gives the same pixels twice. It stands elsewhere, nearer, turned, in "
        "another light, half hidden, before another ground. A network should answer the same all "
        "along; how far it does is measured here, on one photo. Another photo has other weak "
        "spots: what holds in general takes many.",
    ),
    steps=(
        Step(
            name="challenges",
            title="One thing changed at a time",
            call="cnnviz.challenges(model, photo, steps=5)",
            command="cnnviz challenges {photo} {model} --steps 5",
            after=_swept,
        ),
        Step(
            name="invariance",
            title="Shifted, scaled and rotated",
            call="cnnviz.invariance(model, photo, steps=11)",
            command="cnnviz invariance {photo} {model} --steps 11",
            after=_moved,
        ),
    ),
)
