"""How features and answer change when the photo is shifted, scaled or rotated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Within, bounded
from cnnviz.errors import UsageError
from cnnviz.images.inputs import Images
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.no_map import no_map
from cnnviz.passes.stages import STAGES
from cnnviz.passes.targets import Target, Unit
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.text import fine_percent, layer_said, minus, whole_percent
from cnnviz.views._invariance_walk import Walk, norm_of, scene_of
from cnnviz.views.pictures.invariance import draw

Kind = Literal["translation", "scale", "rotation"]
KINDS: tuple[Kind, ...] = ("translation", "scale", "rotation")
UNCHANGED: dict[Kind, float] = {"translation": 0.0, "scale": 1.0, "rotation": 0.0}
"""The amount at which an image is as it is."""
ROTATION = 350.0
_WHEN: dict[Kind, str] = {"translation": "shifted", "scale": "scaled", "rotation": "rotated"}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Invariance(Result):
    """Feature distances and answers to N images under K transformations.

    Images are shifted, scaled and rotated, and K is 3. Signals are shifted and stretched along
    their samples. Volumes are shifted along their slices, and each slice is scaled and rotated.

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
        values = [float(value) for value in (self.original.mean(), *kept)]
        probable = self.unit == "probability"
        whole, *each = (whole_percent(one) if probable else f"{one:.3g}" for one in values)
        words = [
            f"{value} when {self.when(kind)}" for value, kind in zip(each, self.kinds, strict=True)
        ]
        return f"The {self.unit} of {who} is {whole}, and on average {', '.join(words)}"

    def when(self, kind: Kind) -> str:
        """Return what is done to an input: a signal is stretched and not scaled."""
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
                f"{fine_percent(share)} of the {space.places} under {kind}"
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
            f"the output of {' and of '.join(map(layer_said, self.layers))} from that for the "
            f"{space.noun} as it "
            f"is, divided by the norm of the latter; the lowest row shows the "
            f"{followed}. {seen}{mirrored}"
        )

    def _done(self) -> str:
        """Say what is done to each input, and how far."""
        ends = {kind: row[[0, -1]] for kind, row in zip(self.kinds, self.values, strict=True)}
        shift, scale = ends["translation"], ends["scale"]
        by = minus(f"{shift[0]:.0f} to {shift[1]:.0f}")
        times = f"{scale[0]:g} to {scale[1]:g} times"
        if self.axes == 1:
            return f"each signal is shifted by {by} samples and stretched {times} about its middle"
        turn = ends["rotation"]
        degrees = minus(f"{turn[0]:g} to {turn[1]:g} degrees")
        if self.axes == IMAGE.axes:
            return (
                f"each image is shifted by {by} px, scaled {times} about its middle, and rotated "
                f"by {degrees}"
            )
        return (
            f"each volume is shifted by {by} slices along its depth, each of its slices is scaled "
            f"{times} about its middle, and rotated by {degrees}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the curves, a row for each layer and one for the probability."""
        return draw(self, into)


@bounded
@in_smaller_batches
def invariance(
    model: Model | nn.Module,
    images: Images,
    layers: Layers | None = None,
    target: Target = None,
    *,
    shift: Annotated[float, Within(0.0, 1.0, above=True)] = 0.25,
    scale: Annotated[float, Within(0.01, 100.0)] = 1.8,
    rotation: Annotated[float, Within(-3_600.0, 3_600.0)] = ROTATION,
    steps: Annotated[int, Within(3, 1_001)] = 21,
    progress: Progress = silent,
) -> Invariance:
    """Follow features and answer while each image is shifted, scaled and rotated.

    The curves of Zeiler and Fergus 2013, figure 5. A signal is shifted and stretched along its
    samples. A volume is shifted along its slices, and each slice is scaled and rotated.

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
        How far images are shifted up and down, as a share of the input's height; signals to and fro
        as a share of their length, volumes of their depth.
    scale : float
        How many times images are scaled at most; below 1 they shrink.
    rotation : float
        How far images are rotated, in degrees, counter-clockwise; signals are not.
    steps : int
        How many amounts of each; 3 or more, and odd, so that the unchanged image is among them.
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
        If a range is empty, or signals are to be rotated.
    ImageError
        If the image cannot be read.
    ModelError
        If the network cannot run on the image.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> cnnviz.invariance(model, photo, steps=3).summary().split(",")[0]
    "The probability of 'crescent' is 98%"
    """
    _check(scale, rotation, steps)
    wrapped = as_model(model)
    if wrapped.space.axes == 1 and rotation != ROTATION:
        raise UsageError("A signal cannot be rotated.", "Leave the rotation out.")
    batch = wrapped.prepare(images)
    target = checked_target(wrapped, target, batch)
    held = capture(wrapped, batch, layers=layers or STAGES, gradients=False)
    names = _names(held, chosen=bool(layers))
    resolved_targets = held.scored(target).resolved_targets
    units: set[Unit] = {resolved.unit for resolved in resolved_targets}
    unit: Unit = "probability" if units == {"probability"} else "score"
    kinds = KINDS[:2] if wrapped.space.axes == 1 else KINDS
    reach = shift * batch.tensor.shape[2]
    ends: dict[Kind, tuple[float, float]] = {
        "translation": (-reach, reach),
        "scale": (1.0, scale),
        "rotation": (0.0, rotation),
    }
    values = np.stack([np.linspace(*ends[kind], steps) for kind in kinds])
    scenes = [scene_of(wrapped, batch, place) for place in range(len(batch))]
    walk = Walk(wrapped, held, names, resolved_targets, unit, values, scenes)
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
        norms=np.array([[norm_of(row) for row in held.activation_maps(name)] for name in names]),
        answers=walk.answers,
        unit=unit,
        original=np.array([walk.original(n) for n in range(len(batch))]),
        beyond=walk.beyond,
        strips=tuple(walk.strip(kind) for kind in range(len(kinds))),
        kinds=kinds,
        axes=wrapped.space.axes,
    )


def _names(held: Capture, *, chosen: bool) -> list[str]:
    """Return the layers that are followed: the ends of the first and last stage by default."""
    names = list(held.activations)
    if not names:
        raise no_map(held.model)
    return names if chosen else names[:1] + names[1:][-1:]


def _check(scale: float, rotation: float, steps: int) -> None:
    if scale == 1.0:
        raise UsageError("Enlarging 1 time shows nothing.", "Give a factor other than 1.")
    if rotation == 0.0:
        raise UsageError("Turning by 0 degrees shows nothing.", "Give another angle.")
    if steps % 2 == 0:
        raise UsageError(
            f"{steps} amounts cannot be spread evenly about none.", "Give 3, 5, 7, ..."
        )
