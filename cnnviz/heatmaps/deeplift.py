"""DeepLIFT by captum, on a copy of the network, where captum can compute it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.foreign_code import Foreign
from cnnviz.introspection.backward_rules import rule_coverage
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.forward import forward
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.layers import check_calls_layers, kind_of_class, named_layers
from cnnviz.introspection.random_draws import RandomDraws
from cnnviz.passes.independence import independence

if TYPE_CHECKING:
    from cnnviz.heatmaps.attribution_methods import AttributionRequest
    from cnnviz.passes.targets import ResolvedTarget


def deeplift(question: AttributionRequest) -> torch.Tensor:
    """Compare every activation with that of the baseline (Shrikumar et al. 2017)."""
    from captum.attr import DeepLift

    module = _with_separate_activations(question)
    _check_pairs(question)
    fails = Foreign(
        lambda what: _no_deeplift(question.model.name, f"captum fails on it with {what}"),
        besides=(MemoryError, torch.OutOfMemoryError),
    )
    found = []
    # captum warns that it sets hooks; they are set on a copy.
    with warnings.catch_warnings(), fails:
        warnings.simplefilter("ignore", UserWarning)
        for one in question.singles():
            lift = DeepLift(_Scored(module, one.resolved))
            found.append(lift.attribute(one.image, baselines=one.baseline))
    return torch.cat(found)


def _no_deeplift(name: str, why: str) -> ModelError:
    return ModelError(
        f"DeepLIFT cannot explain {name}: {why}.",
        "Use integrated gradients, which DeepLIFT approximates.",
    )


def _check_pairs(question: AttributionRequest) -> None:
    """Refuse a network that has to run images one at a time.

    captum runs an image and its baseline as one batch, and compares the two inside each activation.
    """
    if independence(question.model, question.inputs).alone:
        raise _no_deeplift(
            question.model.name,
            "it compares an image with its baseline in one batch, and this network has to run each "
            "image alone",
        )


class _Scored(nn.Module):
    """A network that returns the explained score of each input, [B]."""

    def __init__(self, module: nn.Module, resolved: ResolvedTarget) -> None:
        super().__init__()
        self.module = module
        self.resolved = resolved

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        with RandomDraws():
            return self.resolved.score(forward(self.module, inputs))


def _with_separate_activations(question: AttributionRequest) -> nn.Module:
    """Return a copy whose activations are not in-place, or say why DeepLIFT cannot use it.

    captum changes the backward pass of modules. It fails on one that is called twice, and would
    pass over a function without a word.
    """
    module = question.model.module
    check_calls_layers(module)
    # Those that captum knows: it goes by their class.
    own = named_layers(module).items()
    layers = {name: layer for name, layer in own if kind_of_class(layer) == "activation"}
    calls: list[str] = []
    one = question.singles()[0]
    with torch.enable_grad(), module_hooks(layers, before=lambda name, *_: calls.append(name)):
        counted = rule_coverage(one.answer(one.image.clone().requires_grad_()))
    twice = next((name for name in calls if calls.count(name) > 1), None)
    if twice is not None:
        raise _no_deeplift(question.model.name, f"its layer {twice!r} is called more than once")
    functions = counted.activations + sum(count for _, count in counted.own) - len(calls)
    if functions > 0:
        raise _no_deeplift(
            question.model.name, f"{functions} of its activations are functions, not layers"
        )
    separate = copy_network(module)
    for layer in separate.modules():
        if getattr(layer, "inplace", False):
            setattr(layer, "inplace", False)  # noqa: B010 (no type of layer declares it)
    return separate
