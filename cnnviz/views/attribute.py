"""Which pixels the answer hangs on: gradient attribution, by captum and by the backward rules."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import numpy as np
import torch
from torch import nn

from cnnviz.bounds import Seed, Steps, bounded
from cnnviz.errors import UsageError
from cnnviz.heatmaps.attribution_methods import (
    ATTRIBUTION_METHODS,
    AttributionMethod,
    AttributionName,
    AttributionRequest,
)
from cnnviz.heatmaps.constant_scores import constant_told, ranges
from cnnviz.heatmaps.doubts import CONSTANT, SATURATED, UNDONE, doubts
from cnnviz.heatmaps.heatmap import Heatmap, photo_fields
from cnnviz.heatmaps.methods import listed_methods
from cnnviz.heatmaps.settings import AttributionSettings, Channels
from cnnviz.images.baselines import BASELINES, Baseline
from cnnviz.images.inputs import Images
from cnnviz.introspection.finite import finite
from cnnviz.introspection.forward import backward_pass
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.rewritten_buffers import through_rewritten_buffers
from cnnviz.introspection.tolerance import MOST_ROUNDING
from cnnviz.models import Model, as_model
from cnnviz.passes.box_targets import asked_boxes, overlaps_told
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.fast_model import computed_on, on_fast_copy
from cnnviz.passes.malloc import freed_memory_kept
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.targets import Scores, Target
from cnnviz.results.docstrings import fill_docstring
from cnnviz.results.provenance import AS_IT_IS
from cnnviz.results.space import IMAGE
from cnnviz.results.text import minus, percent

Method = Annotated[AttributionName, ATTRIBUTION_METHODS]
"""What the command line offers are the names of the table."""
REACH = 99.5
"""The percentile at which the colours of a map with a value for every pixel end: a few pixels are
so much larger than all others that nothing else would show."""
_BASELINE_NAMES = {
    "blur": "own blur",
    "mean": "mean colour",
    "noise": "size in uniform noise",
    "black": "size in black",
}

_OF_ARRAYS = {
    "blur": "the input blurred along each axis",
    "mean": "the mean of each channel",
    "noise": "uniform noise of the input's own range",
    "black": "zeros",
}


@fill_docstring(methods=listed_methods(ATTRIBUTION_METHODS))
@bounded
@in_smaller_batches
def attribute(
    model: Model | nn.Module,
    images: Images,
    method: Method = "integrated_gradients",
    target: Target = None,
    *,
    baseline: Baseline = "blur",
    channels: Channels = "auto",
    steps: Steps = 50,
    seed: Seed = 0,
) -> Heatmap:
    """Attribute the score of a class to the pixels of each image.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images.
    method : str
        One of {methods}.
    target : None, int, str, sequence of these, or callable
        What is explained; the likeliest class of each image by default.
    baseline : {"blur", "mean", "noise", "black"}
        What "integrated_gradients", "gradient_shap" and "deeplift" compare the image with: itself
        blurred beyond recognition, its mean colour everywhere, noise, or black.
    channels : {"auto", "sum", "largest"}
        How the channels of the input become one map: their sum, which keeps signs and totals, or
        the largest size among them. By default the sum for the methods that multiply with the
        input, and the largest for the others.
    steps : int
        Steps of the integral, or random samples.
    seed : int
        The seed of what is drawn at random.

    Returns
    -------
    Heatmap
        One map for each image, at the size of the network's input.

    Raises
    ------
    UsageError
        If an argument is out of range.
    ModelError
        If the network cannot run on the images, or the method does not fit it.
    ImageError
        If no image can be read.
    TargetError
        If a target does not fit the output.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> cnnviz.attribute(model, photo, "saliency").maps[0].shape
    (1, 96, 96)
    """
    _check(method, baseline)
    chosen = ATTRIBUTION_METHODS[method]
    wrapped = as_model(model)
    # Without a layer, "layers" scores the answer and sends nothing back.
    gradients: Literal[True, "layers"] = "layers" if chosen.own_passes else True
    held = capture(wrapped, images, layers=(), target=target, gradients=gradients, rule=chosen.rule)
    if not chosen.complete:
        held.check_slope()
    notes: list[str] = []
    further: list[str] = []
    if chosen.own_passes:
        values, notes, computed_on = _ask(wrapped, held, chosen, baseline, steps, seed)
    else:
        # Of the gradient that was captured, without a draw or a pass that does not isolate itself.
        asked = AttributionRequest(wrapped, wrapped, held, baseline, steps, seed)
        values = finite(chosen.attributor(asked).detach(), "The attributions")
        further, computed_on = asked.doubts, held.computed_on
    constant, sure = _constant(held, chosen, values), held.saturated
    doubted = doubts(
        [*further, *sure.values(), *constant.values()],
        [[""] * len(values)],
        (CONSTANT, constant),
        (SATURATED, sure),
        # What a method of gradients knows to be none it sets to zero.
        (UNDONE, [k for k, one in enumerate(values) if further and not one.any()]),
    )
    summed = channels == "sum" or (channels == "auto" and chosen.sums)
    notes += _told(held, chosen, baseline, summed=summed)
    return Heatmap(
        provenance=replace(held.provenance, seed=seed, computed_on=computed_on),
        method=method,
        title=chosen.title,
        layers=("input",),
        maps=((values.sum(1) if summed else values.abs().amax(1)).float().cpu().numpy(),),
        **photo_fields(held),
        targets=held.targets,
        relu=not summed,
        clip_percentile=REACH,
        notes=(*notes, *filter(None, [wrapped.explained_input])),
        doubts=doubted.said,
        marks=doubted.marks,
        target_classes=held.target_classes,
        asked_boxes=asked_boxes(held.resolved_targets) if held.detects else (),
        settings=AttributionSettings(
            method=method, baseline=baseline, channels=channels, steps=steps, seed=seed
        ),
    )


def _check(method: str, baseline: str) -> None:
    if method not in ATTRIBUTION_METHODS:
        raise UsageError(
            f"There is no method {method!r}.", f"Choose {', '.join(ATTRIBUTION_METHODS)}."
        )
    if baseline not in BASELINES:
        raise UsageError(f"There is no baseline {baseline!r}.", f"Choose {', '.join(BASELINES)}.")


def _told(
    held: Capture, method: AttributionMethod, baseline: Baseline, *, summed: bool
) -> list[str]:
    """Say what was compared with, how channels became one map, and what holds of this answer."""
    space, notes = held.model.space, []
    if method.complete:
        is_image = space == IMAGE
        named = f"the image's {_BASELINE_NAMES[baseline]}" if is_image else _OF_ARRAYS[baseline]
        notes.append(f"The baseline is {named}.")
    notes.append(
        f"The channels of a {space.place} are summed."
        if summed
        else f"Of the channels of a {space.place} the one of the largest size counts, without its "
        "sign."
    )
    if held.coverage:
        notes.append(f"{held.coverage}.")
    images = [photo.name for photo in held.batch.photos]
    return [*notes, *overlaps_told(held.resolved_targets, images)]


def _constant(held: Capture, method: AttributionMethod, values: torch.Tensor) -> dict[int, str]:
    """Say of which images the map tells nothing, since nothing moves their scores."""
    sizes = values.double().flatten(1).norm(dim=1)
    # A gradient tells for a change of one: it is taken times as much as the values differ.
    swings = sizes if method.sums else sizes * ranges(held)
    # What rectifiers sent back by a rule of their own tells nothing of how the score changes.
    swings = swings if method.rule == "gradient" else torch.full_like(swings, torch.nan)
    return constant_told(held, Scores(held.scores, held.resolved_targets), swings)


def _ask(
    model: Model,
    held: Capture,
    method: AttributionMethod,
    baseline: Baseline,
    steps: int,
    seed: int,
) -> tuple[torch.Tensor, list[str], str]:
    """Run a method, measure how far it is from complete where it promises to be, and on what."""

    def run(computing: Model) -> tuple[torch.Tensor, list[str], str]:
        return through_rewritten_buffers(computing.module, partial(ask, computing))

    def ask(computing: Model) -> tuple[torch.Tensor, list[str], str]:
        question = AttributionRequest(model, computing, held, baseline, steps, seed)
        # What is freed in one of many passes is wanted in the next.
        with isolated(computing.module, grad=True), freed_memory_kept():
            values, notes = _answer(question, method)
        return values, notes, computed_on(computing, question.inputs)

    if method.exact:
        values, notes, _ = run(model)
        return values, notes, f"{AS_IT_IS}: {method.title} goes by its calls"
    inputs = held.batch.tensor
    rows = 3 * steps * len(inputs)
    return on_fast_copy(model, inputs, run, rows=rows, gradients_through="anything")


def _answer(
    question: AttributionRequest, method: AttributionMethod
) -> tuple[torch.Tensor, list[str]]:
    # Both captum's noise and its random baselines come from the global generators, which
    # `isolated` puts back.
    torch.manual_seed(question.seed)
    np.random.seed(question.seed)  # noqa: NPY002
    with backward_pass(question.model.name):
        found = method.attributor(question).detach()
    values = finite(found, "The attributions")
    if not method.complete:
        return values, []
    with torch.no_grad():
        start = torch.cat([one.answer(one.baseline) for one in question.singles()])
    total = values.double().flatten(1).sum(1).cpu()
    return values, [_completeness(total, question.captured.scores.cpu(), start.cpu())]


def _completeness(totals: torch.Tensor, ends: torch.Tensor, starts: torch.Tensor) -> str:
    """Say how far the attributions of each image are from the rise of its score."""
    each, worst = [], []
    step = torch.finfo(ends.dtype).eps
    for total, end, start in zip(totals.tolist(), ends.tolist(), starts.tolist(), strict=True):
        rise, rounding = end - start, step * max(abs(end), abs(start))
        if abs(rise) * MOST_ROUNDING <= rounding:
            each.append(f"{total:.3g} for a rise of {rise:.3g} (rounding)")
            continue
        each.append(f"{total:.3g} for a rise of {rise:.3g}")
        worst.append(abs(total - rise) / abs(rise))
    said = f"The attributions sum to {'; '.join(map(minus, each))} of the score over the baseline's"
    if not worst:
        return f"{said}: how complete they are is not known."
    which = "a" if len(each) == 1 else "the largest"
    return f"{said}: {which} completeness error of {percent(max(worst))}."
