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


def constant_told(held: Capture, doubted: torch.Tensor) -> list[str]:
    """Say of which images the map tells nothing, because nothing that is tried moves the score.

    Parameters
    ----------
    held : Capture
        The images, and what is explained of each.
    doubted : torch.Tensor
        Of which images it is asked, [N].
    """
    if held.detects or not doubted.any():
        return []
    try:
        moves, same = _moved(held, doubted)
    except CnnvizError:  # A network may refuse what it was not given before.
        return []
    return [_told(held, k, float(moves[k])) for k in (same & doubted).nonzero()[:, 0].tolist()]


def _moved(held: Capture, doubted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far others in place of each image move its score, and where it may be rounding.

    Once the score of every image in doubt has moved, no more are tried. What is the image itself,
    as zeros are in place of zeros, is none that was tried.
    """
    inputs, scores = held.batch.tensor, held.scores.detach().double().cpu()
    moves, largest = torch.zeros_like(scores), scores.abs()
    same, tried = torch.ones_like(scores).bool(), torch.zeros_like(scores).bool()
    with isolated(held.model.module, grad=False):
        forward = anew(held.model.module, held.model.forward)
        for kind in _INSTEAD:
            others = baseline_images(held.model.preprocessing, inputs, kind)
            tried |= (others != inputs).flatten(1).any(1).cpu()
            found = _scored(held, forward, others).double().cpu()
            moves = torch.maximum(moves, (found - scores).abs())
            largest = torch.maximum(largest, found.abs())
            same = moves * MOST_ROUNDING <= torch.finfo(held.scores.dtype).eps * largest
            if not (same & doubted).any():
                break
    return moves, same & tried


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


def _told(held: Capture, image: int, move: float) -> str:
    space, name = held.model.space, held.batch.photos[image].name
    dark = "black" if space == IMAGE else "zeros"
    return (
        f"{name}: the score, {number(float(held.scores[image]))}, changes by {number(move)} at "
        f"most, which may be its rounding, with noise, {dark} or the mean of the {space.noun} in "
        "its place: this map does not tell where the evidence lies."
    )
