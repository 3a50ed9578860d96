"""What a network says of changed versions of one image, and where it looks in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import LayerError
from cnnviz.heatmaps.constant_scores import unasked
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.heatmaps.stretching import stretch
from cnnviz.images import Batch
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.likeliest import class_name, class_shares, likeliest_classes
from cnnviz.passes.resolved_target import Unit
from cnnviz.passes.stages import STAGES
from cnnviz.passes.targets import Target
from cnnviz.results import drawing
from cnnviz.views.cam import cam


@dataclass(frozen=True, eq=False)
class Looked:
    """What was found of one version of the image.

    Attributes
    ----------
    answer : float
        The probability of what is followed, or its score, where it has none.
    class_index : int
        The likeliest class; -1 where the network names none.
    class_name : str
        Its name.
    heat : ndarray of float32 or None
        [H, W]: the evidence for what is followed, without that against it; None where the network
        has no layer for a map.
    """

    answer: float
    class_index: int
    class_name: str
    heat: NDArray[np.float32] | None


class FollowedImage:
    """One image of which many versions are looked at: its answer is followed through all of them.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    batch : Batch
        The one image.
    target : target
        What is followed; the network's own answer to the image as it is by default.

    Attributes
    ----------
    held : Capture
        The image as it is.
    """

    def __init__(self, model: Model, batch: Batch, target: Target) -> None:
        self.model, self.batch = model, batch
        self.held = capture(model, batch, layers=STAGES, target=target, gradients="layers")
        (self.resolved,) = self.held.resolved_targets
        index = self.resolved.class_index
        self._asked: Any = self.resolved.asked if index is None else index
        made: Heatmap | None = None
        with unasked(), suppress(LayerError):  # where no layer holds a map there are no heatmaps
            made = cam(self.held)
        self._layers = [] if made is None else self._names(made)
        known = index is not None and class_shares(self.held) is not None
        self.unit: Unit = "probability" if known else "score"
        self.original = self._read(self.held, made)[0]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the heatmaps are made at."""
        return tuple(self._layers)

    def look(self, rows: Sequence[NDArray[np.float32]]) -> list[Looked]:
        """Return what is found of versions of the image, [C, H, W] each, in a few passes."""
        at_once = rows_at_once(self.model, self.batch.tensor)
        return [
            looked
            for start in range(0, len(rows), at_once)
            for looked in self._pass(rows[start : start + at_once])
        ]

    def _pass(self, rows: Sequence[NDArray[np.float32]]) -> Iterator[Looked]:
        like, count = self.batch.tensor, len(rows)
        tensor = torch.from_numpy(np.stack(rows)).to(like.device, like.dtype)
        batch = Batch(tensor, self.batch.photos * count, self.batch.boxes * count)
        # One target stands for every version, whatever the network answers to it.
        found = capture(
            self.model,
            batch,
            layers=self._layers,
            target=self._asked,
            gradients="layers" if self._layers else True,
        )
        with unasked():
            made = cam(found) if self._layers else None
        yield from self._read(found, made)

    def _read(self, found: Capture, made: Heatmap | None) -> list[Looked]:
        shares = class_shares(found)
        answers = found.scores.double().cpu().numpy()
        if self.unit == "probability" and shares is not None:
            answers = shares[:, self.resolved.class_index]
        heats: list[NDArray[np.float32] | None] = [None] * len(answers)
        if made is not None:
            size = found.batch.tensor.shape[2:]
            heats = [stretch(one, size) for one in made.shown()]
        return [
            Looked(float(answer), int(index), class_name(found, int(index)), heat)
            for answer, index, heat in zip(answers, likeliest_classes(found), heats, strict=True)
        ]

    def _names(self, made: Heatmap) -> list[str]:
        settings = made.settings
        keys = getattr(settings, "layers", ())
        known = named_layers(self.model.module)
        return [without_call(name, known) for name, _ in keys]


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    """Return a picture with a heatmap over it, on a scale of its own; grey where there is none."""
    if heat is None:
        return np.full_like(pixels, drawing.FLAT[0])
    return drawing.overlay(pixels, heat, drawing.Scale(0.0, float(heat.max()), drawing.HEAT))


def thumbnail(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a picture whose longer side is so many pixels, a small one enlarged pixel by pixel."""
    factor = -(-side // max(pixels.shape[:2]))
    return drawing.fit(pixels.repeat(factor, axis=0).repeat(factor, axis=1), side)
