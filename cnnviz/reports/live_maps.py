"""What a page answers with: maps that can be switched, and the values of curves and heatmaps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np

from cnnviz.heatmaps.map_words import mark
from cnnviz.images import ArrayInput, Batch
from cnnviz.models.output_kinds import OutputKind
from cnnviz.pages.packing import Packed, by_row
from cnnviz.pages.scripts import joined
from cnnviz.passes.captures import capture
from cnnviz.reports.content import ImageAnswer, LiveMaps
from cnnviz.reports.context import ReportImage
from cnnviz.reports.pictures import DrawnPicture
from cnnviz.reports.sections.cam import explainable
from cnnviz.views.cam import cam

CLASSES = 5
"""So many classes of each image, the likeliest ones, and the one that is explained."""
_MODULES = (
    *(("cnnviz.pages", name) for name in ("pack", "maps", "dom")),
    *(("cnnviz.reports", name) for name in ("readout", "live")),
)
_RANKED = (OutputKind.CLASSES, OutputKind.LABELS)


@dataclass(frozen=True)
class LiveData:
    """What a page needs to draw the maps of its images.

    Attributes
    ----------
    head : str
        Plain data as JSON without letters that HTML reads: names, and where each array lies.
    data : str
        The arrays, as `cnnviz.pages.packing.Packed.text` returns them.
    """

    head: str
    data: str

    @property
    def size(self) -> int:
        """How many bytes of the page they and the script take."""
        return len(self.head.encode()) + len(self.data) + len(script().encode())


def live_maps(subject: ReportImage) -> LiveMaps | None:
    """Return the Grad-CAM of several classes at every layer of a photo.

    The network runs once more for each class, forward and backward.

    Returns
    -------
    LiveMaps or None
        None where nothing ranks classes, or what is explained is no photo.
    """
    seen = subject.capture
    names, reading = explainable(subject), seen.model.reading
    ranked = reading is not None and reading.kind in _RANKED
    if not names or not ranked or isinstance(subject.photo, ArrayInput):
        return None
    asked = seen.target_classes[0]
    likeliest = [one.index for one in seen.predictions(CLASSES)[0]]
    classes = [*([] if asked is None else [asked]), *(one for one in likeliest if one != asked)]
    batch, count = seen.batch, len(classes)
    many = Batch(
        batch.tensor.expand(count, *batch.tensor.shape[1:]).clone(),
        batch.photos * count,
        batch.boxes * count,
    )
    held = capture(seen.model, many, layers=list(names), target=classes, gradients="layers")
    every = cam(held, names, relu=False)
    box, (height, width) = batch.boxes[0], subject.photo.pixels.shape[:2]
    return LiveMaps(
        classes=tuple(seen.model.category(one) for one in classes),
        layers=tuple(every.layers),
        maps=tuple(every.maps),
        marks=tuple(tuple(mark(every, row, name) for row in range(count)) for name in every.layers),
        box=(box.left / width, box.top / height, box.right / width, box.bottom / height),
    )


def packed(answers: Sequence[ImageAnswer], drawings: Mapping[str, DrawnPicture]) -> LiveData | None:
    """Return the maps of all images, in 255 steps each, and the values of pictures that have them.

    None where there are none.
    """
    pack, images = Packed(), []
    for place, entry in enumerate(answers):
        if entry.live is None:
            continue
        layers = []
        live = entry.live
        for name, maps, marks in zip(live.layers, live.maps, live.marks, strict=True):
            whole, step = by_row(np.asarray(maps, np.float32))
            stored = {"maps": pack.add(whole), "step": pack.add(step)}
            layers.append({"name": name, "marks": marks, **stored})
        images.append(
            {
                "place": place,
                "classes": list(entry.live.classes),
                "layers": layers,
                "box": list(entry.live.box),
            }
        )
    readouts = [_readout(one, pack) for one in drawings.values() if one.panel is not None]
    if not images and not readouts:
        return None
    head: dict[str, Any] = {
        "images": images,
        "readouts": readouts,
        "bright": pack.add(_colours("inferno")),
        "signed": pack.add(_colours("RdBu_r")),
    }
    text = json.dumps(head, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return LiveData(text, pack.text())


def _readout(drawn: DrawnPicture, pack: Packed) -> dict[str, Any]:
    found = drawn.picture.readout
    assert found is not None
    return {
        "name": drawn.picture.name,
        "rows": list(found.rows),
        "steps": pack.add(found.steps.astype(np.float32)),
        "values": pack.add(found.values.astype(np.float32)),
        "stacked": found.stacked,
        "panel": list(drawn.panel or ()),
    }


@lru_cache(maxsize=1)
def script() -> str:
    """Return the script that draws the maps."""
    return joined(_MODULES, "live")


def _colours(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.round(mpl.colormaps[name](np.linspace(0.0, 1.0, 256))[:, :3] * 255).astype(np.uint8)
