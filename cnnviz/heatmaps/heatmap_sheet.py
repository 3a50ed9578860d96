"""Heatmaps of many photos on one sheet: what the network saw of each, and its maps beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.heatmaps import map_words
from cnnviz.results import colour_bars, drawing
from cnnviz.results.contact_sheet import SheetEntry, SheetLayout, draw_sheet
from cnnviz.results.text import listed, percent, plural

if TYPE_CHECKING:
    from cnnviz.heatmaps.heatmap import Heatmap

_LONGEST = 320
_MOST_NAMED = 4


def sheet_layout(found: Heatmap) -> SheetLayout:
    """Return where everything stands on a sheet of heatmaps."""
    marked = max(len(map_words.marks(found, image)) for image in range(len(found.images)))
    return SheetLayout(1 + len(found.layers), 3 + marked)


def draw_heatmaps(found: Heatmap, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the photos in rows, each with its maps; answers are marked where labels are known."""
    entries = [_entry(found, place) for place in range(len(found.images))]
    figure, axes, bar = draw_sheet(entries, _title(found), into, beside=1.1)
    colour_bars.colour_bar(axes, *found.key(), place=bar)
    return figure


def _title(found: Heatmap) -> str:
    shown = listed(found.layers, _MOST_NAMED)
    known = [answer.right for answer in found.answers if answer.right is not None]
    right = f"; {sum(known)} of {len(known)} answers right" if known else ""
    images = found.page or plural(len(found.images), "image")
    return f"{found.title} at {shown}: {images}{right}"


def _entry(found: Heatmap, place: int) -> SheetEntry:
    tiles = [found.seen(place, layer, _LONGEST) for layer in found.layers]
    answer = found.answers[place] if found.answers else None
    if answer is None:
        said, right = found.targets[place], None
    else:
        said, right = f"{answer.answer} {percent(answer.probability)}", answer.right
    name, photo = found.images[place], found.crop(place, _LONGEST)
    labels = (
        _more(found, place),
        *(found.extent(place, layer, small=True) for layer in found.layers),
    )
    more = map_words.marks(found, place)
    return SheetEntry((photo, *tiles), name, said, right, more, labels)


def _more(found: Heatmap, place: int) -> str:
    """Return what stands right above a photo: its label, or what is explained where told apart."""
    if not found.answers:
        return ""
    answer, target = found.answers[place], found.targets[place]
    parts = [f"labelled {answer.truth}"] if answer.right is False else []
    parts += [f"explained: {target}"] if target != answer.answer else []
    return ", ".join(parts)
