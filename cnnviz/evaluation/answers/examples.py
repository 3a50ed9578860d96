"""The worst answers explained: what the network saw, and the evidence for both answers in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.datasets import Dataset
from cnnviz.errors import LayerError, ModelError, TargetError
from cnnviz.evaluation.answers.tally import Mistake
from cnnviz.heatmaps.map_words import mark
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import ImageSource
from cnnviz.views.cam import cam

SIDE = 224
"""The longer side of a picture of an example, in pixels."""


@dataclass(frozen=True, eq=False)
class Example:
    """One wrong answer with its pictures.

    Attributes
    ----------
    mistake : Mistake
        The answer.
    photo : ndarray of uint8
        What the network saw of the photo, [h, w, 3].
    maps : tuple of ndarray of float32
        The Grad-CAM of the answer and that of what is right, each [h, w] at the layer's own size;
        one alone for a label that is right or wrong by itself, none where the network holds no map
        of the image.
    overlays : tuple of ndarray of uint8
        These maps over the photo, each with its own scale.
    ranges : tuple of float
        Where the colours of each end.
    marks : tuple of str
        Why each of these maps must not be read as evidence, in a few words; empty where it may be.
    source : ImageSource
        The name of the photo and the SHA-256 of its bytes.
    """

    left_out: ClassVar[tuple[str, ...]] = ("photo", "overlays")

    mistake: Mistake
    photo: NDArray[np.uint8]
    maps: tuple[NDArray[np.float32], ...]
    overlays: tuple[NDArray[np.uint8], ...]
    ranges: tuple[float, ...]
    marks: tuple[str, ...]
    source: ImageSource


@dataclass
class Explainer:
    """Explains one wrong answer after the other, all at the layer that the first is explained at.

    Attributes
    ----------
    model : Model
        The network.
    dataset : Dataset
        The images.
    layer : str
        The layer of the maps; empty before the first, and where there are none.
    why_none : str
        Why there are no maps, in a sentence; empty where there are.
    """

    model: Model
    dataset: Dataset
    layer: str = ""
    why_none: str = field(default="")

    def explain(self, mistakes: Sequence[Mistake], progress: Progress = silent) -> list[Example]:
        """Return the mistakes with their pictures; each image is read anew, and one at a time."""
        found = []
        for done, mistake in enumerate(mistakes):
            progress(done, len(mistakes), f"explaining {mistake.image}")
            found.append(self._example(mistake))
        return found

    def _example(self, mistake: Mistake) -> Example:
        image: Any = self.dataset.read(mistake.place).image
        if not self.why_none:
            try:
                return self._explained(mistake, image)
            # Its answers are known already, whatever of it cannot be explained.
            except (LayerError, ModelError, TargetError) as error:
                self.why_none = f"There are no heatmaps: {error.what}"
        batch = self.model.prepare([image])
        photo = self.model.preprocessing.invert(batch.tensor[0])
        source = ImageSource(mistake.image, batch.photos[0].sha256)
        return Example(mistake, photo, (), (), (), (), source)

    def _explained(self, mistake: Mistake, image: Any) -> Example:
        targets = list(mistake.classes)
        known = named_layers(self.model.module)
        seen = capture(
            self.model,
            [image] * len(targets),
            # A list, since a layer may be called as a group of layers is.
            layers=[without_call(self.layer, known)] if self.layer else "stages",
            target=targets,
            gradients="layers",
        )
        heat = cam(seen, self.layer or None)
        (self.layer,) = heat.layers
        rows = range(len(targets))
        return Example(
            mistake,
            heat.crop(0, SIDE),
            tuple(heat.maps[0]),
            tuple(heat.seen(row, self.layer, SIDE) for row in rows),
            tuple(heat.scale(row).high for row in rows),
            tuple(mark(heat, row, self.layer) for row in rows),
            ImageSource(mistake.image, seen.batch.photos[0].sha256),
        )
