"""The photo as the network sees it: what is cut off, and what is left at its resolution."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cnnviz.images import ArrayInput, Photo, PhotoBox
from cnnviz.reports.content import Picture, Section
from cnnviz.reports.context import Context, ReportImage
from cnnviz.reports.sections import array_input
from cnnviz.results import drawing
from cnnviz.results.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 900
# Rounding in the preprocessing may lose a fraction of a pixel at an edge.
ALL = 0.999


def build(context: Context) -> Section:
    """Show the photo with the part that the network sees, beside that part at its resolution."""
    subject = context.image
    if isinstance(subject.photo, ArrayInput):
        return array_input.build(context, subject.photo)
    photo, box = subject.photo, subject.capture.batch.boxes[0]
    seen = _share_seen(photo, box)
    channels, height, width = subject.capture.batch.tensor.shape[1:]
    preprocessing = context.model.preprocessing.describe()
    picture = Picture(
        name=f"{subject.slug}-photo",
        title="The photo and what the network is given",
        caption=_caption(seen, height, width),
        alt=(
            f"{photo.name} at {photo.height} x {photo.width} pixels, and its crop at "
            f"{height} x {width} pixels"
        ),
        draw=partial(_draw, subject, box),
        provenance=subject.provenance,
        data={
            "photo": {"height": photo.height, "width": photo.width, "sha256": photo.sha256},
            "input": {"channels": channels, "height": height, "width": width},
            "box": {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom},
            "share_seen": seen,
            "preprocessing": preprocessing,
        },
    )
    return Section(
        key="photo",
        title=context.title,
        anchor=context.anchor("photo"),
        lead=(
            f"A network does not see the photo you see. Before the first layer {_done(context)}: "
            f"{preprocessing}.",
        )
        if context.introduces
        else (),
        pictures=(picture,),
        notes=tuple(f"Done to this photo: {note}." for note in photo.notes),
        subject=subject.slug,
    )


def _done(context: Context) -> str:
    """Say what preparation does to a photo, in the words that are true of it."""
    preparation = context.model.preprocessing
    if preparation.size is not None:
        return "the photo is brought to a fixed size and its colours are rescaled"
    if preparation.resize is not None:
        return "the photo is resized and its colours are rescaled"
    return "its colours are rescaled"


def _caption(seen: float, height: int, width: int) -> str:
    left = f"the photo with the part inside the frame that the network sees ({percent(seen)} of it)"
    if seen >= ALL:
        left = "the photo, all of which the network sees"
    return (
        f"Left, {left}. Right, what enters the network, {height} x {width} pixels: details that "
        "cannot be told apart here are lost on it."
    )


def _share_seen(photo: Photo, box: PhotoBox) -> float:
    width = min(box.right, photo.width) - max(box.left, 0.0)
    height = min(box.bottom, photo.height) - max(box.top, 0.0)
    return min(1.0, max(0.0, width * height / (photo.width * photo.height)))


def _draw(subject: ReportImage, box: PhotoBox) -> Figure:
    photo = subject.photo
    pixels = drawing.fit(photo.pixels, LONGEST)
    seen = subject.capture.model.preprocessing.invert(subject.capture.batch.tensor[0])
    ratios = [photo.width / photo.height, seen.shape[1] / seen.shape[0]]
    across = 10.0
    # The gap between the two and the padding around them take a quarter of an inch.
    down = min(6.5, max(2.2, (across - 0.25) / sum(ratios)))
    figure = drawing.new_figure(across, down + 0.3)
    left, right = figure.subplots(1, 2, width_ratios=ratios)
    drawing.show(left, pixels, smooth=True)
    if _share_seen(photo, box) < ALL:
        _frame(left, box, pixels.shape[1] / photo.width)
    drawing.show(right, seen)
    for axes, text in (
        (left, f"the photo, {photo.height} x {photo.width}"),
        (right, f"what the network sees, {seen.shape[0]} x {seen.shape[1]}"),
    ):
        axes.set_title(text, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    return figure


def _frame(axes: Axes, box: PhotoBox, scale: float) -> None:
    """Draw the edge of the crop; white on dark, so that it shows on every photo."""
    from matplotlib.patches import Rectangle

    corner = (box.left * scale - 0.5, box.top * scale - 0.5)
    size = (box.width * scale, box.height * scale)
    for width, colour, style in ((3.2, drawing.INK, "-"), (1.6, "white", (0, (4, 2)))):
        axes.add_patch(
            Rectangle(
                corner,
                *size,
                fill=False,
                linewidth=width,
                edgecolor=colour,
                linestyle=style,
                clip_on=False,
            )
        )
