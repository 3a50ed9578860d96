"""Which pixels the answer hangs on: gradient attribution, by captum and by the backward rules."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from cnnviz.backward_rules import Rule, backward_rule
from cnnviz.baselines import Baseline, baseline_images
from cnnviz.captures import Capture, capture
from cnnviz.errors import ModelError, UsageError
from cnnviz.heatmaps import Heatmap
from cnnviz.hooks import listening, untouched
from cnnviz.layers import kind, named_layers
from cnnviz.memory import rows_at_once
from cnnviz.models import Model, as_model
from cnnviz.targets import Aim, Target

Method = Literal[
    "integrated_gradients",
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "gradient_shap",
    "deeplift",
    "guided_backprop",
    "deconvnet",
]
Channels = Literal["auto", "sum", "largest"]
REACH = 99.5
"""The percentile at which the colours of a map with a value for every pixel end: a few pixels are
so much larger than all others that nothing else would show."""
NOISE = 0.15
"""SmoothGrad's noise, as a share of the range of the image; within the paper's 10 to 20 %."""
_BASELINE_NAMES = {
    "blur": "own blur",
    "mean": "mean colour",
    "noise": "size in uniform noise",
    "black": "size in black",
}


@dataclass(frozen=True)
class _Question:
    """What a method gets to work with.

    `captured` holds the scores, and the gradient at the input by the method's rule.
    """

    model: Model
    captured: Capture
    baselines: torch.Tensor
    steps: int
    at_once: int

    @property
    def inputs(self) -> torch.Tensor:
        return self.captured.batch.tensor

    def singles(self) -> list[_Single]:
        """Return the question for each image alone: what is explained may differ."""
        return [
            _Single(self, self.inputs[k : k + 1], self.baselines[k : k + 1], aim)
            for k, aim in enumerate(self.captured.aims)
        ]


@dataclass(frozen=True)
class _Single:
    question: _Question
    image: torch.Tensor
    baseline: torch.Tensor
    aim: Aim

    def answer(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the explained score of any number of variants of the image, [B]."""
        return self.aim.score(self.question.model.module(inputs))


def _gradient(question: _Question) -> torch.Tensor:
    return question.captured.input_gradient


def _input_x_gradient(question: _Question) -> torch.Tensor:
    return question.inputs * question.captured.input_gradient


def _integrated_gradients(question: _Question) -> torch.Tensor:
    from captum.attr import IntegratedGradients

    return torch.cat(
        [
            IntegratedGradients(one.answer).attribute(
                one.image,
                baselines=one.baseline,
                n_steps=question.steps,
                internal_batch_size=question.at_once,
            )
            for one in question.singles()
        ]
    )


def _smoothgrad(question: _Question) -> torch.Tensor:
    from captum.attr import NoiseTunnel, Saliency

    return torch.cat(
        [
            NoiseTunnel(Saliency(one.answer)).attribute(
                one.image,
                nt_type="smoothgrad",
                nt_samples=question.steps,
                nt_samples_batch_size=min(question.steps, question.at_once),
                stdevs=NOISE * float(one.image.max() - one.image.min()),
                abs=False,
            )
            for one in question.singles()
        ]
    )


def _gradient_shap(question: _Question) -> torch.Tensor:
    from captum.attr import GradientShap

    found = []
    for one in question.singles():
        total = torch.zeros_like(one.image)
        left = question.steps
        while left:
            samples = min(left, question.at_once)
            shap = GradientShap(one.answer)
            total += samples * shap.attribute(one.image, one.baseline, n_samples=samples)
            left -= samples
        found.append(total / question.steps)
    return torch.cat(found)


def _deeplift(question: _Question) -> torch.Tensor:
    from captum.attr import DeepLift

    module = _with_separate_activations(question)
    found = []
    # captum warns that it sets hooks; they are set on a copy.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for one in question.singles():
            lift = DeepLift(_Scored(module, one.aim))
            found.append(lift.attribute(one.image, baselines=one.baseline))
    return torch.cat(found)


class _Scored(nn.Module):
    """A network that returns the explained score of each input, [B]."""

    def __init__(self, module: nn.Module, aim: Aim) -> None:
        super().__init__()
        self.module = module
        self.aim = aim

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.aim.score(self.module(inputs))


def _with_separate_activations(question: _Question) -> nn.Module:
    """Return a copy whose activations are not in-place, or say why DeepLIFT cannot use it.

    captum changes the backward pass of modules. It fails on one that is called twice, and would
    pass over a function without a word.
    """
    module = question.model.module
    layers = {n: layer for n, layer in named_layers(module).items() if kind(layer) == "activation"}
    calls: list[str] = []
    counted = backward_rule("gradient")
    with counted, listening(layers, before=lambda name, *_: calls.append(name)):
        question.model.module(question.inputs[:1])
    twice = next((name for name in calls if calls.count(name) > 1), None)
    if twice is not None:
        raise ModelError(
            f"DeepLIFT cannot explain {question.model.name}: its layer {twice!r} is called more "
            "than once.",
            "Use integrated gradients, which DeepLIFT approximates.",
        )
    functions = counted.met + counted.others.total() - len(calls)
    if functions > 0:
        raise ModelError(
            f"DeepLIFT cannot explain {question.model.name}: {functions} of its activations are "
            "functions, not layers.",
            "Use integrated gradients, which DeepLIFT approximates.",
        )
    separate = copy.deepcopy(module)
    for layer in separate.modules():
        if getattr(layer, "inplace", False):
            setattr(layer, "inplace", False)  # noqa: B010 (no type of layer declares it)
    return separate


@dataclass(frozen=True)
class _Method:
    title: str
    attributor: Callable[[_Question], torch.Tensor]
    complete: bool = False
    multiplies: bool = False
    rule: Rule = "gradient"


_METHODS: dict[str, _Method] = {
    "integrated_gradients": _Method(
        "Integrated gradients", _integrated_gradients, complete=True, multiplies=True
    ),
    "saliency": _Method("Saliency", _gradient),
    "input_x_gradient": _Method("Input x gradient", _input_x_gradient, multiplies=True),
    "smoothgrad": _Method("SmoothGrad", _smoothgrad),
    "gradient_shap": _Method("Gradient SHAP", _gradient_shap, complete=True, multiplies=True),
    "deeplift": _Method("DeepLIFT", _deeplift, complete=True, multiplies=True),
    "guided_backprop": _Method("Guided backpropagation", _gradient, rule="guided"),
    "deconvnet": _Method("Deconvnet", _gradient, rule="deconvnet"),
}


def attribute(
    model: Model | nn.Module,
    images: Any,
    method: Method = "integrated_gradients",
    target: Target = None,
    *,
    baseline: Baseline = "blur",
    channels: Channels = "auto",
    steps: int = 50,
    seed: int = 0,
) -> Heatmap:
    """Attribute the score of a class to the pixels of each image.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images.
    method : str
        "integrated_gradients" (Sundararajan et al. 2017), "saliency" (Simonyan et al. 2013),
        "input_x_gradient" (Shrikumar et al. 2016), "smoothgrad" (Smilkov et al. 2017),
        "gradient_shap" (Lundberg and Lee 2017), "deeplift" (Shrikumar et al. 2017),
        "guided_backprop" (Springenberg et al. 2014) or "deconvnet" (Zeiler and Fergus 2013).
    target : None, int, str, sequence of these, or callable
        What is explained; the likeliest class of each image by default.
    baseline : {"blur", "mean", "noise", "black"}
        The image without evidence that three of the methods compare with; see
        `cnnviz.baselines`.
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
        If the method does not fit the network.
    """
    if method not in _METHODS:
        raise UsageError(f"There is no method {method!r}.", f"Choose {', '.join(_METHODS)}.")
    if steps < 1:
        raise UsageError(f"{steps} steps cannot be taken.", "Give steps as 1 or more.")
    chosen = _METHODS[method]
    wrapped = as_model(model)
    held = capture(wrapped, images, layers=(), target=target, rule=chosen.rule)
    question = _Question(
        model=wrapped,
        captured=held,
        baselines=baseline_images(wrapped, held.batch.tensor, baseline, seed),
        steps=steps,
        at_once=rows_at_once(wrapped, held.batch.tensor),
    )
    values, notes = _ask(question, chosen, seed)
    if chosen.complete:
        notes.append(f"The baseline is the image's {_BASELINE_NAMES[baseline]}.")
    summed = channels == "sum" or (channels == "auto" and chosen.multiplies)
    notes.append(
        "The channels of a pixel are summed."
        if summed
        else "Of the channels of a pixel the one of the largest size counts, without its sign."
    )
    if held.coverage:
        notes.append(f"{held.coverage[0].upper()}{held.coverage[1:]}.")
    return Heatmap(
        provenance=replace(held.provenance, seed=seed),
        method=method,
        title=chosen.title,
        layers=("input",),
        maps=((values.sum(1) if summed else values.abs().amax(1)).float().cpu().numpy(),),
        images=tuple(photo.name for photo in held.batch.photos),
        photos=tuple(photo.pixels for photo in held.batch.photos),
        boxes=held.batch.boxes,
        targets=held.targets,
        relu=not summed,
        reach=REACH,
        notes=tuple(notes),
    )


def _ask(question: _Question, method: _Method, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Run a method, and measure how far it is from complete where it promises to be."""
    # Both captum's noise and its random baselines come from the global generators, which
    # `untouched` puts back.
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        untouched(question.model.module),
    ):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        values = method.attributor(question).detach()
        if not method.complete:
            return values, []
        with torch.no_grad():
            start = torch.cat([one.answer(one.baseline) for one in question.singles()])
    rise = (question.captured.scores - start).double().cpu()
    total = values.double().sum((1, 2, 3)).cpu()
    return values, [_completeness(total, rise)]


def _completeness(total: torch.Tensor, rise: torch.Tensor) -> str:
    """Say how far the attributions of each image are from the rise of its score."""
    each = [
        f"{found:.3g} for a rise of {wanted:.3g}"
        for found, wanted in zip(total.tolist(), rise.tolist(), strict=True)
    ]
    error = float(((total - rise).abs() / rise.abs().clamp(min=1e-12)).max())
    return (
        f"The attributions sum to {'; '.join(each)} of the score over the baseline's: "
        f"{'a' if len(each) == 1 else 'the largest'} completeness error of {error:.1%}."
    )
