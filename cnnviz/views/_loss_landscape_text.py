"""What is said of the loss around a network's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.gradients.landscape import LandscapePoints
from cnnviz.results.space import space_of
from cnnviz.results.text import minus, plural, whole_percent

if TYPE_CHECKING:
    from cnnviz.views.loss_landscape import LossLandscape


def summary(found: LossLandscape) -> str:
    """Say how the loss changes, how many valleys there are, and how far it is from convex."""
    finite = found.losses[np.isfinite(found.losses)]
    most = f"{finite.max():.3g}" if finite.size else "no finite number"
    valleys = found.minima
    concave = found.concave
    known = not np.isnan(concave)
    bent = f", curved downwards at {whole_percent(concave)} of the points" if known else ""
    return (
        f"{found.name}: loss {minus(f'{found.centre:.3g}')} at its weights, at most "
        f"{minus(most)} within a reach of {found.x[-1]:g}; "
        f"{valleys} local minim{'um' if valleys == 1 else 'a'}{bent}"
    )


def caption(found: LossLandscape) -> str:
    """Say what is drawn, along what, and on which images."""
    way = (
        "along a random direction"
        if found.dimensions == 1
        else minus(f"along two random directions (the cosine between them is {found.cosine:.2g})")
    )
    norms = (
        " Batch norms have the statistics of the images at every point."
        if found.calibrated
        else " Batch norms keep the statistics that the network stores."
    )
    lost = int((~np.isfinite(found.losses)).sum())
    grey = f" At {plural(lost, 'point')} it is not a finite number: grey." if lost else ""
    told = "".join(f" {note}" for note in found.notes)
    images = plural(found.images, space_of(found.axes).noun)
    over = f"mean over {images}" if found.images > 1 else images
    return (
        f"The loss of {found.name} ({found.kind}, {over}) {way}; the cross marks the "
        "network. A step of 1 changes each filter by its own norm, biases and batch norm "
        f"parameters stay ({found.moved:,} of {found.parameters:,} numbers move). "
        f"{found.labels}{norms}{grey}{told}"
    )


def remarks(
    own: LandscapePoints, found: LandscapePoints, calibrated: bool, fresh: tuple[str, ...]
) -> list[str]:
    """Say how the middle differs from the network as it is, and which statistics are of no data."""
    middle = float(found.losses[len(found.losses) // 2])
    told = []
    if calibrated and not np.isclose(middle, own.losses[0], rtol=0.01, atol=1e-3):
        told.append(
            "With the statistics that it stores, the network itself has a loss of "
            f"{float(own.losses[0]):.3g}."
        )
    if fresh:
        which = f"{len(fresh)} batch norms, such as {fresh[0]!r}, have"
        if len(fresh) == 1:
            which = f"The batch norm {fresh[0]!r} has"
        told.append(f"{which} never seen data: in training this is another network.")
    return told
