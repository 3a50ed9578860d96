"""What a unit looks for: pictures that were optimised to raise its activation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Seed, Steps, Within, bounded
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.images.paths import expand
from cnnviz.models import Model, as_model
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.processes import sharing
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import ImageSource, Provenance, installed_version
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.units.visualization import (
    METHODS,
    Announce,
    AscentSettings,
    Job,
    Method,
    Objective,
    Units,
    VisualizationStore,
    plan,
    read_objectives,
    read_span,
)
from cnnviz.units.visualization.array_parametrisations import check_array_method
from cnnviz.units.visualization.job_plan import sized
from cnnviz.units.visualization.value_range import before_preprocessing, between_0_and_1
from cnnviz.views._feature_visualization_notes import about_pictures, budget_notes
from cnnviz.views.pictures import array_feature_visualization
from cnnviz.views.pictures import feature_visualization as picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OF_ARRAYS = {
    "fourier": "as waves, of which every octave starts with the same power",
    "pixel": "place by place",
}
_WRITTEN = {
    "fourier": "as waves, fainter the finer they are, in the colours of photos",
    "maco": "as the phases of waves whose magnitudes stay those of photos (MaCo)",
    "pixel": "pixel by pixel",
}
_SCORES = {
    "channel": "the mean activation of a channel",
    "position": "the activation at one position",
    "direction": "the mean activation along a direction",
    "layer": "the mean square of all activations of a layer",
    "class": "the logit of a class",
}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FeatureVisualization(Result):
    """Pictures of U units, D of each.

    Attributes
    ----------
    units : tuple of str
        The units, as they are written.
    kinds : tuple of str
        What each of them is: "channel", "position", "direction", "layer" or "class".
    pictures : tuple of ndarray of float32
        For each unit its pictures [D, C, H, W], with values between 0 and 1, before the network's
        normalisation; of signals [D, C, L] and of volumes [D, C, D, H, W], in the values that the
        preprocessing takes.
    start, end : ndarray of float64
        The score of each picture before the first step and after the last, [U, D]: the mean
        activation of a channel or along a direction, the activation at a position, the logit of a
        class, or the mean square of a layer.
    steps : ndarray of int64
        How many steps each picture took, [U, D].
    woken : ndarray of bool
        Which pictures had no gradient at first, so that rectifiers had to leak, [U, D].
    dead : ndarray of bool
        Which pictures never had a gradient: the unit could not be woken, [U, D].
    method : {"fourier", "maco", "pixel"}
        How the pictures were written for the optimiser.
    most_steps : int
        At most how many steps.
    started_from : str
        The name of the photo, signal or volume that the pictures started from; empty for noise.
    notes : tuple of str
        What else a reader must know.
    """

    units: tuple[str, ...]
    kinds: tuple[str, ...]
    pictures: tuple[NDArray[np.float32], ...]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    steps: NDArray[np.int64]
    woken: NDArray[np.bool_]
    dead: NDArray[np.bool_]
    method: Method
    most_steps: int
    started_from: str
    notes: tuple[str, ...]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the pictures of each unit and the numbers of all."""
        pictures = {
            f"pictures {unit}": each for unit, each in zip(self.units, self.pictures, strict=True)
        }
        return {**super().arrays(), **pictures}

    @property
    def space(self) -> Space:
        """Which axes the pictures have."""
        return space_of(self.pictures[0].ndim - 2)

    def summary(self) -> str:
        """Say how many units were visualised, and how far their scores rose."""
        count, each = self.end.shape
        first = self.units[0] if count == 1 else f"{count} units, {self.units[0]} first"
        what = "picture" if self.space == IMAGE else self.space.noun
        several = f", {each} {what}s each" if each > 1 else ""
        rose = int((self.end > self.start).all(1).sum())
        higher = "its score rose" if count == 1 == rose else f"the scores of {rose} rose"
        dead = int(self.dead.all(1).sum())
        lost = f", {dead} could not be woken" if dead else ""
        return f"{first}{several}: {higher}{lost}"

    def caption(self) -> str:
        """Say how the pictures came about, and how to read them."""
        scores = " or ".join(_SCORES[kind] for kind in dict.fromkeys(self.kinds))
        space = self.space
        what = "picture" if space == IMAGE else space.noun
        origin = f"the {space.shown} {self.started_from}" if self.started_from else "faint noise"
        if self.method == "maco" and not self.started_from:
            origin = "random phases"
        early = (
            f" A {what} was done earlier where its score had settled."
            if bool((self.steps < self.most_steps).any())
            else ""
        )
        several = (
            f" The {what}s of one unit were kept unlike one another."
            if self.end.shape[1] > 1
            else ""
        )
        told = "".join(f" {note}" for note in self.notes)
        if space == IMAGE:
            told = f"{early}{several}{told}"
            first, written = "Pictures that no camera took", _WRITTEN[self.method]
            moves = "moved, turned and scaled"
        else:
            told = f"{early}{several} {array_feature_visualization.how(self)}{told}"
            first = f"{what.capitalize()}s that nobody recorded"
            # No colours, and so no directions in which they vary.
            written = f"{_OF_ARRAYS[self.method]}, each channel by itself"
            moves = "shifted and stretched"
        return (
            f"{first}: from {origin}, each was changed in up to {self.most_steps} steps so that "
            f"{scores} grew, written {written}, and {moves} a little at random before each step. "
            "Below each stand its unit and its score before and after. They show what drives a "
            f"unit furthest, which is not always what it answers to in {space.shown}s.{told}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the pictures as tiles, those of a unit side by side."""
        if self.space != IMAGE:
            return array_feature_visualization.draw(self, into)
        return picture.draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the pictures as tiles."""
        if self.space != IMAGE:
            array_feature_visualization.draw_panel(self, axes)
        else:
            picture.draw_panel(self, axes)


@bounded
@in_smaller_batches
def feature_visualization(
    model: Model | nn.Module,
    units: Units,
    steps: Steps = 256,
    seed: Seed = 0,
    *,
    method: Method = "fourier",
    diverse: Annotated[int, Within(1, 64)] = 1,
    start: Images | None = None,
    size: Annotated[int | None, Within(8, 4_096)] = None,
    budget: float | str | None = None,
    state: str | Path | None = None,
    progress: Progress = silent,
    announce: Announce | None = None,
) -> FeatureVisualization:
    """Make pictures that raise the activation of units, by gradient ascent from noise.

    Pictures are Fourier transforms in decorrelated colours, moved at random before each step (Olah,
    Mordvintsev and Schubert 2017, "Feature Visualization"); signals and volumes are such transforms
    along their axes, with every channel by itself. All units of a layer are optimised
    together, each with its own random numbers, and the network runs as far as that layer only. A
    unit behind a rectifier that is dead at the start gets a gradient that leaks through it.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    units : str, Unit, Direction, or iterable of these
        What to make pictures of: ``layer:3,7,10-15`` for channels, ``layer:*`` for all of them,
        ``layer:3@4x5`` or ``layer:3@middle`` for one position, ``class:koala``, or a layer alone
        for all of it at once (DeepDream). Semicolons separate several; a kind such as ``conv`` or
        a pattern stands for all layers that it matches.
    steps : int
        The largest number of steps; a picture whose score has settled is finished earlier.
    seed : int
        The seed of the noise and the moves. It gives the same pictures again, whatever other units
        are made beside them.
    method : {"fourier", "maco", "pixel"}
        How a picture is written for the optimiser: as waves; as waves whose magnitudes stay those
        of photos (Fel et al. 2023), for photos alone; or pixel by pixel, which shows the noise that
        the others avoid.
    diverse : int
        How many pictures of each unit, kept unlike one another.
    start : path, PIL image, or whatever a model can prepare, optional
        A photo, a signal or a volume to start from instead of noise.
    size : int, optional
        Height and width of the pictures in pixels; of signals their length, of volumes the height
        and width of the slices. By default the network's input; less for a channel that sees only a
        small part of it.
    budget : float or str, optional
        A time such as ``10m`` or ``90s``, or seconds: what is done by then is returned.
    state : str or Path, optional
        A folder for finished pictures. With the same network, units and settings nothing in it is
        made again. Processes that `torchrun` has started share the units and see the same folder;
        each returns the whole.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each step.
    announce : callable, optional
        Told once what the pictures will cost, as measured on one step.

    Returns
    -------
    FeatureVisualization
        The pictures with their scores before and after.

    Raises
    ------
    UsageError
        If an argument is out of range, or the budget is too small for a single unit.
    LayerError, TargetError
        If there is no such unit or class.
    OtherProcessError
        If one of several processes has failed.

    Examples
    --------
    >>> import cnnviz
    >>> model = cnnviz.load()
    >>> drawn = cnnviz.feature_visualization(model, "features.0:0-1", steps=2, size=32)
    >>> print(drawn.summary())
    2 units, features.0:0 first: the scores of 2 rose
    """
    _check(method)
    span, folder = read_span(budget), None if state is None else expand(state)
    wrapped = as_model(model)
    if wrapped.space != IMAGE:
        check_array_method(method)
    with sharing(folder, "visualizations") as processes:
        objectives = read_objectives(wrapped, units)
        batch = None if start is None else _photo(wrapped, start)
        settings = AscentSettings(method, steps, seed, (0, 0), diverse)
        groups = plan(wrapped, objectives, settings, size, batch is not None)
        store = VisualizationStore(folder, _origin(wrapped, batch))
        photo = None if batch is None else _between_0_and_1(wrapped, batch, size)
        watched = processes.watching(progress)
        job = Job(wrapped, groups, store, photo, span, watched, announce, processes=processes)
        found = job.run()
    made = [found[objective.name] for objective in objectives if objective.name in found]
    notes = budget_notes(objectives, [objective for objective, _, _ in made], span)
    notes += about_pictures(made, wrapped)
    return FeatureVisualization(
        provenance=_provenance(wrapped, batch, made, seed, job.computed_on),
        units=tuple(objective.name for objective, _, _ in made),
        kinds=tuple(objective.kind for objective, _, _ in made),
        pictures=tuple(_shown(wrapped, one.pictures) for _, _, one in made),
        start=np.stack([one.start for _, _, one in made]),
        end=np.stack([one.end for _, _, one in made]),
        steps=np.stack([one.steps for _, _, one in made]),
        woken=np.stack([one.woken for _, _, one in made]),
        dead=np.stack([one.dead for _, _, one in made]),
        method=method,
        most_steps=steps,
        started_from="" if batch is None else batch.photos[0].name,
        notes=notes,
    )


def _check(method: str) -> None:
    if method not in METHODS:
        raise UsageError(
            f"There is no method {method!r}.",
            did_you_mean(method, METHODS, f"Choose {', '.join(METHODS)}."),
        )


def _photo(model: Model, start: Images) -> Batch:
    batch = model.prepare(start)
    if len(batch) != 1:
        raise UsageError(
            f"{len(batch)} {model.space.shown}s were given to start from.", "Give one."
        )
    return batch


def _shown(model: Model, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pictures as they are shown and kept: before the network's normalisation."""
    found = before_preprocessing(torch.from_numpy(pictures), model.preprocessing)
    return np.asarray(found.numpy(), np.float32)


def _between_0_and_1(model: Model, batch: Batch, size: int | None) -> torch.Tensor:
    """Return a prepared photo without the network's normalisation, [C, H, W]."""
    found = between_0_and_1(batch.tensor.detach(), model.preprocessing)
    native = tuple(model.input_shape[1:])
    wanted = sized(native, size) if size is not None else native
    if tuple(found.shape[2:]) != wanted:
        mode, smooth = model.space.interpolation, model.space == IMAGE
        found = torch.nn.functional.interpolate(
            found, wanted, mode=mode, align_corners=False, antialias=smooth
        ).clamp(0.0, 1.0)
    return found[0].cpu()


def _origin(model: Model, batch: Batch | None) -> dict[str, Any]:
    """Return what pictures depend on besides the unit and the recipe."""
    return {
        "weights": model.sha256,
        "model": model.name,
        "preprocessing": model.preprocessing.describe(),
        "start": None if batch is None else batch.photos[0].sha256,
        "versions": {name: installed_version(name) for name in ("cnnviz", "torch")},
    }


def _provenance(
    model: Model,
    batch: Batch | None,
    made: list[tuple[Objective, AscentSettings, Any]],
    seed: int,
    computed_on: str,
) -> Provenance:
    images = () if batch is None else (ImageSource(batch.photos[0].name, batch.photos[0].sha256),)
    return Provenance(
        model=model.name,
        weights=model.weights,
        weights_sha256=model.sha256,
        images=images,
        preprocessing=model.preprocessing.describe(),
        targets=tuple(objective.name for objective, _, _ in made),
        seed=seed,
        notes=(*model.notes, *model.findings),
        computed_on=computed_on,
    )
