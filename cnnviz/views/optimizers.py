"""The paths of optimizers down a loss surface, with learning rates from too small to too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.course.optimizers import OTHER_NAMES, RATES, choose_rates, descend, table
from cnnviz.course.surfaces import ANALYTIC, LossSurface, interpolation_error, measured
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.models import load
from cnnviz.results import drawing
from cnnviz.results.animation import AnimatedResult, Frame
from cnnviz.results.choosing import all_by_name
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.text import number, plural
from cnnviz.views.loss_landscape import LossLandscape, loss_landscape

TRIED = np.geomspace(1e-5, 1e3, 49)
"""The learning rates that are tried, six a decade."""
NETWORK = "network"
_POINTS, _IMAGES = 17, 8
_LEFT = 0.01
"""The share of the loss that a descent is timed to."""

SurfaceName = Literal["valley", "rosenbrock", "beale", "network"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class OptimizerPaths(AnimatedResult):
    """The paths of O optimizers down one loss surface, each with three learning rates.

    Attributes
    ----------
    surface, title : str
        The surface, as it is asked for, and as it is written.
    x, y : ndarray of float64
        The places at which it is drawn, [P] and [Q].
    heights : ndarray of float64
        The loss there, [Q, P].
    minimum : tuple of float
        Where it is least: of a measured surface the least of the points.
    first, least : float
        The loss at the start, and the least.
    optimizers, titles, papers : tuple of str
        The optimizers, as they are asked for, as they are written, and where they come from.
    tried : ndarray of float64
        The learning rates that were tried, [R].
    mean_losses : ndarray of float64
        The mean loss over all steps with each, [O, R]; infinite where a descent went to no number
        or off the part of the surface that is known.
    climbs : ndarray of bool
        Whether the descent with each climbs higher than it began, or to no number, [O, R].
    rates : ndarray of float64
        Of these the one that is too small, right, and too large, [O, 3].
    paths : ndarray of float64
        Where the descent with each was before each step and after the last, [O, 3, S + 1, 2].
    losses : ndarray of float64
        The loss there, [O, 3, S + 1].
    curvature, limit : float
        The largest curvature L at the minimum, and 2 / L, above which gradient descent does not
        come to rest there; NaN for a surface that was measured.
    error : float
        How far off the losses between measured points are, at most about: the median difference
        that half of the points would make; 0 for a formula.
    """

    derived: ClassVar[tuple[str, ...]] = ("steps", "steps_needed")

    surface: str
    title: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    heights: NDArray[np.float64]
    minimum: tuple[float, float]
    first: float
    least: float
    optimizers: tuple[str, ...]
    titles: tuple[str, ...]
    papers: tuple[str, ...]
    tried: NDArray[np.float64]
    mean_losses: NDArray[np.float64]
    climbs: NDArray[np.bool_]
    rates: NDArray[np.float64]
    paths: NDArray[np.float64]
    losses: NDArray[np.float64]
    curvature: float
    limit: float
    error: float

    @property
    def steps(self) -> int:
        """How many steps each descent has."""
        return int(self.losses.shape[2]) - 1

    @property
    def steps_needed(self) -> NDArray[np.float64]:
        """After how many steps less than a hundredth of the loss is left, and stays, [O, 3].

        NaN where it takes more than there were.
        """
        below = self.losses - self.least <= _LEFT * (self.first - self.least)
        # A momentum may carry a descent through the minimum and out of it again.
        stays = np.logical_and.accumulate(below[..., ::-1], axis=2).sum(2)
        found: NDArray[np.float64] = np.where(stays > 0, self.steps + 1.0 - stays, np.nan)
        return found

    def summary(self) -> str:
        """Say how long each takes with its right learning rate."""
        told = [
            f"{title} {f'{needed:.0f}' if np.isfinite(needed) else f'over {self.steps}'}"
            for title, needed in zip(self.titles, self.steps_needed[:, 1], strict=True)
        ]
        told_all = ", ".join(told)
        return f"Steps until less than 1% of the loss is left for good, {self._short}: {told_all}"

    @property
    def _short(self) -> str:
        return {
            "valley": "long valley",
            "rosenbrock": "Rosenbrock's valley",
            "beale": "Beale's function",
        }.get(self.surface, f"plane of {self.provenance.model}")

    def caption(self) -> str:
        """Say what is drawn, how the learning rates were chosen, and where the limit is."""
        papers = "; ".join(
            f"{title}: {paper}" for title, paper in zip(self.titles, self.papers, strict=True)
        )
        measured_ = (
            ""
            if np.isfinite(self.limit)
            else f" The loss was measured at {self.heights.size} points, with a bicubic "
            f"convolution between them that is off by less than about {number(self.error)}; "
            "beyond them it is not known, and a path that leaves them ends and counts as lost."
        )
        return (
            f"{plural(len(self.titles), 'optimizer')} of torch on one surface, {self.title}, "
            f"from one start (dot) in {plural(self.steps, 'step')}; the star is its least "
            f"point. Of {len(self.tried)} learning rates from {self.tried[0]:g} to "
            f"{self.tried[-1]:g} the right one has the lowest mean loss over all "
            "steps, the one too small is the largest "
            "below it that leaves more than a quarter of the loss, and the one too large the "
            "smallest above it whose mean loss is higher than what it began with (or else the last "
            "that was tried). Paths that leave a panel are cut off at its edge. At the "
            f"bottom the mean loss over the learning rate.{self._limit()}{measured_} {papers}."
        )

    def _limit(self) -> str:
        if not np.isfinite(self.limit):
            return ""
        where = "" if self.surface == "valley" else " at the minimum, elsewhere it is another,"
        told = (
            f" The largest curvature L{where} is {number(self.curvature)}: gradient descent "
            f"cannot come to rest there with a learning rate above 2 / L = {number(self.limit)}"
        )
        edge = self.edge()
        if edge is None:
            return f"{told}."
        return f"{told}; the smallest of those tried with which it climbs is {number(edge)}."

    def edge(self) -> float | None:
        """Return the smallest learning rate with which gradient descent climbed; None if none."""
        if "gd" not in self.optimizers:
            return None
        lost = np.flatnonzero(self.climbs[self.optimizers.index("gd")])
        return float(self.tried[lost[0]]) if lost.size else None

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the paths with each learning rate, the losses over the steps and over the rates."""
        from cnnviz.views.pictures.optimizers import draw

        return draw(self, into)

    def frames(self, into: drawing.Canvas | None = None) -> Iterator[Frame]:
        """Draw the same with the paths as they grow."""
        from cnnviz.views.pictures.optimizers import frames

        return frames(self, into)

    def __str__(self) -> str:
        """Return the learning rates of each, and how long it took, one line for each optimizer."""
        wide = max(map(len, self.titles))
        lines = []
        for title, rates, needed in zip(
            self.titles, self.rates, self.steps_needed[:, 1], strict=True
        ):
            named = ", ".join(
                f"{word} {number(rate)}" for word, rate in zip(RATES, rates, strict=True)
            )
            through = np.isfinite(needed)
            after = plural(int(needed) if through else self.steps, "step")
            after = after if through else f"more than {after}"
            told = f"less than 1% is left for good after {after}"
            lines.append(f"{title:<{wide}}  learning rate {named}; {told}")
        return "\n".join(lines)


@bounded
def optimizers(
    surface: SurfaceName | LossLandscape = "valley",
    *,
    optimizers: str | Sequence[str] | None = None,
    steps: Annotated[int, Within(1, 10_000)] = 80,
    seed: Seed = 0,
    progress: Progress = silent,
) -> OptimizerPaths:
    """Let optimizers go down a loss surface, with learning rates too small, right and too large.

    The steps are those of `torch.optim`, in double precision and without noise.

    Parameters
    ----------
    surface : {"valley", "rosenbrock", "beale", "network"} or LossLandscape
        A long quadratic valley, the bent one of Rosenbrock (1960), the function of Beale (1958), or
        the plane of two random directions around the weights of the shipped network, on 8 of its
        images. In code also any surface of `loss_landscape`.
    optimizers : str or sequence of str, optional
        Which: gd, momentum, nesterov, adagrad, rmsprop, adadelta, adam; all by default.
    steps : int
        How many steps each takes.
    seed : int
        The seed of the directions of the network's plane.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each optimizer.

    Returns
    -------
    OptimizerPaths

    Raises
    ------
    UsageError
        If a name is unknown, a number is out of range, or a landscape is no surface.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.optimizers(steps=4).summary().split(":")[0]
    'Steps until less than 1% of the loss is left for good, long valley'
    """
    chosen = all_by_name(optimizers, table(), "optimizer", OTHER_NAMES)
    ground, error, origin = _surface(surface, seed, progress)
    runs = []
    for place, one in enumerate(chosen):
        progress(place, len(chosen), one.title)
        runs.append(descend(ground, one, TRIED.tolist(), steps))
    progress(len(chosen), len(chosen), "done")
    least = ground.at(ground.minimum)
    places = [list(choose_rates(run.losses, least)) for run in runs]
    analytic = ground.name in ANALYTIC
    curvature = ground.curvature() if analytic else float("nan")
    every = np.stack([run.losses for run in runs])
    known = np.where(np.isfinite(every), every, np.inf)
    return OptimizerPaths(
        provenance=origin,
        surface=ground.name,
        title=ground.title,
        x=ground.x,
        y=ground.y,
        heights=ground.heights(),
        minimum=ground.minimum,
        first=ground.at(ground.start),
        least=least,
        optimizers=tuple(one.name for one in chosen),
        titles=tuple(one.title for one in chosen),
        papers=tuple(one.paper for one in chosen),
        tried=TRIED,
        mean_losses=known.mean(2),
        climbs=known.max(2) > known[:, :, 0],
        rates=TRIED[np.array(places)],
        paths=np.stack([run.paths[kept] for run, kept in zip(runs, places, strict=True)]),
        losses=np.stack([run.losses[kept] for run, kept in zip(runs, places, strict=True)]),
        curvature=curvature,
        limit=2.0 / curvature,
        error=error,
    )


def _surface(
    surface: SurfaceName | LossLandscape, seed: int, progress: Progress
) -> tuple[LossSurface, float, Provenance]:
    """Return the surface, how far off it is between its points, and where it came from."""
    if isinstance(surface, str) and surface in ANALYTIC:
        found = ANALYTIC[surface]()
        origin = Provenance(model=found.title, weights="a formula", weights_sha256="")
        return found, 0.0, origin
    if surface == NETWORK:
        surface = loss_landscape(
            load(), "shapes", points=_POINTS, count=_IMAGES, seed=seed, progress=progress
        )
    if isinstance(surface, LossLandscape):
        mean = "mean over " if surface.images > 1 else ""
        title = (
            f"{surface.kind} of {surface.name}, {mean}{plural(surface.images, 'image')}, "
            "along two random directions"
        )
        found = measured(title, surface.x, surface.y, surface.losses)
        error = interpolation_error(surface.x, surface.y, surface.losses)
        return found, error, replace(surface.provenance)
    names = [*ANALYTIC, NETWORK]
    raise UsageError(
        f"There is no surface {surface!r}.",
        did_you_mean(str(surface), names, f"Choose from {', '.join(names)}."),
    )
