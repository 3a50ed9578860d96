"""The passes of the view of invariances: every amount of every transformation of every image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.images import ArrayPreprocessing, Batch
from cnnviz.images.array_scene import ArrayScene
from cnnviz.images.transforms import Scene, enlarged, moved, turned
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import ResolvedTarget, Unit
from cnnviz.results import drawing, mosaics
from cnnviz.results.array_pictures import slices
from cnnviz.results.progress import Progress
from cnnviz.results.space import IMAGE

_THUMBNAILS = 5
_SIDE = {1: 150, 2: 112, 3: 112}
"""Pixels of the longer side of a thumbnail, for signals, images and volumes."""


def scene_of(model: Model, batch: Batch, place: int) -> Scene | ArrayScene:
    """Return an image that can be moved, enlarged and turned."""
    if model.space == IMAGE:
        return Scene.of(model.preprocessing, batch, place)
    return ArrayScene.of(batch, place)


def norm_of(values: torch.Tensor) -> float:
    """Return the length of values taken as one vector, in double precision."""
    return float(values.detach().double().norm())


class Walk:
    """Every amount of every transformation of every image, in batches."""

    def __init__(
        self,
        model: Model,
        held: Capture,
        names: list[str],
        targets: tuple[ResolvedTarget, ...],
        unit: Unit,
        values: NDArray[np.float64],
        scenes: list[Scene] | list[ArrayScene] | list[Scene | ArrayScene],
    ) -> None:
        kinds, steps = values.shape
        count = len(scenes)
        self.model, self.held, self.names = model, held, names
        self.targets, self.unit = targets, unit
        self.values, self.scenes = values, scenes
        self.maps = [held.activation_maps(name) for name in names]
        self.distances = np.zeros((kinds, len(names), count, steps))
        self.answers = np.zeros((kinds, count, steps))
        self.beyond = np.zeros((kinds, count, steps))

    def run(self, progress: Progress) -> None:
        """Fill in distances, answers and what lies beyond the photos."""
        tensor = self.held.batch.tensor
        at_once = rows_at_once(self.model, tensor)
        every = [
            (kind, image, step)
            for image in range(len(self.scenes))
            for kind in range(len(self.values))
            for step in range(self.values.shape[1])
        ]
        for start in range(0, len(every), at_once):
            progress(start, len(every), self._doing)
            self._pass(every[start : start + at_once])
        progress(len(every), len(every), "done")

    def _pass(self, places: list[tuple[int, int, int]]) -> None:
        rows = []
        for place in places:
            kind, image, step = place
            row, self.beyond[place] = self._seen(kind, image, step)
            rows.append(row)
        like = self.held.batch.tensor
        inputs = torch.from_numpy(np.stack(rows)).to(like.device, like.dtype)
        found = capture(
            self.model,
            # Nothing is drawn of these, so they need no photos.
            Batch(inputs, (), ()),
            layers=[without_call(name, named_layers(self.model.module)) for name in self.names],
            gradients=False,
        )
        answers = {image: self.answered(found.returned, image) for _, image, _ in places}
        maps = [found.activation_maps(name) for name in self.names]
        for number, place in enumerate(places):
            kind, image, step = place
            self.answers[place] = answers[image][number]
            for layer in range(len(self.names)):
                away = maps[layer][number] - self.maps[layer][image]
                self.distances[kind, layer, image, step] = norm_of(away)

    def original(self, image: int) -> float:
        """Return what is followed of an image as it is."""
        output, row = self.held.answer(image)
        return float(self.answered(output, image)[row])

    def answered(self, output: Any, image: int) -> NDArray[np.float64]:
        """Return what is followed of an image in everything that the network returned."""
        resolved = self.targets[image]
        values = resolved.measure(output) if self.unit == "probability" else resolved.score(output)
        return np.asarray(values.detach().double().cpu().numpy(), np.float64)

    @property
    def _doing(self) -> str:
        space = self.model.space
        if space.axes == 1:
            return "moving and stretching signals"
        return f"moving, enlarging and turning {space.noun}s"

    def _seen(self, kind: int, image: int, step: int) -> tuple[NDArray[np.float32], float]:
        """Return what the network sees of an image at one amount, and how much lies beyond it."""
        scene, amount = self.scenes[image], float(self.values[kind, step])
        if isinstance(scene, ArrayScene):
            return (scene.moved, scene.enlarged, scene.turned)[kind](amount)
        return scene.seen((moved, enlarged, turned)[kind](amount, scene.size))

    def strip(self, kind: int) -> NDArray[np.uint8]:
        """Return the first image at evenly spread amounts, side by side."""
        tiles = []
        for step in np.linspace(0, self.values.shape[1] - 1, _THUMBNAILS).round().astype(int):
            row, _ = self._seen(kind, 0, int(step))
            tiles.append(self._thumbnail(torch.from_numpy(row)))
        return mosaics.mosaic(np.stack(tiles), columns=len(tiles), side=1, gap=3).pixels

    def _thumbnail(self, row: torch.Tensor) -> NDArray[np.uint8]:
        """Return a small picture of what the network is given; of a volume its middle slice."""
        preprocessing = self.model.preprocessing
        side = _SIDE[self.model.space.axes]
        if isinstance(preprocessing, ArrayPreprocessing) and preprocessing.axes > IMAGE.axes:
            pictures = slices(preprocessing.undone(row))
            return drawing.fit(pictures[len(pictures) // 2], side)
        return drawing.fit(preprocessing.invert(row), side)
