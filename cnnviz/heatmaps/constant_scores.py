"""Whether anything moves a score: of one that is the same for every image, a map is rounding.

A dead layer, weights of zero, or a norm that takes out what is summed up leave an answer that is
the same for every image. Its gradient is zero but for rounding, which looks like a map. Such an
answer changes from image to image by its rounding, which can be all there is of it, as of a sum
that is zero, and can add up: in double precision nothing is left of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch

from cnnviz.errors import CnnvizError, LayerError, ModelError, TargetError
from cnnviz.foreign_code import Foreign
from cnnviz.images.baselines import Baseline, baseline_images
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.tolerance import MOST_ROUNDING
from cnnviz.passes.captured import Capture
from cnnviz.passes.independence import independence
from cnnviz.passes.targets import Scores
from cnnviz.passes.wider_forward import wider_forward
from cnnviz.results.space import IMAGE
from cnnviz.results.text import number

_IN_DOUBT = 1e-4
"""As a share of the score: what a map says that changes of all values together do to it is
thousandths at the least in networks that answer, trained or not, and was not seen above 1e-6 in
those that do not."""
_CANCELLED = 1e-3
"""As a share of a change in the network's own precision: of rounding less is left in double
precision, and of all else a change is the same but for its rounding."""
_CLEAR = 1e-3
"""As a share of the answer: a larger change is one, where no gradient speaks against it."""
_FLAT = 1e-5
"""As a share of the largest value of a map: what of a photo is left in it was far above."""
_INSTEAD: tuple[Baseline, ...] = ("noise", "black", "mean")


_asked: ContextVar[bool] = ContextVar("asked", default=True)


@contextmanager
def unasked() -> Iterator[None]:
    """Make maps whose values alone are read, and spare the passes that tell whether to doubt."""
    before = _asked.set(False)
    try:
        yield
    finally:
        _asked.reset(before)


def gradient_swings(held: Capture) -> torch.Tensor:
    """Return how far the score moves with the images, or with what layers hold of them, [N].

    Where the gradient at the input is not held, it is that of the layer with the least among those
    captured, since behind the layer in which the image is lost others have maps and gradients like
    any, and nothing where one of them is flat, as maps of a lost image are; of a detector with the
    most, since a box hangs on one level of a pyramid. NaN where rectifiers do not send back the
    gradient, by which nothing is known.
    """
    if held.rule != "gradient":
        return torch.full((len(held.batch.tensor),), torch.nan)
    try:
        slopes = held.input_gradient.flatten(1).float()
    except LayerError:
        return _layer_swings(held)
    # A gradient tells for a change of one: it is taken times as much as the values differ.
    swings: torch.Tensor = slopes.norm(dim=1) * ranges(held)
    return swings.cpu()


def ranges(held: Capture) -> torch.Tensor:
    """Return how far the values of each input lie apart, [N]."""
    inputs = held.batch.tensor.flatten(1).float()
    return inputs.amax(1) - inputs.amin(1)


def _layer_swings(held: Capture) -> torch.Tensor:
    count = len(held.batch.tensor)
    swings = [torch.full((count,), 0.0 if held.detects else torch.inf)]
    lost = torch.zeros(count).bool()
    for name in held.mapped(held.gradients):
        layout = held.layout(name)
        values, slopes = (
            layout.take(each[name], count).float() for each in (held.activations, held.gradients)
        )
        swings.append((values * slopes).flatten(1).norm(dim=1).cpu())
        lost |= _flat(values).cpu()
    every = torch.stack(swings)
    return (every.amax(0) if held.detects else every.amin(0)).masked_fill(lost, 0.0)


def _flat(values: torch.Tensor) -> torch.Tensor:
    """Tell of which images maps [N, C, ...] are the same everywhere but near their rim, [N]."""
    inner = values
    for axis, length in enumerate(values.shape[2:], 2):
        inner = inner.narrow(axis, length // 4, length - 2 * (length // 4))
    places = inner.flatten(2)
    spread = (places.amax(2) - places.amin(2)).amax(1)
    return spread <= _FLAT * places.abs().amax((1, 2))


def constant_told(held: Capture, explained: Scores, swings: torch.Tensor) -> dict[int, str]:
    """Say of which images the map tells nothing, because nothing that is tried moves the score.

    Parameters
    ----------
    held : Capture
        The images, and the answers to them.
    explained : Scores
        What is explained of each.
    swings : torch.Tensor
        By how much the score of each changes, as its map has it, when all that the map attributes
        to changes at once by its own size, each value up or down by chance, [N]; NaN where the map
        does not have it. It is asked where that is nearly nothing, or not known.

    Returns
    -------
    dict
        From the place of an image to the sentence.
    """
    if not _asked.get():
        return {}
    sizes, swings = _sizes(held, explained.values), swings.double().cpu()
    doubted = swings.isnan() | (swings <= _IN_DOUBT * sizes)
    if not doubted.any():
        return {}
    clear = torch.where(swings.isnan(), _CLEAR * sizes, torch.inf)
    trials = _Trials(held, explained)
    try:
        moves, same = trials.run(doubted, clear)
    except CnnvizError:  # A network may refuse what it was not given before.
        return {}
    places = (same & doubted).nonzero()[:, 0].tolist()
    return {at: _told(held, at, trials.scores[at], float(moves[at])) for at in places}


def _sizes(held: Capture, scores: torch.Tensor) -> torch.Tensor:
    """Return how large what makes up each score may be: as the answer to the image, or one, [N].

    A score may itself be the rounding of that; of a map of classes it may be that of many places.
    It is no more than where to look: an answer that is smaller is asked for nothing, and found to
    change.
    """
    size = scores.detach().double().cpu().abs()
    try:
        answers = held.logits.double().cpu().abs()
    except TargetError:  # A detector has none, and what a callable explains may have none.
        return size.clamp(min=1.0)
    largest = answers.where(answers.isfinite(), 0.0).flatten(1).amax(1).clamp(min=1.0)
    return torch.maximum(size, largest * math.sqrt(math.prod(answers.shape[2:])))


@dataclass
class _Trials:
    """Other images in place of each, and how far each moves what is explained of it."""

    held: Capture
    explained: Scores
    _first_in_double: torch.Tensor | None = field(default=None)

    @property
    def scores(self) -> torch.Tensor:
        """What is explained of each image, [N]."""
        return self.explained.values.detach().double().cpu()

    def run(self, doubted: torch.Tensor, clear: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how far others move the score of each image, and where it may be rounding, [N].

        Once the score of every image in doubt has moved, no more are tried; a change that is
        `clear` is no rounding. What is the image itself, as zeros are in place of zeros, is none
        that was tried.
        """
        model, inputs = self.held.model, self.held.batch.tensor
        scores = self.scores
        moves, largest = torch.zeros_like(scores), scores.abs()
        same, tried = torch.ones_like(scores).bool(), torch.zeros_like(scores).bool()
        step = torch.finfo(self.explained.values.dtype).eps
        for kind in _INSTEAD:
            others = baseline_images(model.preprocessing, inputs, kind)
            tried |= (others != inputs).flatten(1).any(1).cpu()
            found = self._scored(model.forward, others)
            move = (found - scores).abs()
            moves, largest = torch.maximum(moves, move), torch.maximum(largest, found.abs())
            rounded = move * MOST_ROUNDING <= step * largest
            asked = same & doubted & ~rounded & (move <= clear)
            if asked.any():
                rounded |= asked & (self._in_double(others) <= _CANCELLED * move)
            same &= rounded
            if not (same & doubted).any():
                break
        return moves, same & tried

    def _in_double(self, others: torch.Tensor) -> torch.Tensor:
        """Return how far others move each score in double precision; infinity if not known, [N]."""
        forward = wider_forward(self.held.model, torch.double)
        try:
            with Foreign(ModelError):
                if self._first_in_double is None:
                    self._first_in_double = self._scored(forward, self.held.batch.tensor)
                return (self._scored(forward, others) - self._first_in_double).abs()
        except CnnvizError:  # Some networks, targets and devices have single precision alone.
            return torch.full((len(others),), torch.inf, dtype=torch.double)

    def _scored(self, forward: Callable[[torch.Tensor], Any], others: torch.Tensor) -> torch.Tensor:
        """Return what is explained of each image for another in its place, [N]."""
        module, targets = self.held.model.module, self.explained.resolved_targets
        if independence(self.held.model, self.held.batch.tensor).alone:
            each = []
            for place, target in enumerate(targets):
                with isolated(module, grad=False):
                    each.append(target.score(forward(others[place : place + 1])))
            return torch.cat(each).double().cpu()
        # All together, since a target may be one of all images.
        with isolated(module, grad=False):
            answer = forward(others)
            found = [target.score(answer)[place] for place, target in enumerate(targets)]
        return torch.stack(found).double().cpu()


def _told(held: Capture, image: int, score: torch.Tensor, move: float) -> str:
    space, name = held.model.space, held.batch.photos[image].name
    dark = "black" if space == IMAGE else "zeros"
    change = f"changes by {number(move)} at most, which may be its rounding,"
    return (
        f"{name}: the score, {number(float(score))}, {change if move else 'does not change'} with "
        f"noise, {dark} or the mean of the {space.noun} in its place: this map does not tell where "
        "the evidence lies."
    )
