"""capture(): one forward and one backward pass, kept for many views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from cnnviz.bounds import bounded
from cnnviz.errors import TargetError, UsageError
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.introspection import layers as layer_names
from cnnviz.introspection.backward_rules import Rule, backward_rule, rule_coverage
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key, LayerTensors
from cnnviz.introspection.layers import Layers
from cnnviz.introspection.memory_order import by_channels
from cnnviz.introspection.rewritten_buffers import through_rewritten_buffers
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model, OutputKind, as_model
from cnnviz.models.categories import check_count
from cnnviz.models.detections import kept_detections
from cnnviz.models.member_choice import choose_member
from cnnviz.models.outputs import read_output, scores_of
from cnnviz.models.reading import Reading
from cnnviz.passes.batch_size import will_be_halved
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captured import Capture
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.copy_policy import Through
from cnnviz.passes.fast_model import (
    check_linear,
    check_sound,
    computed_on,
    on_fast_copy,
    remembered,
)
from cnnviz.passes.independence import independence
from cnnviz.passes.joined_captures import joined
from cnnviz.passes.memory_shortage import is_short, release
from cnnviz.passes.output_recorder import OutputRecorder
from cnnviz.passes.shared_captures import Asked, captured_once
from cnnviz.passes.spatial_maps import TracedOutput, also_of_image, traced_outputs
from cnnviz.passes.stages import STAGES, CallOrder
from cnnviz.passes.targets import Scores, Target, score, targets_of_each


@bounded
def capture(
    model: Model | nn.Module,
    images: Images,
    *,
    layers: Layers = "conv",
    target: Target = None,
    gradients: bool | Literal["layers"] = True,
    rule: Rule = "gradient",
    logits: bool = True,
) -> Capture:
    """Run images through a network once, forward and backward, and keep what the layers saw.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network. It runs in eval mode and is left exactly as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images; a tensor is taken as already preprocessed.
    layers : str or sequence of str
        Layers by kind, pattern or name (see `cnnviz.introspection.layers.select`), or "stages": the
        last layer at each spatial resolution, and every call of one that goes on over it, such as
        the cell of a recurrent network (see `cnnviz.passes.stages`).
    target : None, int, str, SumOf, Contrast, Region, Value, Similarity, Box, sequence, or callable
        What the gradients explain; see `cnnviz.passes.targets.score`.
    gradients : bool or "layers"
        True computes the gradients at the chosen layers and at the input; "layers" starts the
        graph at the first chosen layer, which saves the backward pass below it; False computes
        none.
    rule : {"gradient", "deconvnet", "guided"}
        How rectifiers send gradients back (see `cnnviz.introspection.backward_rules`).
    logits : bool
        False, together with ``gradients=False``, stops the forward pass after the last layer that
        was asked for.

    Returns
    -------
    Capture
        Frozen; its tensors are detached and owned by it.

    Raises
    ------
    LayerError
        If a layer does not exist, is not called, or returns something other than one tensor.
    ModelError
        If the forward pass fails, with the shape that was given and the one that is expected.
    TargetError
        If the target does not fit the output.
    ImageError
        If no image can be read.
    UsageError
        If there are more or fewer class names than outputs, or the arguments contradict each other.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> capture = cnnviz.capture(model, photo, layers="stages")
    >>> [(name, tuple(held.shape)) for name, held in capture.activations.items()][-1]
    ('features.11', (1, 128, 12, 12))
    """
    if not logits and (gradients or target is not None):
        raise UsageError(
            "Gradients and targets need the logits.", "Pass gradients=False, or leave logits=True."
        )
    wrapped = as_model(model)
    if rule != "gradient":
        layer_names.check_seen(wrapped.module)
    batch = wrapped.prepare(images)
    target = checked_target(wrapped, target, batch)
    asked = partial(capture, wrapped, layers=layers, gradients=gradients, rule=rule, logits=logits)
    if len(batch.tensor) > 1 and independence(wrapped, batch.tensor).alone:
        return _in_parts(asked, batch, target, 1)
    choosing = not logits or _asks_for_stages(wrapped, layers)
    order = call_order(wrapped, batch.tensor) if choosing else None
    chosen = _choose(wrapped, layers, order)
    through: Through = "nothing" if not gradients else "anything"
    if gradients == "layers" and chosen and rule == "gradient":
        through = "linear"
    passes = _Passes(wrapped, batch, chosen, order, target, gradients, rule, logits, through)
    rows = len(batch.tensor) * (3 if gradients else 1)

    def make() -> Capture:
        try:
            return on_fast_copy(
                *(wrapped, batch.tensor, passes.run),
                rows=rows,
                keeps=chosen,
                gradients_through=through,
            )
        except Exception as error:
            if len(batch.tensor) == 1 or will_be_halved() or not is_short(error):
                raise
        # Not in the handler, where the error holds all that the pass has made.
        release()
        found = _in_parts(asked, batch, target, -(-len(batch.tensor) // 2))
        return replace(found, _returned=_whole(found._returned))

    if not logits:
        return make()
    question = Asked(batch, frozenset(chosen), target, gradients, rule)
    return captured_once(wrapped, question, make)


def _in_parts(asked: Callable[..., Capture], batch: Batch, target: Target, size: int) -> Capture:
    """Capture at most so many images at once, and return what was found as one capture."""
    each = targets_of_each(target, len(batch.tensor))
    parts = [
        asked(part, target=_of_all(each[place * size : (place + 1) * size]))
        for place, part in enumerate(batch.parts(size))
    ]
    return joined(batch, parts)


def _whole(returned: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a network returned for parts of a batch as what it returns for all of it."""
    tensors = [one for one in returned if isinstance(one, torch.Tensor) and one.ndim]
    return (torch.cat(tensors),) if tensors and len(tensors) == len(returned) else returned


def _of_all(targets: Sequence[Target]) -> Target:
    """Return what is asked of each of several images as one target of them."""
    lists = [one for one in targets if isinstance(one, list)]
    return [entry for one in lists for entry in one] if lists else targets[0]


@dataclass(frozen=True, eq=False)
class _Passes:
    """One forward and one backward pass, as they were asked for."""

    model: Model
    batch: Batch
    chosen: Mapping[str, nn.Module]
    order: CallOrder | None
    target: Target
    gradients: bool | Literal["layers"]
    rule: Rule
    logits: bool
    through: Through

    def run(self, computing: Model) -> Capture:
        """Make them with a model: the one that was given, or one that stands for it."""
        if self.gradients is not True:
            return self._run(computing)
        return through_rewritten_buffers(computing.module, partial(self._run, computing))

    def _run(self, computing: Model) -> Capture:
        model, batch, order = self.model, self.batch, self.order
        recorder = OutputRecorder(gradients=bool(self.gradients))
        listened = self.chosen
        if computing is not model:
            listened = {name: computing.module.get_submodule(name) for name in self.chosen}
        with ExitStack() as scope:
            scope.enter_context(isolated(computing.module, grad=bool(self.gradients)))
            other = self.rule != "gradient"
            if other:
                scope.enter_context(backward_rule(self.rule))
            inputs = batch.tensor.clone().requires_grad_(self.gradients is True)
            last = order.last(self.chosen) if order is not None and not self.logits else None
            ends = () if last is None else (last,)
            # An in-place first layer may not write to a leaf, nor to the caller's tensor.
            given = inputs.clone()
            output = run_to(computing.forward, given, listened, ends, after=recorder.record)
            check_sound(computing, [output, *recorder.outputs.values()])
            scores, coverage = None, ""
            if self.gradients:
                choose_member(model, output, batch.tensor)
                scores = score(model, output, self.target, len(inputs), batch)
                check_linear(computing, scores.values)
                leaf = inputs if self.gradients is True else None
                coverage = str(rule_coverage(scores.values)) if other else ""
                recorder.differentiate(scores.values, leaf)
        returned = output if self.logits else None
        found = _finish(model, batch, self.chosen, recorder, returned, scores)
        # Found here, so that no view of the capture runs the network again.
        traced: Mapping[Key, TracedOutput] = {} if order is None else order.traced
        if order is None and recorder.outputs:
            size = tuple(batch.tensor.shape[1:])
            traced = remembered(computing, size, lambda: traced_outputs(model, batch.tensor))
            traced = also_of_image(traced, model, batch.tensor, list(recorder.outputs))
        return replace(
            found,
            rule=self.rule,
            coverage=coverage,
            computed_on=computed_on(
                computing, batch.tensor, keeps=self.chosen, gradients_through=self.through
            ),
            _returned=() if self.gradients or not self.logits else (output,),
            _traced=traced,
        )


def _asks_for_stages(model: Model, layers: Layers) -> bool:
    known = layer_names.named_layers(model.module)
    return layer_names.asks_for(layers, STAGES, known)


def _choose(model: Model, layers: Layers, order: CallOrder | None) -> dict[str, nn.Module]:
    if not layers:
        return {}
    asked = order is not None and _asks_for_stages(model, layers)
    words = {STAGES: order.stage_layers()} if order is not None and asked else {}
    return choose(model, layers, words)


def _finish(
    model: Model,
    batch: Batch,
    chosen: Mapping[str, nn.Module],
    recorder: OutputRecorder,
    output: Any,
    scores: Scores | None,
) -> Capture:
    called = {name for name, _ in recorder.outputs}
    silent = {
        name: f"Layer {name!r} was not called in the forward pass."
        for name in chosen
        if name not in called
    }
    unreached = {
        name: f"The target does not depend on layer {name!r}." for name in recorder.unreached
    }
    if scores is not None:
        scores = Scores(scores.values.detach(), scores.resolved_targets)
    found = None if output is None else _logits_or_why_none(model, output, batch.tensor)
    boxes = None if output is None else kept_detections(model, output)
    # That boxes cannot be read is said before that boxes are no logits.
    found = boxes if isinstance(boxes, TargetError) else found
    return Capture(
        model=model,
        batch=batch,
        activations=LayerTensors(
            {key: by_channels(value.detach()) for key, value in recorder.outputs.items()},
            silent,
            model.module,
        ),
        gradients=LayerTensors(recorder.gradients, {**silent, **unreached}, model.module),
        _output=found,
        _scores=scores,
        _input_gradient=recorder.input_gradient,
        _detections=boxes,
    )


def _logits_or_why_none(
    model: Model, output: Any, inputs: torch.Tensor
) -> torch.Tensor | TargetError:
    try:
        choose_member(model, output, inputs)
        reading = read_output(model, output, inputs)
        found = scores_of(model, output, len(inputs)).detach()
    except TargetError as error:
        # A callable target may have made sense of an output that has no logits.
        # Kept anew, since what was raised holds the frames it came through, and so the graph.
        return TargetError(error.what, error.remedy, option=error.option)
    if found.ndim == 2 and model.categories is not None:
        _check_names(model, reading, found.shape[1])
    return found


def _check_names(model: Model, reading: Reading, columns: int) -> None:
    names = model.categories or ()
    if reading.kind != OutputKind.LOGIT or len(names) > 2:
        check_count(names, columns, model.name)
