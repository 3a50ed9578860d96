"""How far a heatmap may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.faithfulness import Faithfulness


def _after(found: Faithfulness) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. One photo is an example, not a proof: to choose a method, "
        "measure it over many (cnnviz evaluate). And what is measured is whether the map is true "
        "to the network. Whether the network is right, and for a reason that one would accept, is "
        "for the reader to judge.",
    )


CHAPTER = Chapter(
    key="trust",
    title="How far to believe it",
    opening=(
        "A heatmap always looks like an answer. Whether it is one can be measured: hide first what "
        "it calls important, and the score should fall fast; show first what it calls important, "
        "and the score should rise fast (Petsiuk, Das and Saenko 2018); make the network's weights "
        "random, and the map should change, or it never showed what was learned (Adebayo et al. "
        "2018). Random maps of the same kind say what chance alone would give.",
    ),
    steps=(
        Step(
            name="trust",
            title="Grad-CAM, put to the test",
            call="cnnviz.faithfulness(model, photo)",
            command="cnnviz faithfulness {photo} {model}",
            after=_after,
        ),
    ),
)
