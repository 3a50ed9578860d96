"""From edges to parts to objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import dimensions

if TYPE_CHECKING:
    from cnnviz.views.hierarchy import Hierarchy

_FEW = 12
"""Pixels across of a window that holds no more than an edge or a texture."""


def _after(found: Hierarchy) -> Sequence[str]:
    chosen = (
        "These are the channels that are easiest to read, and the images decide what can be seen: "
        "a channel for the ears of dogs, asked about drawings, answers with the drawing that is "
        "least unlike one."
    )
    first, last = found.fields[0], found.fields[-1]
    if min(*first, *last) < 0 or len(found.fields) < 2:  # below 0 a field is unknown
        return (chosen,)
    small = ", too few for much more than an edge or a colour" if max(first) <= _FEW else ""
    return (
        f"The first row sees {dimensions(first)} pixels{small}; the last sees {dimensions(last)}. "
        "Between the two nothing was designed: which layer looks for what came out of small "
        "windows, depth, and training.",
        chosen,
    )


CHAPTER = Chapter(
    key="hierarchy",
    title="From edges to objects",
    opening=(
        "Each layer looks at small windows of the one below it. So the second can combine edges to "
        "corners and textures, the next corners to parts, and the last parts to things. That "
        "was shown by asking which patches of many images excite a channel most (Zeiler and Fergus "
        "2013); here the same is asked of this network.",
    ),
    steps=(
        Step(
            name="hierarchy",
            title="What channels of each stage respond to most",
            call="cnnviz.hierarchy(model, data, count=200)",
            command="cnnviz hierarchy {data} {model} --count 200",
            after=_after,
        ),
    ),
)
