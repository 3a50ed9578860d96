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
        f"{found.summary().rstrip('.')}. Pooling forgets a little of where something was, and "
        "keeps that it was there. It does not forget everything: what is left changes too, and "
        "most where a shift is no multiple of the stride.",
    )


def _followed(found: Equivariance) -> Sequence[str]:
    return (f"{found.summary().rstrip('.')}.",)


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
            title="A map, pooled in four ways",
            call="cnnviz.pooling(capture)",
            command="cnnviz pooling {photo} {model}",
            after=_pooled,
        ),
        Step(
            name="shifted",
            title="How far maps follow a shift",
            call="cnnviz.equivariance(model, photo)",
            command="cnnviz equivariance {photo} {model}",
            before=(
                "A convolution with stride one follows the photo exactly: move the photo by three "
                "pixels, and its map moves by three. That is called equivariance. Pooling and "
                "strides keep only every second place, or every fourth; between these the map does "
                "not move along but changes (Zhang 2019).",
            ),
            after=_followed,
        ),
    ),
)
