"""Learning from few examples, and seeing more of them than there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import number

if TYPE_CHECKING:
    from cnnviz.views.augmentation import Augmentation
    from cnnviz.views.compare import Comparison
    from cnnviz.views.overfitting import Overfitting


def _overfitted(found: Overfitting) -> Sequence[str]:
    return (f"{found.summary().rstrip('.')}.",)


def _after(found: Augmentation) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Where an answer changes under a transform that leaves the "
        "thing what it is, more of such pictures in training would teach the network that it does.",
    )


def _learned(found: Comparison) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Early layers stay much as random weights make them; it is "
        "the deep ones that training makes into something else."
        if _grows_apart(found)
        else f"{found.summary().rstrip('.')}.",
    )


def _drawn_beside(found: Comparison) -> Sequence[str]:
    pair = found.kernels
    if pair is None or not len(pair.changes) or not np.isfinite(pair.changes).any():
        return ()
    change = number(float(np.nanmedian(pair.changes)))
    return (
        f"Half of the {len(pair.changes)} kernels of {pair.layers[0]} differ from the random ones "
        f"by {change} times their own norm or more.",
    )


def _grows_apart(found: Comparison) -> bool:
    """Return whether the first stage is much liker to itself before training than the last."""
    first, last = float(found.cka[0, 0]), float(found.cka[-1, -1])
    return first - last > 0.3


CHAPTER = Chapter(
    key="training",
    title="Training and overfitting",
    opening=(
        "A network with a million weights can learn a few thousand pictures by heart, and then "
        "knows nothing of any other: it overfits. The remedy is more pictures; and where there are "
        "none, the same ones turned, mirrored, cropped and coloured anew each time they are shown.",
    ),
    steps=(
        Step(
            name="overfitting",
            title="Learning a hundred pictures by heart, and what helps",
            call="cnnviz.overfitting()",
            command="cnnviz overfitting",
            before=(
                "This small network is trained while you wait, several times over. On what it is "
                "trained on it soon makes no error; on other pictures its loss falls, and then "
                "rises again.",
            ),
            after=_overfitted,
        ),
        Step(
            name="augmented",
            title="What a training transform makes of the photo",
            call="cnnviz.augmentation(model, photo)",
            command="cnnviz augmentation {photo} {model}",
            after=_after,
        ),
        Step(
            name="learned",
            title="What training has changed",
            call="cnnviz.compare(model, data, count=128)",
            command="cnnviz compare {data} {model} --count 128",
            before=(
                "Set the network beside itself before training, with weights drawn anew. Centred "
                "kernel alignment (CKA) asks of two layers whether they find the same images "
                "alike, whatever their channels mean: 1 is the same, 0 is nothing in common "
                "(Kornblith et al. 2019).",
            ),
            after=_learned,
        ),
        Step(
            name="beside",
            title="Kernels and feature maps, and those of random weights",
            call='cnnviz.compare(model, photo, picture="features")',
            command="cnnviz compare {photo} {model} --picture features",
            before=(
                "The same two networks on the photo. Random kernels are noise, and yet their "
                "feature maps have edges, since these come with the picture. With checkpoints kept "
                "on the way, cnnviz training-history shows how the one becomes the other (Zeiler "
                "and Fergus 2013, figure 4).",
            ),
            after=_drawn_beside,
        ),
    ),
)
