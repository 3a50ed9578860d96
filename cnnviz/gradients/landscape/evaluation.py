"""The loss at weights near a network's own, many points of them, as a run that can go on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call, vmap

from cnnviz.default_device import made_as_the_caller_has_set
from cnnviz.errors import ModelError
from cnnviz.foreign_code import Foreign
from cnnviz.gradients.landscape.directions import WeightDirection
from cnnviz.gradients.landscape.objective import LossObjective
from cnnviz.introspection.batch_statistics import batch_statistics, calibrate
from cnnviz.introspection.final_activation import FinalActivation
from cnnviz.introspection.passes_anew import anew
from cnnviz.introspection.random_draws import RandomDraws
from cnnviz.models import Model
from cnnviz.results.progress import Progress
from cnnviz.results.resume_store import ResumeStore

Weights = dict[str, torch.Tensor]
_ROWS = {"cpu": 8, "cuda": 1024}
"""How many images, over all points, go through the network together where points are batched.
Measured on two cores with resnet-20 at 32 px: 16 points of one image take half as long together as
one after the other, those of 8 images as long, those of 64 images one and a half times as long."""
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class LandscapePoints:
    """What was found at P points.

    Attributes
    ----------
    losses, shares : ndarray of float64
        The mean loss of the images, and the share of them that is answered rightly, [P].
    """

    losses: NDArray[np.float64]
    shares: NDArray[np.float64]


@dataclass(eq=False)
class LossSurroundings:
    """A network's loss around its weights.

    Attributes
    ----------
    model : Model
        The network; whoever asks keeps it in eval mode
        (`cnnviz.introspection.hooks.preserve_state`).
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W].
    objective : Objective
        The loss, and what counts as right.
    directions : tuple of WeightDirection
        The D directions of a point's coordinates.
    calibrated : bool
        Whether batch norms get the statistics of the images at each point.
    rows : int
        How many images go through the network together.
    at_once : int
        How many points are evaluated together.
    notes : list of str
        What is to be told of how they were evaluated.
    """

    model: Model
    inputs: torch.Tensor
    objective: LossObjective
    directions: tuple[WeightDirection, ...]
    calibrated: bool
    rows: int
    at_once: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._weights: Weights = {
            name: parameter.detach() for name, parameter in self.model.module.named_parameters()
        }
        module = self.model.module
        self._run = anew(module, lambda weights, x: functional_call(module, weights, (x,)))
        if self.at_once == 0:
            moving = sum(self._weights[name].nbytes for name in self._moving())
            images = min(len(self.inputs), self.rows)
            fit = _ROWS.get(self.inputs.device.type, 1) // images
            self.at_once = max(1, min(fit, _MOST_BYTES // max(moving, 1)))

    def _moving(self) -> set[str]:
        return {name for direction in self.directions for name in direction.steps}

    def weights_at(self, point: torch.Tensor) -> Weights:
        """Return the weights at a point [D], new tensors where they differ from the network's."""
        found = {name: self._weights[name] for name in self._moving()}
        for place, direction in zip(point.unbind(), self.directions, strict=True):
            for name, step in direction.steps.items():
                found[name] = found[name] + place.to(step.dtype) * step
        return found

    def measure(self, points: torch.Tensor) -> LandscapePoints:
        """Return the loss at points [P, D], all of them together where the network allows it."""
        if len(points) > 1 and self.at_once > 1:
            try:
                return self._together(points)
            except (RuntimeError, NotImplementedError, ValueError, TypeError):
                # Values decide its path, or it writes to a tensor of its own: no vmap there.
                self.at_once = 1
                self.notes.append("The network can be evaluated at one point only at a time.")
        with Foreign(self._fails, besides=(MemoryError, torch.OutOfMemoryError)):
            found = [self._at(point) for point in points]
        return _numbers(*(torch.stack(values) for values in zip(*found, strict=True)))

    def _fails(self, what: str) -> ModelError:
        return ModelError(
            f"{self.model.name} fails on weights near its own: {what}.",
            "The fault is in the code of the network, which ran on its own weights.",
        )

    def _together(self, points: torch.Tensor) -> LandscapePoints:
        with warnings.catch_warnings():
            # Of operators that vmap runs point by point; the rest still gains.
            warnings.filterwarnings("ignore", message="There is a performance drop")
            return _numbers(*vmap(self._at)(points))

    def _at(self, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sums over the images of losses and of right answers at one point [D]."""
        weights = self.weights_at(point)
        batches = list(self._batches())

        def run(inputs: torch.Tensor) -> Any:
            # An in-place first layer may not write to what the next point needs. What went into a
            # softmax at the end is noted, as in any pass: the loss would take another one of it.
            with RandomDraws(), FinalActivation(), made_as_the_caller_has_set():
                return self._run(weights, inputs.clone())

        if not self.calibrated:
            return self._total([run(inputs) for inputs, _ in batches])
        if len(batches) == 1:
            with batch_statistics():
                return self._total([run(batches[0][0])])
        found = calibrate(run, (inputs for inputs, _ in batches))
        outputs = []
        for inputs, _ in batches:
            with batch_statistics(found):
                outputs.append(run(inputs))
        return self._total(outputs)

    def _total(self, outputs: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [
            self.objective(output, part)
            for output, (_, part) in zip(outputs, self._batches(), strict=True)
        ]
        losses, right = zip(*parts, strict=True)
        count = len(self.inputs)
        return sum(losses) / count, sum(right) / count

    def _batches(self) -> Iterator[tuple[torch.Tensor, slice]]:
        for start in range(0, len(self.inputs), self.rows):
            part = slice(start, start + self.rows)
            yield self.inputs[part], part

    def run(self, points: torch.Tensor, keep: ResumeStore, progress: Progress) -> LandscapePoints:
        """Return the loss at points [P, D]; what `keep` holds already is not evaluated again.

        The points fall into the same groups whenever it is run, so that a run which was ended and
        taken up again gives the very same numbers.
        """
        size, total = self.at_once, len(points)
        for start in range(0, total, size):
            part = points[start : start + size]
            name = f"{start:06d}"
            progress(start, total, "evaluating points")
            if _kept(keep.get(name), len(part)) is None:
                found = self.measure(part)
                keep.put(name, {"losses": found.losses.tolist(), "shares": found.shares.tolist()})
        progress(total, total, "done")
        parts = [
            _kept(keep.get(f"{start:06d}"), min(size, total - start))
            for start in range(0, total, size)
        ]
        held = [part for part in parts if part is not None]
        return LandscapePoints(
            np.concatenate([part.losses for part in held]),
            np.concatenate([part.shares for part in held]),
        )


def _numbers(losses: torch.Tensor, shares: torch.Tensor) -> LandscapePoints:
    return LandscapePoints(losses.double().cpu().numpy(), shares.double().cpu().numpy())


def _kept(data: dict[str, Any] | None, count: int) -> LandscapePoints | None:
    """Return what was kept of a group of points, or None where it is not whole."""
    try:
        losses, shares = (
            np.array([float(value) for value in (data or {})[name]])
            for name in ("losses", "shares")
        )
    except (KeyError, TypeError, ValueError):
        return None
    return LandscapePoints(losses, shares) if len(losses) == len(shares) == count else None
