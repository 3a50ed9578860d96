"""Fewer places, and less that hangs on where something is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step

if TYPE_CHECKING:
    from cnnviz.views.equivariance import Equivariance
    from cnnviz.views.pooling import Pooling


def _pooled(found: Pooling) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. Pooling keeps that something was there and forgets a "
        "little of where. It does not forget all of it: what is left changes as well, and most "
        "where a shift is no multiple of the stride.",
        "On the way back a maximum hands its gradient to the one value that won, a mean shares it "
        "out. Pooling has no weights to learn, and a convolution with a stride can take its place "
        "(Springenberg et al. 2015), as in many networks since.",
    )


def _followed(found: Equivariance) -> Sequence[str]:
    return (
        f"{found.summary().rstrip('.')}. To keep every second value is to sample, and what varies "
        "faster than the samples can follow comes out as something else, which is called aliasing. "
        "To blur before sampling lowers it (Zhang 2019).",
    )


CHAPTER = Chapter(
    key="pooling",
    title="Pooling",
    opening=(
        "The answer should not hang on the exact pixel at which an edge lies, and deeper layers "
        "should see more of the picture than their window. Pooling does both: it replaces each "
        "small window of a map by one value, its largest or its mean, so that the map shrinks and "
        "each of its values stands for a larger part of the photo.",
    ),
    steps=(
        Step(
            name="pooled",
            title="A map, pooled by four methods",
            call="cnnviz.pooling(capture)",
            command="cnnviz pooling {photo} {model}",
            after=_pooled,
        ),
        Step(
            name="shifted",
            title="Equivariance: how far maps follow a shift",
            call="cnnviz.equivariance(model, photo)",
            command="cnnviz equivariance {photo} {model}",
            before=(
                "Away from the edges a convolution with stride one follows the photo exactly: move "
                "the photo by three pixels, and its map moves by three. That is called "
                "equivariance. Where nothing at all changes, as one wishes of the answer, one "
                "speaks of invariance. Pooling and strides keep only every second place, or every "
                "fourth; a shift between these does not move the map along but changes it.",
            ),
            after=_followed,
        ),
    ),
)
