"""One forward and one backward pass, and what the gradient was at every layer on the way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from cnnviz.errors import ModelError
from cnnviz.gradients import measures, objectives
from cnnviz.gradients.activation_calls import ActivationStatistics
from cnnviz.gradients.forward_recorder import ForwardRecorder, as_real, wide
from cnnviz.gradients.paths import Paths, paths
from cnnviz.gradients.probe_result import ActivationUnits, GradientProbe, ProbedLayer
from cnnviz.gradients.recorded_layer import RecordedLayer, label_of
from cnnviz.introspection.batch_statistics import Calibration, calibrated
from cnnviz.introspection.forward import backward_pass, check_differentiable
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.plain_weights import check_dense_weights
from cnnviz.models import Model
from cnnviz.models.outputs import scores_of


def probe(
    model: Model,
    inputs: torch.Tensor,
    objective: objectives.Objective = "auto",
    labels: torch.Tensor | None = None,
    *,
    seed: int = objectives.SEED,
    change: TorchFunctionMode | None = None,
) -> GradientProbe:
    """Run a batch through a network and back, and measure every layer.

    Parameters
    ----------
    model : Model
        The network. It runs in eval mode, batch norms that have never seen data with the statistics
        of this batch, and is left exactly as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W].
    objective : {"auto", "loss", "top"} or callable
        What is sent back; see `cnnviz.gradients.objectives`.
    labels : torch.Tensor, optional
        Class indices [N], for "loss".
    seed : int
        The seed of the random signs.
    change : torch.overrides.TorchFunctionMode, optional
        A mode under which the passes run, such as one that stands for a remedy.

    Raises
    ------
    ModelError
        If the forward pass fails, or calls no convolution and no linear layer, or a weight is
        sparse.
    """
    check_dense_weights(model.module, model.name)

    def under_change(images: torch.Tensor) -> Any:
        with change or nullcontext():
            return model.forward(images)

    with ExitStack() as scope:
        scope.enter_context(isolated(model.module, grad=True))
        calibration = calibrated(model.module, under_change, inputs, len(inputs))
        if calibration is not None:
            # The network is judged in evaluation, after one step of training as it were.
            calibration = calibration.as_stored()
        _want_gradients(model)
        watch = ForwardRecorder(len(inputs))
        modules = dict(model.module.named_modules())
        scope.enter_context(module_hooks(modules, before=watch.enter, after=watch.leave))
        source = inputs.clone().requires_grad_()
        with watch, calibration.applied() if calibration else nullcontext():
            # An in-place first layer may not write to a leaf.
            output = under_change(source.clone())
        watch.finish()
        layers = [met for met in watch.met if met.is_layer or met.multiplies]
        if not layers:
            # Under no_grad none is seen.
            check_differentiable(scores_of(model, output), model.name)
            raise _no_layers(model.name, watch.vmapped.told())
        zero = bool(layers[-1].weights) and not any(w.detach().any() for w in layers[-1].weights)
        start = _start(model, watch, output, objective, labels, zero, seed)
        return _differentiate(model, watch, source, start, zero, calibration)


def _no_layers(name: str, vmapped: str) -> ModelError:
    if vmapped:
        return ModelError(
            f"{name} calls all of its layers within torch.vmap. {vmapped}.",
            "Have the network call some on all images at once, or give one of those in it.",
        )
    return ModelError(
        f"{name} calls no convolution and no linear layer.", "Give a network that has some."
    )


def _want_gradients(model: Model) -> None:
    for parameter in model.module.parameters():
        numbers = parameter.is_floating_point() or parameter.is_complex()
        if parameter.ndim >= 2 and numbers and not parameter.is_inference():
            parameter.requires_grad_(True)


def _start(
    model: Model,
    watch: ForwardRecorder,
    output: Any,
    objective: objectives.Objective,
    labels: torch.Tensor | None,
    head_is_zero: bool,
    seed: int,
) -> objectives.BackwardStart:
    if callable(objective):
        return objectives.own(output, objective)
    if objective == "loss":
        return objectives.loss(model, output, labels)
    if objective == "top":
        return objectives.top(model, output)
    sizes = objective == objectives.UNCANCELLED
    return objectives.random_signs(model, watch, output, head_is_zero, seed, sizes=sizes)


def _differentiate(
    model: Model,
    watch: ForwardRecorder,
    source: torch.Tensor,
    start: objectives.BackwardStart,
    head_is_zero: bool,
    calibration: Calibration | None,
) -> GradientProbe:
    check_differentiable(start.tensor, model.name)
    ways = paths(watch, start.tensor, source)
    weights = list({id(w): w for met in ways.met for w in met.weights}.values())
    edges = [edge for met in ways.met for edge in _edges(met)]
    logits = [] if start.logits is None else [start.logits]
    with backward_pass(model.name):
        found = torch.autograd.grad(
            [start.tensor], [*edges, *weights, *logits], [start.cotangent], allow_unused=True
        )
    slopes = dict(zip(map(id, weights), found[len(edges) :], strict=False))
    _scale_merges(ways.met)
    arrived = iter(found[: len(edges)])
    points = tuple(
        _point(place, ways, _joined([next(arrived) for _ in _edges(met)]), slopes, len(source))
        for place, met in enumerate(ways.met)
    )
    bad = tuple(
        name
        for name, parameter in model.module.named_parameters()
        if parameter.is_floating_point() and not bool(torch.isfinite(parameter.detach()).all())
    )
    return GradientProbe(
        points=points,
        path=ways.path,
        cut=ways.cut,
        detached=ways.detached,
        unfollowed=ways.unfollowed,
        of_boxes=start.of_boxes,
        units=tuple(_units(activity, ways.kept) for activity in watch.activities),
        normalisations=watch.normalisations,
        objective=start.told,
        output_gradient=float(measures.rms_norm(found[-1] if logits else start.cotangent)),
        head_is_zero=head_is_zero,
        bad_weights=bad,
        uncalibrated=calibration is not None and calibration.lone > 0,
        notes=_notes(watch, start, calibration),
        calibrated=len(calibration.norms) if calibration else 0,
        regions=ways.regions,
    )


def _notes(
    watch: ForwardRecorder, start: objectives.BackwardStart, calibration: Calibration | None
) -> tuple[str, ...]:
    vmapped = watch.vmapped.told()
    if vmapped:
        vmapped += ": the verdict is of the other layers alone."
    return tuple(filter(None, (calibration.told() if calibration else "", start.note, vmapped)))


def _scale_merges(met: list[RecordedLayer]) -> None:
    # Where normalisations rule, the scale of what skips carry means as little as that of weights.
    if any(one.scale is not None for one in met):
        for one in met:
            if not one.is_layer and one.scale is None:
                one.scale = one.deviation


def _point(
    place: int,
    ways: Paths,
    gradient: torch.Tensor | None,
    slopes: Mapping[int, torch.Tensor | None],
    samples: int,
) -> ProbedLayer:
    met = ways.met[place]
    # An unused output received no gradient, which is a gradient of zero.
    arrived = torch.zeros(1, 1) if gradient is None else as_real(gradient.detach())
    scaled = arrived if gradient is None else _scaled(arrived, met.scale)
    pulled = [slope for w in met.weights if (slope := slopes[id(w)]) is not None]
    weight = measures.joint_norm(met.weights) if met.weights else torch.tensor(float("nan"))
    pull = measures.joint_norm(pulled) if pulled else weight * 0.0
    figure = measures.weight_figure(pull, weight, scale_invariant=met.scale is not None)
    wrong = met.nonfinite + measures.nonfinite(arrived)
    return ProbedLayer(
        label=label_of(met),
        name=met.name,
        kind=met.kind,
        on_trunk=met.node in ways.trunk,
        beside=place in ways.beside,
        shape=met.shape,
        activation_norm=float(met.norm),
        activation_deviation=float(met.deviation),
        gradient_norm=float(measures.rms_norm(arrived, samples)),
        arriving=float(measures.rms_norm(scaled, samples)),
        normalised=met.scale is not None,
        gain=_gain(met, typical=False),
        typical_gain=_gain(met, typical=True),
        weight_norm=float(weight),
        weight_gradient_norm=float(pull),
        weight_figure=float(figure),
        nonfinite=int(wrong) + sum(int(measures.nonfinite(w)) for w in (*met.weights, *pulled)),
        histogram=measures.log_histogram(arrived).cpu().numpy(),
    )


def _edges(met: RecordedLayer) -> tuple[Any, ...]:
    return () if met.edge is None else (met.edge, *met.others)


def _joined(gradients: list[torch.Tensor | None]) -> torch.Tensor | None:
    """Return the gradients at all outputs of a layer as one; None where none arrived."""
    arrived = [one for one in gradients if one is not None]
    if len(arrived) < 2:
        return arrived[0] if arrived else None
    return torch.cat([as_real(one).flatten() for one in arrived])[None]


def _scaled(gradient: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    if scale is None:
        return gradient
    shape = (1, -1) if scale.ndim == 0 else (1, -1, *[1] * (gradient.ndim - 2))
    return wide(gradient) * wide(scale).view(shape if scale.ndim else ())


def _gain(met: RecordedLayer, *, typical: bool) -> float:
    if not met.weights:
        return float("nan")
    held = met.weights[0].detach()
    weight = wide(held.abs() if held.is_complex() else held)
    # The last dimensions are those of a kernel, which one factor scales as a whole.
    sizes = weight.flatten(2).square().mean(2) if weight.ndim > 2 else weight.square()
    size = sizes.clamp(min=1e-300).log().mean().exp() if typical else sizes.mean()
    return float(size.sqrt() * (weight[0].numel() ** 0.5)) if bool(weight.any()) else 0.0


def _units(activity: ActivationStatistics, kept: list[int]) -> ActivationUnits:
    return ActivationUnits(
        name=activity.name,
        kind=activity.kind,
        after=activity.after if activity.after < 0 else kept[activity.after],
        dead=None if activity.dead is None else activity.dead.cpu().numpy(),
        saturated=float("nan") if activity.saturated is None else float(activity.saturated),
        silenced=activity.silenced,
        closed=activity.closed,
    )
