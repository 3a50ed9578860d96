"""How features and answer change when the photo is moved, enlarged or turned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.errors import LayerError, UsageError
from cnnviz.images import ArrayPreprocessing, Batch
from cnnviz.images.array_scene import ArrayScene
from cnnviz.images.inputs import Images
from cnnviz.images.transforms import Scene, enlarged, moved, turned
from cnnviz.introspection.layers import Layers, named_layers, without_call
from cnnviz.models import Model, as_model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.stages import STAGES
from cnnviz.passes.targets import ResolvedTarget, Target, Unit, with_references
from cnnviz.results import drawing
from cnnviz.results.array_pictures import slices
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.views.pictures.invariance import draw

Kind = Literal["translation", "scale", "rotation"]
KINDS: tuple[Kind, ...] = ("translation", "scale", "rotation")
UNCHANGED: dict[Kind, float] = {"translation": 0.0, "scale": 1.0, "rotation": 0.0}
"""The amount at which an image is as it is."""
ROTATION = 350.0
_THUMBNAILS = 5
_SIDE = {1: 150, 2: 112, 3: 112}
"""Pixels of the longer side of a thumbnail, for signals, images and volumes."""
_WHEN: dict[Kind, str] = {"translation": "moved", "scale": "enlarged", "rotation": "turned"}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Invariance(Result):
    """Feature distances and answers to N images under K transformations.

    Images are moved, enlarged and turned, and K is 3. Signals are moved and stretched along their
    samples. Volumes are moved along their slices, and each slice is enlarged and turned.

    Attributes
    ----------
    layers : tuple of str
        The L layers.
    images : tuple of str
        The names of the N images.
    targets : tuple of str
        What is followed of each image: the class, or what else was asked for.
    values : ndarray of float64
        [K, S]: the amounts of translation (pixels of the network's input, downwards; samples or
        slices, towards the end), scale (factor) and rotation (degrees, counter-clockwise).
    distances : ndarray of float64
        [K, L, N, S]: the Euclidean distance between the layer's output for the transformed image
        and for the image as it is.
    norms : ndarray of float64
        [L, N]: the Euclidean norm of the layer's output for the image as it is.
    answers : ndarray of float64
        [K, N, S]: the probability of what is followed, or its score, where it has none.
    unit : {"probability", "score"}
        Which of the two.
    original : ndarray of float64
        [N]: the same for the image as it is.
    beyond : ndarray of float64
        [K, N, S]: the share of the pixels that lie beyond the photo and show its mirror image.
    strips : tuple of ndarray of uint8
        For each transformation the first image at evenly spread amounts, side by side.
    kinds : tuple of {"translation", "scale", "rotation"}
        The K transformations.
    axes : int
        How many axes the inputs have: 1 for signals, 2 for images, 3 for volumes.
    """

    left_out: ClassVar[tuple[str, ...]] = ("strips", "axes")
    derived: ClassVar[tuple[str, ...]] = ("probabilities", "normalised")

    layers: tuple[str, ...]
    images: tuple[str, ...]
    targets: tuple[str, ...]
    values: NDArray[np.float64]
    distances: NDArray[np.float64]
    norms: NDArray[np.float64]
    answers: NDArray[np.float64]
    original: NDArray[np.float64]
    beyond: NDArray[np.float64]
    strips: tuple[NDArray[np.uint8], ...]
    unit: Unit = "probability"
    kinds: tuple[Kind, ...] = KINDS
    axes: int = IMAGE.axes

    @property
    def space(self) -> Space:
        """Which axes the inputs have."""
        return space_of(self.axes)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The answers, [K, N, S], where they are probabilities; NaN where they are scores."""
        known = self.unit == "probability"
        return self.answers if known else np.full_like(self.answers, np.nan)

    @property
    def normalised(self) -> NDArray[np.float64]:
        """The distances as a share of the norm, [K, L, N, S]; NaN where the norm is zero."""
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = self.distances / self.norms[None, :, :, None]
        return np.where(self.norms[None, :, :, None] > 0.0, shares, np.nan)

    def summary(self) -> str:
        """Say how the mean probability changes under each transformation.

        The image as it is, which lies on every curve, does not count as transformed.
        """
        kept = [
            found[:, ~np.isclose(amounts, UNCHANGED[kind], atol=1e-9)].mean()
            for found, amounts, kind in zip(self.answers, self.values, self.kinds, strict=True)
        ]
        what = "classes" if self.unit == "probability" else "targets"
        who = repr(self.targets[0]) if len(self.images) == 1 else f"{len(self.images)} {what}"
        digits = ".0%" if self.unit == "probability" else ".3g"
        whole, *each = (format(float(value), digits) for value in (self.original.mean(), *kept))
        words = [
            f"{value} when {self.when(kind)}" for value, kind in zip(each, self.kinds, strict=True)
        ]
        return f"The {self.unit} of {who} is {whole}, and on average {', '.join(words)}"

    def when(self, kind: Kind) -> str:
        """Return what is done to an input: a signal is stretched and not enlarged."""
        return "stretched" if kind == "scale" and self.axes == 1 else _WHEN[kind]

    def caption(self) -> str:
        """Say what the lines are, in which units, and what fills the edges."""
        space, noun = self.space, self.space.shown
        most = self.beyond.max((1, 2))
        followed = "probability of the target" if self.unit == "probability" else "score"
        mirrored = (
            f"Nothing from beyond the {noun} enters."
            if not most.any()
            else f"Where the {noun} ends its mirror image goes on, at most "
            + ", ".join(
                f"{share:.0%} of the {space.places} under {kind}"
                for share, kind in zip(most, self.kinds, strict=True)
            )
            + "."
        )
        seen = (
            "The network sees the photo at the resolution it always does, and what moves into its "
            "crop comes from the photo. "
            if space == IMAGE
            else ""
        )
        return (
            f"Invariance (Zeiler and Fergus 2013, figure 5): {self._done()}, at "
            f"{self.values.shape[1]} amounts each. The upper rows show the Euclidean distance of "
            f"the output of {' and of '.join(self.layers)} from that for the {space.noun} as it "
            f"is, divided by the norm of the latter; the lowest row shows the "
            f"{followed}. {seen}{mirrored}"
        )

    def _done(self) -> str:
        """Say what is done to each input, and how far."""
        ends = {kind: row[[0, -1]] for kind, row in zip(self.kinds, self.values, strict=True)}
        shift, scale = ends["translation"], ends["scale"]
        by, times = f"{shift[0]:.0f} to {shift[1]:.0f}", f"{scale[0]:g} to {scale[1]:g} times"
        if self.axes == 1:
            return f"each signal is moved by {by} samples and stretched {times} about its middle"
        turn = ends["rotation"]
        degrees = f"{turn[0]:g} to {turn[1]:g} degrees"
        if self.axes == IMAGE.axes:
            return (
                f"each image is moved by {by} px, enlarged {times} about its middle, and turned by "
                f"{degrees}"
            )
        return (
            f"each volume is moved by {by} slices along its depth, each of its slices is enlarged "
            f"{times} about its middle, and turned by {degrees}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the curves, a row for each layer and one for the probability."""
        return draw(self, into)


def invariance(
    model: Model | nn.Module,
    images: Images,
    layers: Layers | None = None,
    target: Target = None,
    *,
    shift: float = 0.25,
    scale: float = 1.8,
    rotation: float = ROTATION,
    steps: int = 21,
    progress: Progress = silent,
) -> Invariance:
    """Follow features and answer while each image is moved, enlarged and turned.

    The curves of Zeiler and Fergus 2013, figure 5. A signal is moved and stretched along its
    samples. A volume is moved along its slices, and each slice is enlarged and turned.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images; each is a line.
    layers : str or sequence of str, optional
        Layers by kind, pattern or name; by default the ends of the first and of the last stage.
    target : None, int, str, another target, a sequence of these, or callable
        What is followed; the network's own answer to each image as it is by default.
    shift : float
        How far images are moved up and down, as a share of the input's height; signals to and fro
        as a share of their length, volumes of their depth.
    scale : float
        How many times images are enlarged at most; below 1 they shrink.
    rotation : float
        How far images are turned, in degrees, counter-clockwise; signals are not.
    steps : int
        How many amounts of each; 3 or more, and odd, so that the image as it is is among them.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in passes of single images.

    Returns
    -------
    Invariance
        Distances and probabilities for every layer, image and amount.

    Raises
    ------
    LayerError
        If a layer does not exist or the network has no stages.
    TargetError
        If a target does not fit the output.
    UsageError
        If a range is empty, or signals are to be turned.
    """
    _check(shift, scale, rotation, steps)
    wrapped = as_model(model)
    if wrapped.space.axes == 1 and rotation != ROTATION:
        raise UsageError("A signal cannot be turned.", "Leave the rotation out.")
    target = with_references(wrapped, target)
    batch = wrapped.prepare(images)
    held = capture(wrapped, batch, layers=layers or STAGES, gradients=False)
    names = list(held.activations)
    if not layers:
        names = names[:1] + names[1:][-1:]
    if not names:
        raise LayerError(
            f"{wrapped.name} has no layer that is known to hold a map of the {wrapped.space.noun}.",
            "Name a layer.",
        )
    resolved_targets = held.scored(target).resolved_targets
    units: set[Unit] = {resolved.unit for resolved in resolved_targets}
    unit: Unit = "probability" if units == {"probability"} else "score"
    kinds = KINDS[:2] if wrapped.space.axes == 1 else KINDS
    reach = shift * batch.tensor.shape[2]
    amounts: dict[Kind, NDArray[np.float64]] = {
        "translation": np.linspace(-reach, reach, steps),
        "scale": np.linspace(1.0, scale, steps),
        "rotation": np.linspace(0.0, rotation, steps),
    }
    values = np.stack([amounts[kind] for kind in kinds])
    scenes = [_scene(wrapped, batch, place) for place in range(len(batch))]
    walk = _Walk(wrapped, held, names, resolved_targets, unit, values, scenes)
    walk.run(progress)
    return Invariance(
        provenance=replace(
            held.provenance, targets=tuple(resolved.name for resolved in resolved_targets)
        ),
        layers=tuple(names),
        images=tuple(photo.name for photo in batch.photos),
        targets=tuple(resolved.name for resolved in resolved_targets),
        values=values,
        distances=walk.distances,
        norms=np.array([[_norm(row) for row in held.activation_maps(name)] for name in names]),
        answers=walk.answers,
        unit=unit,
        original=np.array([walk.original(n) for n in range(len(batch))]),
        beyond=walk.beyond,
        strips=tuple(walk.strip(kind) for kind in range(len(kinds))),
        kinds=kinds,
        axes=wrapped.space.axes,
    )


def _scene(model: Model, batch: Batch, place: int) -> Scene | ArrayScene:
    if model.space == IMAGE:
        return Scene.of(model.preprocessing, batch, place)
    return ArrayScene.of(batch, place)


def _check(shift: float, scale: float, rotation: float, steps: int) -> None:
    if not 0.0 < shift <= 1.0:
        raise UsageError(
            f"Images cannot be moved by {shift:g} of their height.",
            "Give a share above 0, up to 1.",
        )
    if scale <= 0.0 or scale == 1.0:
        raise UsageError(
            f"Enlarging {scale:g} times shows nothing.", "Give a factor above 0 other than 1."
        )
    if rotation == 0.0:
        raise UsageError("Turning by 0 degrees shows nothing.", "Give another angle.")
    if steps < 3 or steps % 2 == 0:
        raise UsageError(
            f"{steps} amounts cannot be spread evenly about none.", "Give 3, 5, 7, ..."
        )


def _norm(values: torch.Tensor) -> float:
    return float(values.detach().double().norm())


class _Walk:
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
                self.distances[kind, layer, image, step] = _norm(away)

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
        return drawing.mosaic(np.stack(tiles), columns=len(tiles), side=1, gap=3).pixels

    def _thumbnail(self, row: torch.Tensor) -> NDArray[np.uint8]:
        """Return a small picture of what the network is given; of a volume its middle slice."""
        preprocessing = self.model.preprocessing
        side = _SIDE[self.model.space.axes]
        if isinstance(preprocessing, ArrayPreprocessing) and preprocessing.axes > IMAGE.axes:
            pictures = slices(preprocessing.undone(row))
            return drawing.fit(pictures[len(pictures) // 2], side)
        return drawing.fit(preprocessing.invert(row), side)
