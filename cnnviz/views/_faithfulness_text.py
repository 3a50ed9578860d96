"""What is said of how far heatmaps may be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import layer_said, minus, plural

if TYPE_CHECKING:
    from cnnviz.views.faithfulness import Faithfulness


def summary(found: Faithfulness) -> str:
    """Say which method was measured on how much, and which checks it passed."""
    count = plural(len(found.images), found.space.noun)
    said = f"{found.title} at {layer_said(found.layer)}, {count}"
    judged = [check.said(found.measure, found.space) for check in found.checks]
    judged += [f"{name} not measured" for name in unchecked(found)]
    return f"{said}: {', '.join(judged)}" if judged else said


def unchecked(found: Faithfulness) -> list[str]:
    """Return the groups that maps are judged by among those that could not be taken."""
    return [name for name in found.unmeasured if MEASURE_GROUPS[name].check is not None]


def in_lines(found: Faithfulness) -> str:
    """Return a line for each measure, beside random maps, the verdicts, and what is to be known."""
    count = plural(len(found.images), found.space.noun)
    rows = [f"{found.title} at {layer_said(found.layer)}: {count}"]
    rows += [
        minus(f"  {one.title:<36}{one.mean:>z8.3f}   random {one.random_mean:>z7.3f}")
        for one in found.measures
    ]
    return "\n".join([*rows, *(verdict.sentence for verdict in found.verdicts), *found.notes])


def caption(found: Faithfulness) -> str:
    """Say how to read the curves and the table."""
    space = found.space
    parts = [
        f"Every number stands beside that of {plural(found.random_count, 'random map')} for each "
        f"{space.noun}: the same values, as smooth, in random places. Beaten is the share of them "
        "that the map beats, and chance how probable it is that maps without knowledge do as well; "
        f"the least that so many can tell is {_least_chance(found)}."
    ]
    if found.unit == "score":
        parts.append(
            "What is explained has no probability, so its score is followed, on the scale on "
            f"which that of {_blank(space)} is 0 and that of the {space.shown} is 1 "
            f"(-1, where the {space.shown} scores less)."
        )
    captions = [MEASURE_GROUPS[name].caption for name in found.results]
    parts += [space.words(text) for text in captions if text]
    parts += [verdict.sentence for verdict in found.verdicts]
    return " ".join([*parts, *found.notes])


def _least_chance(found: Faithfulness) -> str:
    least = (1.0 + found.random_count) ** -len(found.images)
    return "below 0.001" if least < 0.001 else f"{least:.2g}"


def _blank(space: Space) -> str:
    """Say what an input without anything in it is."""
    if space == IMAGE:
        return "a blank image of the mean colour"
    return f"a {space.noun} of its mean values"
