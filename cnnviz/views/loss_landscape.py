"""The loss around a network's weights, along random directions: a line or a surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Count, Seed, Within, bounded
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.dataset import tensor_sha256
from cnnviz.errors import UsageError
from cnnviz.gradients.landscape import (
    LabelledImages,
    LandscapePoints,
    LossSurroundings,
    WeightDirection,
    labelled_images,
    random_direction,
)
from cnnviz.gradients.landscape.objective import LossObjective, loss_objective
from cnnviz.gradients.landscape.surface import local_minima, share_curved_downwards
from cnnviz.images.inputs import Images
from cnnviz.introspection.batch_statistics import batch_statistics, uncalibrated
from cnnviz.introspection.finite import finite
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layers import check_seen
from cnnviz.introspection.passes_anew import anew
from cnnviz.introspection.plain_weights import (
    check_dense_weights,
    has_computed_weights,
    with_plain_weights,
)
from cnnviz.models import Model, as_model
from cnnviz.models.member_choice import choose_member
from cnnviz.models.outputs import scores_of
from cnnviz.models.whole_image_scores import check_scores_the_image
from cnnviz.passes.batch_size import rows_at_once, rows_that_fit
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.origin import origin
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import installed_version
from cnnviz.results.result import Result
from cnnviz.results.resume_store import ResumeStore
from cnnviz.results.space import IMAGE
from cnnviz.views._loss_landscape_text import caption, remarks, summary

POINTS = {1: 41, 2: 21}
"""How many points a side has by default, by the number of directions."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class LossLandscape(Result):
    """The loss at points around a network's weights, which lie at the origin.

    Attributes
    ----------
    name : str
        The network's name.
    x, y : ndarray of float64
        The places along the first and the second direction, [P] and [Q]: a step of 1 changes every
        filter by its own norm. Along a line y is the one value 0.
    losses, shares : ndarray of float64
        The mean loss of the images, and the share that is answered rightly, [Q, P].
    kind : str
        What the loss is.
    own_loss, own_share : float
        Those of the network as it is, with the batch norm statistics it stores.
    calibrated : bool
        Whether batch norms were given the statistics of the images at every point.
    images : int
        How many images the loss is the mean of.
    moved, parameters : int
        How many numbers the directions move, and how many the network has.
    cosine : float
        That of the angle between the two directions; 0 along a line.
    labels : str
        Where the right answers come from, in a sentence.
    notes : tuple of str
        What else was measured on the way, in sentences.
    axes : int
        How many axes the inputs have: 1 for signals, 2 for images, 3 for volumes.
    """

    left_out: ClassVar[tuple[str, ...]] = ("axes",)
    derived: ClassVar[tuple[str, ...]] = ("dimensions", "centre", "minima", "concave")

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    losses: NDArray[np.float64]
    shares: NDArray[np.float64]
    kind: str
    own_loss: float
    own_share: float
    calibrated: bool
    images: int
    moved: int
    parameters: int
    cosine: float
    labels: str
    notes: tuple[str, ...] = ()
    axes: int = IMAGE.axes

    @property
    def dimensions(self) -> int:
        """1 for a line, 2 for a surface."""
        return 1 if len(self.y) == 1 else 2

    @property
    def centre(self) -> float:
        """The loss at the network's own weights."""
        return float(self.losses[len(self.y) // 2, len(self.x) // 2])

    @property
    def minima(self) -> int:
        """How many points have a lower loss than all their neighbours, the border left out."""
        return local_minima(self.losses)

    @property
    def concave(self) -> float:
        """The share of points at which the loss curves downwards along some way in the picture.

        That is where the least eigenvalue of the matrix of second differences is below zero, as Li
        et al. (2018) tell how far from convex a surface is; the border has no such differences, nor
        has a point beside one where the loss is not finite. NaN where no point has them.
        """
        return share_curved_downwards(self.losses)

    def summary(self) -> str:
        """Say how the loss changes, how many valleys there are, and how far it is from convex."""
        return summary(self)

    def caption(self) -> str:
        """Say what is drawn, along what, and on which images."""
        return caption(self)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the loss along the line, or as contours and as a surface."""
        from cnnviz.views.pictures.loss_landscape import draw

        return draw(self, into)


@bounded
@in_smaller_batches
def loss_landscape(
    model: Model | nn.Module,
    images: Images | Data,
    labels: int | str | Sequence[int] | Sequence[str] | torch.Tensor | None = None,
    *,
    dimensions: Annotated[int, Within(1, 2)] = 2,
    points: Annotated[int | None, Within(3, 1_001)] = None,
    reach: Annotated[float, Within(0.0, 1_000.0, above=True)] = 1.0,
    batch_norm: Literal["calibrate", "keep"] = "calibrate",
    count: Count | None = None,
    loss: Callable[[Any, torch.Tensor], torch.Tensor] | None = None,
    seed: Seed = 0,
    state: str | Path | None = None,
    progress: Progress = silent,
) -> LossLandscape:
    """Measure the loss along random directions from the network's weights.

    Directions are filter-normalised (Li et al. 2018): each filter of a direction is drawn at random
    and made as long as the network's own, so that landscapes of different networks compare. The
    weights are exchanged for each call only, and never written to.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array, a list of them, tensor [N, C, H, W], "shapes", or a set
        The images; or a folder or data set, as `cnnviz.open_dataset` takes it.
    labels : int, str, sequence of these, or torch.Tensor, optional
        The right class of each image, by index or name; for independent labels a row of ones and
        zeros for each image, [N, K]. Those of the data set by default, and the network's own
        answers where there are none.
    dimensions : int
        1 for a line, 2 for a surface.
    points : int, optional
        How many points a side has, an odd number; 41 along a line and 21 of a surface by default.
    reach : float
        How far it goes to each side, in filter norms.
    batch_norm : {"calibrate", "keep"}
        Whether batch norms get the statistics of the images at every point, or keep the stored
        ones, which belong to the network's own weights alone.
    count : int, optional
        The largest number of images; by default all that are given, or 64 of a data set.
    loss : callable, optional
        ``loss(output, labels)`` returns one loss for each image; the cross-entropy by default.
    seed : int
        The seed of the directions.
    state : str or Path, optional
        A folder for what was measured. With the same network, images and settings a run that was
        stopped continues where it was.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each group of points.

    Returns
    -------
    LossLandscape

    Raises
    ------
    UsageError
        If an argument is out of range.
    TargetError
        If a label does not exist, or there are more or fewer labels than images.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
    """
    side = _checked(dimensions, points, reach, batch_norm, seed)
    given = wrapped = as_model(model)
    check_seen(wrapped.module)
    check_dense_weights(wrapped.module, wrapped.name)
    data = labelled_images(wrapped, images, labels, count)
    if not callable(loss):
        check_scores_the_image(wrapped, "loss_landscape", data.batch.tensor)
    calibrated = batch_norm == "calibrate"
    with isolated(wrapped.module, grad=False):
        wrapped = _with_plain_weights(wrapped)
        module = wrapped.module
        inputs = data.batch.tensor.clone()
        objective, own, norms = _as_it_is(wrapped, inputs, data, loss)
        directions = tuple(random_direction(module, seed + place) for place in range(dimensions))
        around = _around(wrapped, inputs, objective, directions, calibrated and norms > 0)
        grid, x, y = _grid(side, reach, dimensions, wrapped)
        settings = _settings(
            wrapped, inputs, objective, around, own, (dimensions, side, reach, seed)
        )
        keep = ResumeStore(None if state is None else Path(state), settings)
        found = around.run(grid, keep, progress)
    shape = (len(y), len(x))
    fresh = tuple(uncalibrated(module)) if not calibrated else ()
    return LossLandscape(
        provenance=replace(origin(given, data.batch), seed=seed),
        name=wrapped.name,
        x=x,
        y=y,
        losses=found.losses.reshape(shape),
        shares=found.shares.reshape(shape),
        kind=objective.kind,
        own_loss=float(own.losses[0]),
        own_share=float(own.shares[0]),
        calibrated=around.calibrated,
        images=len(inputs),
        moved=directions[0].size,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        cosine=directions[0].cosine(directions[1]) if dimensions == 2 else 0.0,
        labels=data.source,
        axes=given.space.axes,
        notes=(*around.notes, *remarks(own, found, around.calibrated, fresh)),
    )


def _checked(dimensions: int, points: int | None, reach: float, batch_norm: str, seed: int) -> int:
    side = POINTS[dimensions] if points is None else points
    if side % 2 == 0:
        raise UsageError(
            f"{side} points a side do not have the network in their middle.",
            "Give an odd number.",
        )
    if batch_norm not in ("calibrate", "keep"):
        raise UsageError(
            f"Batch norms cannot be treated as {batch_norm!r}.", "Choose calibrate or keep."
        )
    return side


def _with_plain_weights(model: Model) -> Model:
    """Return a network whose layers hold the weights that they compute, if any does.

    A filter's length is that of the weight its layer computes, whatever it is made of.
    """
    if not has_computed_weights(model.module):
        return model
    return model.around(with_plain_weights(model.module), weights=model.weights)


def _as_it_is(
    model: Model,
    inputs: torch.Tensor,
    data: LabelledImages,
    loss: Callable[[Any, torch.Tensor], torch.Tensor] | None,
) -> tuple[LossObjective, LandscapePoints, int]:
    """Return the objective, what the network itself has, and how often it calls a batch norm."""
    rows = rows_at_once(model, inputs)
    outputs, calls, forward = [], 0, anew(model.module, model.forward)
    for start in range(0, len(inputs), rows):
        part = inputs[start : start + rows].clone()
        outputs.append(forward(part))
        choose_member(model, outputs[-1], inputs)
        if start == 0:
            with batch_statistics() as seen:
                forward(inputs[:1].clone())
            calls = len(seen.used)
    objective = loss_objective(
        model, torch.cat([scores_of(model, output) for output in outputs]), data.labels, loss
    )
    spans = [slice(start, start + rows) for start in range(0, len(inputs), rows)]
    sums = [objective(output, span) for output, span in zip(outputs, spans, strict=True)]
    losses, shares = (
        np.array([float(sum(each)) / len(inputs)]) for each in zip(*sums, strict=True)
    )
    finite(torch.from_numpy(losses), "The losses of the network as it is")
    return objective, LandscapePoints(losses, shares), calls


def _around(
    model: Model,
    inputs: torch.Tensor,
    objective: LossObjective,
    directions: tuple[WeightDirection, ...],
    calibrated: bool,
) -> LossSurroundings:
    """Return what measures the loss around the weights, with as many images at once as it may."""
    # With one batch a single pass both calibrates and measures.
    rows = (rows_that_fit if calibrated else rows_at_once)(model, inputs)
    return LossSurroundings(model, inputs, objective, directions, calibrated, max(rows, 1))


def _grid(
    side: int, reach: float, dimensions: int, model: Model
) -> tuple[torch.Tensor, NDArray[np.float64], NDArray[np.float64]]:
    """Return the points [P, D], row by row, and the places along each direction."""
    middle = side // 2
    # Counted from the middle, so that the network itself is exactly one of the points.
    x: NDArray[np.float64] = np.arange(-middle, middle + 1, dtype=np.float64) * (reach / middle)
    y: NDArray[np.float64] = x if dimensions == 2 else np.zeros(1)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)[:, :dimensions]
    return torch.as_tensor(places, device=model.device), x, y


def _settings(
    model: Model,
    inputs: torch.Tensor,
    objective: LossObjective,
    around: LossSurroundings,
    own: LandscapePoints,
    where: tuple[int, int, float, int],
) -> dict[str, Any]:
    return {
        "what": "loss landscape",
        "model": model.name,
        "weights": model.sha256,
        "images": tensor_sha256(inputs),
        "labels": tensor_sha256(objective.labels),
        "loss": objective.kind,
        "dimensions, points, reach, seed": where,
        "calibrated": around.calibrated,
        "rows, points at once": (around.rows, around.at_once),
        "versions": {name: installed_version(name) for name in ("cnnviz", "torch")},
        # Two losses of one's own may have one name.
        "own": own.losses.tolist(),
    }
