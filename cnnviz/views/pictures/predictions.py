"""The answers to many images on one sheet, each marked where its label is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing
from cnnviz.results.contact_sheet import SheetEntry, SheetLayout, draw_sheet
from cnnviz.results.text import percent, plural

if TYPE_CHECKING:
    from cnnviz.views.predicted_classes import Predictions

THUMBNAIL = 320
"""The longer side of a thumbnail in pixels."""
_MOST_ANSWERS = 3


def sheet_layout(found: Predictions) -> SheetLayout:
    """Return where everything stands on a sheet of answers."""
    return SheetLayout(1, 2 + max(len(_more(found, place)) for place in range(len(found.images))))


def draw_predictions(found: Predictions, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the images in rows, each with its first answers."""
    entries = [_entry(found, place) for place in range(len(found.images))]
    known = [answer.right for answer in found.answers if answer.right is not None]
    right = f"; {sum(known)} of {len(known)} right" if known else ""
    images = found.page or plural(len(found.images), "image")
    title = f"{found.provenance.model} on {images}{right}"
    return draw_sheet(entries, title, into)[0]


def _entry(found: Predictions, place: int) -> SheetEntry:
    right = found.answers[place].right if found.answers else None
    said = f"{found.names[place][0]} {found.said(place, 0)}"
    photo = found.thumbnails[place]
    return SheetEntry((photo,), found.images[place], said, right, _more(found, place))


def _more(found: Predictions, place: int) -> tuple[str, ...]:
    """Return what stands below the first answer: the label where that is wrong, and others."""
    shown = range(1, min(_MOST_ANSWERS, len(found.names[place])))
    lines = [f"{found.names[place][rank]} {found.said(place, rank)}" for rank in shown]
    if found.answers and found.answers[place].right is False:
        answer = found.answers[place]
        # Every entry has as many lines, so that no photo stands lower than its neighbours.
        told = f"labelled {answer.truth} {percent(answer.truth_probability)}"
        lines = [told, *lines][: max(1, len(lines))]
    return tuple(lines)
