"""What would mend a gradient: each remedy applied to a copy of the network and probed again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cnnviz.errors import CnnvizError
from cnnviz.gradients.activation_calls import matched_gain
from cnnviz.gradients.causes import Cause
from cnnviz.gradients.modifications import (
    WithActivation,
    WithBatchNorm,
    WithScaledBranches,
    WithSkips,
)
from cnnviz.gradients.objectives import Objective
from cnnviz.gradients.probe import probe
from cnnviz.gradients.probe_result import GradientProbe, main_activation
from cnnviz.gradients.verdicts import GradientVerdict, judge
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.layers import kind
from cnnviz.models import Model
from cnnviz.results.progress import Progress, silent
from cnnviz.results.text import plural

SEED = 0


@dataclass(frozen=True)
class Remedy:
    """A change, and what it does to this network.

    Attributes
    ----------
    key : str
        "initialisation", "activation", "leaky", "normalisation", "skips", "branches", "clipping".
    name : str
        What is changed, in words.
    how : str
        How to do it in code.
    before, after : float
        D without and with it.
    label : str
        The verdict with it.
    note : str
        What a reader must know; empty where nothing.
    """

    key: str
    name: str
    how: str
    before: float
    after: float
    label: str
    note: str = ""

    @property
    def mends(self) -> bool:
        """Whether the network is healthy with it."""
        return self.label == "healthy"


@dataclass(frozen=True)
class _Plan:
    key: str
    name: str
    how: str
    reinitialised: str | None = None
    change: Callable[[GradientProbe], TorchFunctionMode] | None = None


def _kaiming(activation: str) -> str:
    return (
        f"nn.init.normal_(w, std={matched_gain(activation):.3g} / sqrt(fan_in)), biases zero, for "
        "every convolution and linear layer"
    )


_RELU = _Plan(
    "activation",
    "ReLU for every activation, weights drawn to match",
    "nn.ReLU(); nn.init.kaiming_normal_(w, nonlinearity='relu'), biases zero",
    "relu",
    lambda found: WithActivation(),
)
_LEAKY = _Plan(
    "leaky",
    "leaky ReLU for every activation, weights drawn to match",
    "nn.LeakyReLU(0.1); nn.init.kaiming_normal_(w, a=0.1), biases zero",
    "leaky_relu",
    lambda found: WithActivation(leaky=True),
)
_NORM = _Plan(
    "normalisation",
    "batch norm after every layer but the last",
    "nn.BatchNorm2d(channels) between each convolution and its activation, "
    "nn.BatchNorm1d(features) after a linear layer",
    None,
    lambda found: WithBatchNorm(len(found.layers)),
)
_BRANCHES = _Plan(
    "branches",
    "residual branches scaled down by the square root of their number",
    "x + scale * branch(x), scale = blocks ** -0.5; or begin each branch at zero (Fixup, SkipInit)",
    None,
    lambda found: WithScaledBranches(max(1, _sums(found)) ** -0.5),
)


def _sums(found: GradientProbe) -> int:
    return sum(point.kind == "add" for point in found.points)


def _skips(normalised: bool) -> _Plan:
    def change(found: GradientProbe) -> TorchFunctionMode:
        return WithSkips(1.0 if normalised else len(found.layers) ** -0.5)

    return _Plan(
        "skips",
        "a skip around every layer that keeps the shape of its input",
        "return x + block(x)" + ("" if normalised else ", the branch times layers ** -0.5"),
        None,
        change,
    )


def plans(cause: Cause, found: GradientProbe, normalised: bool) -> list[_Plan]:
    """Return what to try for a cause, most fitting first."""
    activation = main_activation(found)
    matched = _Plan(
        "initialisation",
        f"weights drawn to match {activation if activation != 'none' else 'a linear network'}",
        _kaiming(activation),
        activation,
    )
    norm = [] if normalised else [_NORM]
    skips = _skips(normalised)
    branches = [_BRANCHES] if _sums(found) else []
    order = {
        "activation": [_RELU, *norm, skips, matched],
        "saturation": [matched, _RELU, *norm, skips],
        "dead": [matched, _LEAKY, *norm, skips],
        "zero-weights": [matched, *norm],
        "weights": [matched],
        "initialisation": [
            matched,
            *norm,
            *([_RELU] if activation not in ("relu",) else []),
            skips,
        ],
        "branches": [*branches, *norm, matched],
        "depth": [skips, matched, *norm, *branches],
    }
    return order.get(cause.key, [])


def reinitialised(model: Model, activation: str, seed: int = SEED) -> Model:
    """Return a copy of a network with weights drawn to match an activation, and biases of zero.

    Parameters
    ----------
    model : Model
        The network, which stays as it is.
    activation : str
        The activation whose gain the weights get; those of the last layer get a gain of 1.
    seed : int
        The seed of the draw, which leaves the global random state alone.
    """
    module = copy_network(model.module)
    layers = [one for one in module.modules() if kind(one) in ("conv", "linear")]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in layers:
            gain = matched_gain(activation) if layer is not layers[-1] else 1.0
            for parameter in layer.parameters(recurse=False):
                if parameter.ndim < 2:
                    parameter.zero_()
                    continue
                fan_in = parameter[0].numel()
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(drawn * (gain / math.sqrt(fan_in)))
        for norm in module.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm):
                # The statistics belong to the weights that were.
                norm.reset_running_stats()
    return model.around(module, weights=f"drawn anew, seed {seed}")


def try_remedies(
    model: Model,
    inputs: torch.Tensor,
    found: GradientProbe,
    verdict: GradientVerdict,
    cause: Cause,
    *,
    normalised: bool,
    objective: Objective = "auto",
    labels: torch.Tensor | None = None,
    progress: Progress = silent,
) -> tuple[Remedy, ...]:
    """Apply each remedy for a cause to a copy of the network, one at a time, and probe again.

    Takes what `cnnviz.gradients.probe.probe` takes, and what was found. A remedy that this network
    cannot run with is left out.
    """
    remedies = []
    chosen = plans(cause, found, normalised)
    for place, plan in enumerate(chosen):
        progress(place, len(chosen), f"trying: {plan.name}")
        remedy = _try(plan, model, inputs, found, verdict, objective, labels)
        if remedy is not None:
            remedies.append(remedy)
    if verdict.label in ("exploding", "exploded"):
        remedies.append(
            Remedy(
                "clipping",
                "gradients clipped to a norm",
                "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) before optimizer.step()",
                verdict.decades,
                verdict.decades,
                verdict.label,
                "It bounds the step and leaves the ratio between layers, and so D, as it is.",
            )
        )
    return tuple(remedies)


def _try(
    plan: _Plan,
    model: Model,
    inputs: torch.Tensor,
    found: GradientProbe,
    verdict: GradientVerdict,
    objective: Objective,
    labels: torch.Tensor | None,
) -> Remedy | None:
    if plan.key == "normalisation" and len(inputs) == 1 and _without_positions(found):
        # Divided by a spread of nothing, it would seem to break the network.
        note = "One image has no variance for a layer without positions: give several."
        return Remedy(
            plan.key, plan.name, plan.how, verdict.decades, math.nan, "not measured", note
        )
    changed, note = model, ""
    if plan.reinitialised is not None:
        changed = reinitialised(model, plan.reinitialised)
        note = "The weights are drawn anew: what was learned is lost."
    change = plan.change(found) if plan.change is not None else None
    try:
        after = judge(probe(changed, inputs, objective, labels, change=change))
    except (CnnvizError, RuntimeError, ValueError, TypeError):
        return None  # A network may check types or shapes that the change does not keep.
    if isinstance(change, WithSkips):
        if not change.count:
            return None
        note = f"{plural(change.count, 'skip')} {'fits' if change.count == 1 else 'fit'}."
    return Remedy(plan.key, plan.name, plan.how, verdict.decades, after.decades, after.label, note)


def _without_positions(found: GradientProbe) -> bool:
    """Return whether a hidden layer has one value for a channel and an image."""
    return any(len(point.shape) == 2 for point in found.layers[:-1])
