"""Gradient ascent on many pictures at once, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from cnnviz.introspection.random_draws import own_generator
from cnnviz.results.space import IMAGE
from cnnviz.units.visualization.array_parametrisations import (
    ArrayParametrisation,
    array_parametrisation,
)
from cnnviz.units.visualization.leaky_relu import leaky_backward
from cnnviz.units.visualization.objective_scorer import ObjectiveScorer
from cnnviz.units.visualization.objectives import Objective
from cnnviz.units.visualization.parametrisations import Method, Parametrisation, parametrisation
from cnnviz.units.visualization.transforms import DRAWS, ArrayTransforms, RandomTransforms

WINDOW = 32
"""Steps over which the score is averaged to tell whether it still grows."""
SETTLED = 0.01
"""The least share of all growth so far that a window must add for a picture to go on."""
_COARSE_STEPS = 0.35
_COARSE_SIDE = 0.5
_LEAST_SIDE = 64
"""Pictures are not made coarser than this, in pixels: a network for 32 px sees nothing in 16."""
_LAST_PACE = 0.05
_BETAS = (0.9, 0.999)
_TINY = 1e-8
_HOPELESS = 8
"""Steps without any gradient, leaking or not, after which a unit counts as dead for good."""


@dataclass(frozen=True)
class AscentSettings:
    """How pictures are made.

    Attributes
    ----------
    method : {"fourier", "maco", "pixel"}
        How a picture is written for the optimiser.
    steps : int
        At most how many steps.
    seed : int
        The seed of the noise and of the moves, to which each picture adds its own name.
    size : tuple of int
        Height and width in pixels; of signals and volumes the size along each axis.
    diverse : int
        How many pictures are made of each objective, and kept unlike one another.
    diversity : float
        How much a similarity of textures of 1 costs, as a share of the score.
    moves : RandomTransforms or ArrayTransforms
        How far pictures are moved at each step.
    coarse : bool
        Whether the first third of the steps is done at half the size.
    early : bool
        Whether a picture whose score has settled is done.
    """

    method: Method
    steps: int
    seed: int
    size: tuple[int, ...]
    diverse: int = 1
    diversity: float = 0.5
    moves: RandomTransforms | ArrayTransforms = field(default_factory=RandomTransforms)
    coarse: bool = True
    early: bool = True

    def side_at(self, step: int) -> tuple[int, ...]:
        """Return the height and width at which a step is done."""
        smaller = tuple(max(1, round(side * _COARSE_SIDE)) for side in self.size)
        early = step < _COARSE_STEPS * self.steps
        if self.coarse and early and min(smaller) >= _LEAST_SIDE:
            return smaller
        return self.size


@dataclass(frozen=True, eq=False)
class OptimisedPictures:
    """The pictures of one objective.

    Attributes
    ----------
    pictures : ndarray of float32
        [D, C, H, W], with values between 0 and 1; of signals [D, C, L], of volumes [D, C, D, H, W].
    start, end : ndarray of float64
        The score of each picture before the first step and after the last, unmoved, [D].
    steps : ndarray of int64
        How many steps each took, [D].
    woken : ndarray of bool
        Which were dead at some step, so that their rectifiers had to leak, [D].
    dead : ndarray of bool
        Which never had any gradient of their own, [D].
    """

    pictures: NDArray[np.float32]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    steps: NDArray[np.int64]
    woken: NDArray[np.bool_]
    dead: NDArray[np.bool_]


Tick = Callable[[int], None]


def ascend(
    probe: ObjectiveScorer,
    objectives: Sequence[Objective],
    settings: AscentSettings,
    channels: int,
    start: torch.Tensor | None = None,
    tick: Tick = lambda step: None,
) -> list[OptimisedPictures]:
    """Make pictures that raise the scores of objectives at one layer.

    Every picture has its own noise, its own moves and its own optimiser, so that none depends on
    the others but for those of the same objective, which are kept diverse.

    Parameters
    ----------
    probe : ObjectiveScorer
        The network as far as the layer.
    objectives : sequence of Objective
        What to make pictures of.
    settings : AscentSettings
        How.
    channels : int
        Channels of a picture.
    start : torch.Tensor, optional
        A picture [C, H, W] with values between 0 and 1 to start from, instead of noise.
    tick : callable
        Called as ``tick(step)`` before each step.
    """
    climb = _Climb(probe, objectives, settings, _canvas(settings, channels))
    climb.begin(start)
    for step in range(settings.steps):
        live = climb.alive.nonzero()[:, 0]
        if len(live) == 0:
            break
        tick(step)
        climb.step(step, live)
    return climb.finish()


def _canvas(settings: AscentSettings, channels: int) -> Parametrisation | ArrayParametrisation:
    if len(settings.size) == IMAGE.axes:
        return parametrisation(settings.method, channels, settings.size[0], settings.size[1])
    return array_parametrisation(settings.method, channels, settings.size)


def _never_alone(places: torch.Tensor, one_by_one: bool) -> torch.Tensor:
    """Return the places of pictures, a single one twice unless each is run by itself anyway.

    Convolutions take another path for one picture than for several, and round differently; a long
    ascent makes another picture of that.
    """
    return places.repeat(2) if len(places) == 1 and not one_by_one else places


class _Climb:
    """The state of one batch: R = G x D pictures, those of an objective side by side."""

    def __init__(
        self,
        probe: ObjectiveScorer,
        objectives: Sequence[Objective],
        settings: AscentSettings,
        canvas: Parametrisation | ArrayParametrisation,
    ) -> None:
        self.probe, self.objectives, self.settings, self.canvas = (
            probe,
            objectives,
            settings,
            canvas,
        )
        self.rows = [objective for objective in objectives for _ in range(settings.diverse)]
        self.device, self.dtype = probe.device, probe.dtype
        count = len(self.rows)
        self.alive = torch.ones(count, dtype=torch.bool)
        self.woken = torch.zeros(count, dtype=torch.bool)
        self.awake = torch.zeros(count, dtype=torch.bool)
        self.silent = torch.zeros(count, dtype=torch.int64)
        self.taken = torch.zeros(count, dtype=torch.int64)
        self.scores = torch.zeros(count, settings.steps, dtype=torch.float64)

    def begin(self, start: torch.Tensor | None) -> None:
        own = [
            own_generator(self.settings.seed, objective.name, place % self.settings.diverse)
            for place, objective in enumerate(self.rows)
        ]
        begun = torch.stack([self.canvas.noise(each) for each in own])
        if start is not None:
            begun = self.canvas.values_of(start) + self.canvas.faint * begun
        self.values = begun.to(self.device, self.dtype)
        draws = [torch.rand(self.settings.steps, DRAWS, generator=each) for each in own]
        self.draws = torch.stack(draws).to(self.device, self.dtype)
        self.first, self.second = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self.at_start = self._measured()

    def _measured(self) -> torch.Tensor:
        """Return the scores of all pictures as they are, unmoved."""
        places = _never_alone(torch.arange(len(self.rows)), self.probe.one_by_one)
        with torch.no_grad():
            pictures = self.canvas.picture(self.values[places])
            scores, _ = self.probe.scores(pictures, [self.rows[place] for place in places.tolist()])
        return scores[: len(self.rows)].cpu().double()

    def step(self, step: int, live: torch.Tensor) -> None:
        """Move every live picture one step up."""
        gradient, scores = self._gradient(step, live)
        asleep = gradient.flatten(1).abs().amax(1).cpu() == 0
        self.awake[live] |= ~asleep
        if bool(asleep.any()):
            blocks = self._whole_blocks(asleep)
            with leaky_backward():
                leaked, _ = self._gradient(step, live[blocks])
            inside = asleep[blocks]
            gradient[asleep] = leaked[inside.to(leaked.device)]
            self.woken[live[asleep]] = True
            lost = gradient[asleep].flatten(1).abs().amax(1).cpu() == 0
            self.silent[live[asleep]] = torch.where(lost, self.silent[live[asleep]] + 1, 0)
        self._move(gradient, step, live)
        self.scores[live, step] = scores
        self.taken[live] = step + 1
        self._retire(step, live)

    def _whole_blocks(self, chosen: torch.Tensor) -> torch.Tensor:
        """Return the places of all pictures of the objectives of those chosen."""
        each = chosen.view(-1, self.settings.diverse).any(1)
        return each.repeat_interleave(self.settings.diverse).nonzero()[:, 0]

    def _gradient(self, step: int, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        live = _never_alone(wanted, self.probe.one_by_one)
        values = self.values[live].detach().requires_grad_()
        pictures = self._pictures(values, self.settings.side_at(step))
        moved = self.settings.moves(pictures, self.draws[live, step])
        scores, textures = self.probe.scores(moved, [self.rows[place] for place in live.tolist()])
        total = scores.sum()
        if textures is not None:
            total = total - self._similarity(scores.detach(), textures)
        gradient = None
        if total.requires_grad:
            (gradient,) = torch.autograd.grad(total, values, allow_unused=True)
        found = torch.zeros_like(values) if gradient is None else gradient
        count = len(wanted)
        return found[:count], scores[:count].detach().cpu().double()

    def _pictures(self, values: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        if isinstance(self.canvas, Parametrisation):
            return self.canvas.picture(values, (size[0], size[1]))
        return self.canvas.picture(values)

    def _similarity(self, scores: torch.Tensor, textures: torch.Tensor) -> torch.Tensor:
        """Return what the similarity of the pictures of an objective costs (Olah et al. 2017).

        The similarity of two pictures is the cosine between the Gram matrices of their channels.
        """
        count = self.settings.diverse
        flat = textures.flatten(2)
        gram = F.normalize((flat @ flat.transpose(1, 2)).flatten(1), dim=1)
        blocks = gram.view(-1, count, gram.shape[1])
        similarity = blocks @ blocks.transpose(1, 2)
        others = 1.0 - torch.eye(count, device=similarity.device, dtype=similarity.dtype)
        mean = (similarity * others).sum((1, 2)) / (count * max(1, count - 1))
        worth = scores.view(-1, count).abs().sum(1)
        return self.settings.diversity * (worth * mean).sum()

    def _move(self, gradient: torch.Tensor, step: int, live: torch.Tensor) -> None:
        """Take one step of Adam (Kingma and Ba 2015), whose state each picture has for itself."""
        one, two = _BETAS
        first = one * self.first[live] + (1.0 - one) * gradient
        second = two * self.second[live] + (1.0 - two) * gradient.square()
        self.first[live], self.second[live] = first, second
        count = step + 1
        ahead = first / (1.0 - one**count)
        size = (second / (1.0 - two**count)).sqrt() + _TINY
        self.values[live] += self.canvas.rate * self._pace(step) * ahead / size

    def _pace(self, step: int) -> float:
        """Return the share of the full rate: all of it for most of the steps, then ever less.

        Smaller steps at the end take out the noise that larger ones leave.
        """
        return min(1.0, 2.5 * (1.0 - step / self.settings.steps) + _LAST_PACE)

    def _retire(self, step: int, live: torch.Tensor) -> None:
        """Let go of the pictures of objectives that have settled, or are dead for good."""
        blocks = live.view(-1, self.settings.diverse)
        hopeless = (self.silent[blocks] >= _HOPELESS).all(1)
        done = hopeless | self._settled(step, blocks)
        self.alive[blocks[done].flatten()] = False

    def _settled(self, step: int, blocks: torch.Tensor) -> torch.Tensor:
        fine = sum(self.settings.side_at(each) == self.settings.size for each in range(step + 1))
        if not self.settings.early or fine < 2 * WINDOW:
            return torch.zeros(len(blocks), dtype=torch.bool)
        scores = self.scores[blocks].mean(1)
        now = scores[:, step + 1 - WINDOW : step + 1].mean(1)
        before = scores[:, step + 1 - 2 * WINDOW : step + 1 - WINDOW].mean(1)
        start = self.at_start[blocks].mean(1)
        return now - before < SETTLED * (now - start).abs()

    def finish(self) -> list[OptimisedPictures]:
        """Return what was made of each objective."""
        end = self._measured()
        with torch.no_grad():
            pictures = self.canvas.picture(self.values).float().cpu()
        count = self.settings.diverse
        found = []
        for place in range(len(self.objectives)):
            part = slice(place * count, (place + 1) * count)
            found.append(
                OptimisedPictures(
                    pictures=pictures[part].numpy(),
                    start=self.at_start[part].numpy(),
                    end=end[part].numpy(),
                    steps=self.taken[part].numpy(),
                    woken=(self.woken & self.awake)[part].numpy(),
                    dead=(~self.awake)[part].numpy(),
                )
            )
        return found
