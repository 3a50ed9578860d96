"""What a network that knows one task brings to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.transfer_learning import TransferLearning


def _transferred(found: TransferLearning) -> Sequence[str]:
    compared = [f"{found.compared(place)}." for place in range(len(found.pairs))]
    changed = found.changed()
    told = (" ".join(compared), f"{changed}." if changed else "")
    return [text for text in told if text]


CHAPTER = Chapter(
    key="transfer",
    title="Transfer learning",
    opening=(
        "A network that has learned one task has learned something of others: edges, corners and "
        "textures are of use wherever there are pictures. So one seldom begins with random "
        "weights. The last layer is exchanged for one with the new classes; it alone is trained, "
        "with the features frozen, or the whole network is, which is called fine-tuning.",
    ),
    steps=(
        Step(
            name="transferred",
            title="Four letters, for a network that knows ten shapes",
            call='cnnviz.transfer_learning(cnnviz.load("shapes-plain"), samples=(2, 16), '
            "epochs=6, test=200)",
            command="cnnviz transfer-learning --samples 2,16 --epochs 6 --test 200",
            before=(
                "The network shapes-plain tells ten shapes apart and has never been shown a "
                "letter. With two samples of each letter, and with sixteen, it learns while you "
                "wait: with its features frozen, fine-tuned, and from scratch.",
            ),
            after=_transferred,
        ),
    ),
)
