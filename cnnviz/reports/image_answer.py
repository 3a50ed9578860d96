"""The head of a page: an image, what the network answers, and where it looked."""

from __future__ import annotations

from collections.abc import Set
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import TargetError
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.images import ArrayInput
from cnnviz.reports.content import ImageAnswer, Picture, PredictedClass
from cnnviz.reports.context import ReportImage
from cnnviz.reports.sections.cam import explainable, main_map
from cnnviz.results import drawing
from cnnviz.results.text import dimensions, joined, layer_said, percent
from cnnviz.views.predictions import predictions

LARGE = 960
SMALL = 320
SHOWN = 5


def answer(subject: ReportImage, sections: Set[str]) -> ImageAnswer:
    """Return what stands at the head of an image's part of the page.

    Parameters
    ----------
    subject : ReportImage
        The image.
    sections : set of str
        The keys of the chosen sections: the heatmap is shown where the section about it is.
    """
    guesses = _guesses(subject)
    targets = subject.provenance.targets
    photo = subject.photo
    best = f", answered as {guesses[0].category}" if guesses else ""
    return ImageAnswer(
        name=photo.name,
        slug=subject.slug,
        anchor=f"image-{subject.slug}",
        guesses=guesses,
        target=targets[0] if targets else "",
        photo=_plain(subject, "image", LARGE, f"{photo.name}{best}"),
        thumbnail=_plain(subject, "thumbnail", SMALL, f"{photo.name}{best}"),
        overlay=_overlay(subject) if "cam" in sections else None,
        notes=photo.notes,
        output=subject.provenance.output,
    )


def _guesses(subject: ReportImage) -> tuple[PredictedClass, ...]:
    try:
        found = predictions(subject.capture, SHOWN)
    except TargetError:
        # The output is of no known kind, such as a sequence of scores: there is no ranking.
        return ()
    return tuple(
        PredictedClass(
            name, float(probability), float(value), found.said(0, rank), found.share(0, rank)
        )
        for rank, (name, probability, value) in enumerate(
            zip(found.names[0], found.probabilities[0], found.shown[0], strict=True)
        )
    )


def _plain(subject: ReportImage, kind: str, longest: int, alt: str) -> Picture:
    photo = subject.photo
    return Picture(
        name=f"{subject.slug}-{kind}",
        title=photo.name,
        caption=f"The photo, {photo.width} pixels wide and {photo.height} high."
        if not isinstance(photo, ArrayInput)
        else f"The {photo.space.noun}, {photo.described}.",
        alt=alt,
        draw=partial(_fit, photo.pixels, longest),
        provenance=subject.provenance,
        data={"height": photo.height, "width": photo.width},
    )


def _overlay(subject: ReportImage) -> Picture | None:
    names = explainable(subject)
    if not names:
        return None
    heatmap = main_map(subject, names)
    where = heatmap.layers[0]
    peak = float(np.nanmax(heatmap.maps[0]))
    reading = (
        "bright is evidence for it"
        if peak > 0
        else "no place of this layer is evidence for it, so nothing is bright"
    )
    told = (
        f"Grad-CAM at {layer_said(where)}, {dimensions(heatmap.maps[0].shape[1:])} values, "
        f"0 to {max(peak, 0.0):.2g}"
    )
    target, doubts = heatmap.targets[0], " ".join(heatmap.doubts)
    return Picture(
        name=f"{subject.slug}-overlay",
        title=f"Grad-CAM for {target}",
        caption=f"Not to be read as evidence for {target} ({told}). {doubts}"
        if doubts
        else f"Where it looked for {target}: {reading} ({told}).",
        alt=f"{subject.photo.name} under a heatmap that is not to be read as evidence for {target}"
        if doubts
        else _where(heatmap.on_photo(), subject, target),
        draw=partial(_heat, heatmap),
        provenance=heatmap.provenance,
        data={
            "layer": where,
            "method": heatmap.method,
            "maximum": peak,
            "map": heatmap.maps[0][0],
        },
    )


def _where(values: NDArray[np.float32], subject: ReportImage, target: str) -> str:
    """Say in words where in the photo the evidence lies, for those who do not see it."""
    heat = np.nan_to_num(np.maximum(values, 0.0))
    if not heat.any():
        return f"{subject.photo.name} under a heatmap without any evidence for {target}"
    share = float((heat > 0.5 * heat.max()).mean())
    place = np.unravel_index(int(heat.argmax()), heat.shape)
    if isinstance(subject.photo, ArrayInput):
        space = subject.photo.space
        at = joined([f"{name} {int(one)}" for name, one in zip(space.names, place, strict=True)])
        return (
            f"{subject.photo.name} under a heatmap: the evidence for {target} is greatest at {at}, "
            f"and above half of its maximum on {percent(share)} of the {space.noun}"
        )
    row, column = place
    down = ("upper", "middle", "lower")[min(2, int(3 * row / heat.shape[0]))]
    across = ("left", "centre", "right")[min(2, int(3 * column / heat.shape[1]))]
    return (
        f"{subject.photo.name} under a heatmap: the evidence for {target} is greatest in the "
        f"{down} {across}, and above half of its maximum on {percent(share)} of the photo"
    )


def _heat(heatmap: Heatmap) -> NDArray[np.uint8]:
    return _fit(heatmap.picture(longest=LARGE), LARGE)


def _fit(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Shrink a large photo, and enlarge a tiny one pixel by pixel so that it can be seen."""
    shrunk = drawing.fit(pixels, longest)
    factor = max(1, (longest // 2) // max(shrunk.shape[:2]))
    return shrunk.repeat(factor, axis=0).repeat(factor, axis=1)
