"""Whether anything moves a score: of one that is the same for every image, a map is rounding.

A dead layer, weights of zero, or a norm that takes out what is summed up leave an answer that is
the same for every image. Its gradient is zero but for rounding, which looks like a map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cnnviz.errors import CnnvizError
from cnnviz.images.baselines import Baseline, baseline_images
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.passes_anew import anew
from cnnviz.introspection.tolerance import MOST_ROUNDING
from cnnviz.passes.captured import Capture
from cnnviz.passes.independence import independence
from cnnviz.results.space import IMAGE
from cnnviz.results.text import number

_IN_DOUBT = 1e-4
"""As a share of the score: what a map says that changes of all values together do to it is
thousandths at the least in networks that answer, trained or not, and was not seen above 1e-6 in
those that do not."""
_INSTEAD: tuple[Baseline, ...] = ("noise", "black", "mean")


def in_doubt(held: Capture, swings: torch.Tensor) -> torch.Tensor:
    """Tell of which images so little happens to the score that it may be rounding, [N].

    Parameters
    ----------
    held : Capture
        The images, and what is explained of each.
    swings : torch.Tensor
        By how much the score of each changes, as its map has it, when all that the map attributes
        to changes at once by its own size, each value up or down by chance, [N].
    """
    return swings.double().cpu() <= _IN_DOUBT * held.scores.double().cpu().abs()


def least_swings(held: Capture) -> torch.Tensor:
    """Return how far the score moves with what the layers hold, of the layer with the least, [N].

    Of all that were captured: behind the layer in which the image is lost others have maps and
    gradients like any.
    """
    count = len(held.batch.tensor)
    least = torch.full((count,), torch.inf)
    for name in held.mapped(held.gradients):
        layout = held.layout(name)
        values, slopes = (
            layout.take(each[name], count).float() for each in (held.activations, held.gradients)
        )
        least = torch.minimum(least, (values * slopes).flatten(1).norm(dim=1).cpu())
    return least


def constant_told(held: Capture, doubted: torch.Tensor, blank: torch.Tensor) -> list[str]:
    """Say of which images the map tells nothing, because the score stays as it is.

    Parameters
    ----------
    held : Capture
        The images, and what is explained of each.
    doubted, blank : torch.Tensor
        Of which images it is asked, and whose maps are zero everywhere, each [N].
    """
    if held.detects or not doubted.any():
        return []
    try:
        moves, same = _moved(held, doubted)
    except CnnvizError:  # A network may refuse what it was not given before.
        return []
    said = []
    for image in doubted.nonzero()[:, 0].tolist():
        if same[image]:
            said.append(_constant(held, image))
        elif blank[image]:
            said.append(_flat(held, image, float(moves[image])))
    return said


def _moved(held: Capture, doubted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far others in place of each image move its score, and where not at all, [N].

    Once the score of every image in doubt has moved, no more are tried.
    """
    scores = held.scores.detach().double().cpu()
    moves, largest = torch.zeros_like(scores), scores.abs()
    same = torch.ones_like(scores, dtype=torch.bool)
    with isolated(held.model.module, grad=False):
        forward = anew(held.model.module, held.model.forward)
        for kind in _INSTEAD:
            others = baseline_images(held.model.preprocessing, held.batch.tensor, kind)
            found = _scored(held, forward, others).double().cpu()
            moves = torch.maximum(moves, (found - scores).abs())
            largest = torch.maximum(largest, found.abs())
            same = moves * MOST_ROUNDING <= torch.finfo(held.scores.dtype).eps * largest
            if not (same & doubted).any():
                break
    return moves, same


def _scored(
    held: Capture, forward: Callable[[torch.Tensor], Any], others: torch.Tensor
) -> torch.Tensor:
    """Return what is explained of each image for another in its place, [N]."""
    targets = held.resolved_targets
    if independence(held.model, held.batch.tensor).alone:
        each = [
            target.score(forward(others[place : place + 1])) for place, target in enumerate(targets)
        ]
        return torch.cat(each)
    # All together, since a target may be one of all images.
    answer = forward(others)
    return torch.stack([target.score(answer)[place] for place, target in enumerate(targets)])


def _named(held: Capture, image: int) -> str:
    return f"{held.batch.photos[image].name}: the score, {number(float(held.scores[image]))}"


def _constant(held: Capture, image: int) -> str:
    noun = held.model.space.noun
    dark = "black" if held.model.space == IMAGE else "zeros"
    return (
        f"{_named(held, image)}, stays the same but for its rounding with noise, {dark} or the "
        f"mean of the {noun} in its place: as none of these moves it, this map does not tell where "
        "the evidence lies."
    )


def _flat(held: Capture, image: int, move: float) -> str:
    noun = held.model.space.noun
    return (
        f"{_named(held, image)}, has no slope at this {noun}, as behind units that are all off, so "
        f"that the map is zero; with another {noun} in its place it changes by {number(move)}."
    )
