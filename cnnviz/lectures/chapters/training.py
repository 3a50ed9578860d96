"""Learning from few examples, and seeing more of them than there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import layer_said, number

if TYPE_CHECKING:
    from cnnviz.views.augmentation import Augmentation
    from cnnviz.views.compare import Comparison
    from cnnviz.views.overfitting import Overfitting


def _overfitted(found: Overfitting) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Loss and accuracy need not go together: a network that "
        "becomes surer of its wrong answers has a rising loss and makes no more mistakes than "
        "before. And whatever chooses the epoch at which to stop must not be what the result is "
        "told on, which is why there are three sets of pictures.",
    )


def _after(found: Augmentation) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Where an answer changes under a transform that leaves the "
        "thing what it is, more of such pictures in training would teach the network that it does. "
        "Which transforms do is known to who knows the task: a mirrored cat is a cat, a mirrored "
        "letter is not that letter.",
    )


def _learned(found: Comparison) -> Sequence[str]:
    apart = (
        " Early layers tell these images apart much as random weights do, for both are close to "
        "the pixels; the deep ones do not. In a trained network that is what it has learned, as "
        "far as they differ more than those of two random networks do."
        if _grows_apart(found)
        else ""
    )
    return (f"{found.summary().rstrip('.')}.{apart}",)


def _drawn_beside(found: Comparison) -> Sequence[str]:
    pair = found.kernels
    known = np.empty(0) if pair is None else pair.changes[np.isfinite(pair.changes)]
    if pair is None or not known.size:
        return ()
    change = number(float(np.median(known)))
    return (
        f"Half of the {known.size} kernels of {layer_said(pair.layers[0])} differ from the "
        "random ones "
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
        "A network with a million weights can learn its training pictures by heart, even with "
        "labels that were drawn at random (Zhang et al. 2017). It then answers worse on pictures "
        "that it has not seen: it overfits. So one never judges a network by the pictures that it "
        "was trained on.",
        "The best remedy is more pictures; where there are none, the same ones turned, mirrored, "
        "cropped and coloured anew each time they are shown (augmentation). Others keep the "
        "network from relying on single units (dropout), keep its weights small (weight decay), or "
        "stop before it knows too much by heart (early stopping).",
    ),
    steps=(
        Step(
            name="overfitting",
            title="Overfitting to a hundred images, and regularisation",
            call="cnnviz.overfitting()",
            command="cnnviz overfitting",
            before=(
                "This small network is trained while you wait, several times over. Read the gap "
                "between what it was trained on (dark) and what it was not (blue): where the one "
                "goes on falling and the other rises again, it learns by heart.",
            ),
            after=_overfitted,
        ),
        Step(
            name="augmented",
            title="What a training transform makes of the photo",
            call="cnnviz.augmentation(model, photo, draws=11)",
            command="cnnviz augmentation {photo} {model} --draws 11",
            after=_after,
        ),
        Step(
            name="learned",
            title="The network beside itself with random weights",
            call="cnnviz.compare(model, data, count=128)",
            command="cnnviz compare {data} {model} --count 128",
            before=(
                "Set the network beside itself with weights drawn anew, as before training. "
                "Centred kernel alignment (CKA) asks of two layers whether they find the same "
                "images alike, whatever their channels mean: 1 is the same, 0 is nothing in common "
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
