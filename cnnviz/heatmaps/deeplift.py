"""DeepLIFT: the change of the score since a baseline, given to the pixels by the rescale rule.

captum's loses what overlapping windows of a max pooling share, passes over activations that are
functions or that it does not know, and takes each layer for one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cnnviz.errors import ModelError
from cnnviz.introspection.forward import check_differentiable
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layers import check_seen
from cnnviz.introspection.rescale_rule import rescale_rule, without_rule

if TYPE_CHECKING:
    from cnnviz.heatmaps.attribution_methods import AttributionRequest, ImageRequest


def deeplift(question: AttributionRequest) -> torch.Tensor:
    """Compare every activation with that of the baseline (Shrikumar et al. 2017)."""
    # A fast copy calls other functions than the network does.
    check_seen(question.model.module)
    with isolated(question.model.module, grad=True):
        return torch.cat([_of_image(question, one) for one in question.singles()])


def _of_image(question: AttributionRequest, one: ImageRequest) -> torch.Tensor:
    model, image = question.model, one.image.detach().clone().requires_grad_()
    with rescale_rule() as baseline:
        one.resolved.score(model.forward(one.baseline.detach().clone().requires_grad_()))
    with rescale_rule(baseline) as rule:
        score = one.resolved.score(model.forward(image))
    check_differentiable(score, model.name)
    if not rule.ended_alike:
        raise _no_deeplift(model.name, "it computes the baseline in other steps than the image")
    left = without_rule(score)
    if left:
        named = ", ".join(f"{count} {name}" for name, count in sorted(left.items()))
        raise _no_deeplift(model.name, f"there is no rule for some of its activations ({named})")
    (multiplier,) = torch.autograd.grad(score.sum(), image)
    return multiplier * (one.image - one.baseline)


def _no_deeplift(name: str, why: str) -> ModelError:
    return ModelError(
        f"DeepLIFT cannot explain {name}: {why}.",
        "Use integrated gradients, which DeepLIFT approximates.",
    )
