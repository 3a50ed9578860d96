"""From edges to parts to objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.results.text import dimensions

if TYPE_CHECKING:
    from cnnviz.views.hierarchy import Hierarchy


def _after(found: Hierarchy) -> Sequence[str]:
    first, last = found.fields[0], found.fields[-1]
    if min(*first, *last) < 0:  # which says that a field is unknown
        return ()
    return (
        f"The first row sees {dimensions(first)} pixels, too few for anything but an edge or a "
        f"colour; the last sees {dimensions(last)}. Between the two nothing was designed: that "
        "layers divide the work like this follows from small windows, depth, and training.",
    )


CHAPTER = Chapter(
    key="hierarchy",
    title="From edges to objects",
    opening=(
        "Each layer looks at small windows of the one below it. So the second can combine edges to "
        "corners and textures, the next corners to parts, and the last parts to things. Zeiler and "
        "Fergus showed it in 2013 by asking which patches of many images excite a channel most; "
        "here the same is asked of this network.",
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
