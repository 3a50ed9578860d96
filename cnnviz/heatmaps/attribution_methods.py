"""How a score is attributed to pixels: captum's methods, and gradients by any backward rule.

A new method is its function and one line of `ATTRIBUTION_METHODS`, at the end; for type checkers
its name joins `AttributionName`. The view, the command line, the trust checks and the evaluation
read the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch

from cnnviz.errors import ModelError
from cnnviz.heatmaps.cam_methods import gradcam
from cnnviz.heatmaps.cancelled_weights import BY_MEAN, undone
from cnnviz.heatmaps.deeplift import deeplift
from cnnviz.heatmaps.map_places import over_input
from cnnviz.images import Batch
from cnnviz.images.baselines import Baseline, baseline_images
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.forward import check_differentiable
from cnnviz.introspection.passes_anew import anew
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.independence import independence
from cnnviz.passes.stages import STAGES
from cnnviz.passes.targets import ResolvedTarget

NOISE = 0.15
"""SmoothGrad's noise, as a share of the range of the image; within the paper's 10 to 20%."""


@dataclass(frozen=True)
class AttributionRequest:
    """What a method gets to work with.

    `captured` holds the scores, and the gradient at the input by the method's rule. `computing`
    makes the passes: it is the model, or one that stands for it. A method without passes of its own
    adds to `doubts` why its answer must not be read as evidence.
    """

    model: Model
    computing: Model
    captured: Capture
    baseline: Baseline
    steps: int
    seed: int
    doubts: list[str] = field(default_factory=list)

    @cached_property
    def baselines(self) -> torch.Tensor:
        """The image without evidence for each input, [N, C, H, W]."""
        return baseline_images(self.model.preprocessing, self.inputs, self.baseline, self.seed)

    @cached_property
    def at_once(self) -> int:
        """How many variants of an image fit into memory together."""
        return rows_at_once(self.model, self.inputs)

    @cached_property
    def forward(self) -> Callable[[torch.Tensor], Any]:
        """The forward pass, of which each meets the network as the first did."""
        return anew(self.computing.module, self.computing.forward)

    @property
    def inputs(self) -> torch.Tensor:
        """The preprocessed images, [N, C, H, W]."""
        return self.captured.batch.tensor

    def singles(self) -> list[ImageRequest]:
        """Return the question for each image alone: what is explained may differ."""
        return [
            ImageRequest(self, self.inputs[k : k + 1], self.baselines[k : k + 1], resolved)
            for k, resolved in enumerate(self.captured.resolved_targets)
        ]


@dataclass(frozen=True)
class ImageRequest:
    """One image of a question, its baseline, and what is explained of it."""

    question: AttributionRequest
    image: torch.Tensor
    baseline: torch.Tensor
    resolved: ResolvedTarget

    def answer(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the explained score of any number of variants of the image, [B]."""
        # Noise and captum's points are float32, whatever the network computes in.
        score = self.resolved.score(self.question.forward(inputs.to(self.image.dtype)))
        if inputs.requires_grad:
            check_differentiable(score, self.question.computing.name)
        return score


def gradient(question: AttributionRequest) -> torch.Tensor:
    """Return the gradient of the score, by the capture's rule (Simonyan et al. 2013)."""
    return question.captured.input_gradient


def guided_gradcam(question: AttributionRequest) -> torch.Tensor:
    """Keep of the guided gradient what lies where Grad-CAM finds evidence."""
    # The target is that of the guided pass, class by class: it was resolved on the same logits.
    targets, batch = question.captured.resolved_targets, question.captured.batch
    if len(targets) > 1 and independence(question.model, batch.tensor).alone:
        coarse = [
            _gradcam_of_last(question, one, [t])
            for one, t in zip(batch.singles(), targets, strict=True)
        ]
    else:
        coarse = [_gradcam_of_last(question, batch, targets)]
    return question.captured.input_gradient * torch.cat(coarse)


def _gradcam_of_last(
    question: AttributionRequest, batch: Batch, targets: Sequence[ResolvedTarget]
) -> torch.Tensor:
    """Return Grad-CAM's evidence at the last stage over the input."""
    model = question.model
    held = capture(
        model,
        batch,
        layers=STAGES,
        gradients="layers",
        target=lambda output: torch.stack(
            [resolved.score(output)[n] for n, resolved in enumerate(targets)]
        ),
    )
    mapped = held.mapped(held.gradients)
    if not mapped:
        raise ModelError(
            f"Guided Grad-CAM cannot explain {model.name}: the target depends on no layer "
            "with a spatial extent at the end of a stage.",
            "Use guided_backprop, which needs no layer.",
        )
    last = mapped[-1]
    held.check_map(last)
    coarse = gradcam(held.activation_maps(last), held.gradient_maps(last)).relu()
    weights = undone(held, held.activations.resolve(last), BY_MEAN)
    coarse[weights.known] = 0.0
    question.doubts.extend(weights.told("Grad-CAM", last, [photo.name for photo in batch.photos]))
    return over_input(coarse, held.layout(last).extent, batch.tensor.shape[2:])


def input_x_gradient(question: AttributionRequest) -> torch.Tensor:
    """Multiply input and gradient (Shrikumar et al. 2016)."""
    return question.inputs * question.captured.input_gradient


def integrated_gradients(question: AttributionRequest) -> torch.Tensor:
    """Integrate the gradient on the way from the baseline (Sundararajan et al. 2017)."""
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


def smoothgrad(question: AttributionRequest) -> torch.Tensor:
    """Average the gradient over noisy copies of the image (Smilkov et al. 2017)."""
    from captum.attr import Saliency

    found = []
    for one in question.singles():
        deviation = NOISE * float(one.image.max() - one.image.min())
        slopes = []
        for start in range(0, question.steps, question.at_once):
            samples = min(question.at_once, question.steps - start)
            # Not by captum's NoiseTunnel, which draws on the device: a GPU draws other numbers.
            noise = torch.normal(0.0, torch.full((samples, *one.image.shape[1:]), deviation))
            noisy = (one.image + noise.to(one.image.device)).requires_grad_()
            of_each = Saliency(one.answer).attribute(noisy, abs=False)
            slopes.append(of_each.sum(0, keepdim=True))
        found.append(torch.stack(slopes).sum(0) / question.steps)
    return torch.cat(found)


def gradient_shap(question: AttributionRequest) -> torch.Tensor:
    """Average the gradient over random points on the way (Lundberg and Lee 2017)."""
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


@dataclass(frozen=True)
class AttributionMethod:
    """A line of the table of attributions.

    Attributes
    ----------
    name : str
        What it is asked for by.
    title : str
        What it is called in text.
    citation : str
        Who published it, and when.
    values : str
        What the values of its maps are, for a colour bar.
    attributor : callable
        From what it gets to work with to attributions [N, C, H, W].
    own_passes : bool
        Whether it makes passes of its own, and needs no gradient at the input.
    exact : bool
        Whether these go by the calls of the network itself, which a copy makes in another way.
    complete : bool
        Whether it promises that the attributions add up to the rise of the score.
    multiplies : bool
        Whether the gradient is multiplied with the input.
    rule : {"gradient", "deconvnet", "guided"}
        How rectifiers send the gradient back.
    remark : str
        What a reader of the list must know besides.
    """

    name: str
    title: str
    citation: str
    values: str
    attributor: Callable[[AttributionRequest], torch.Tensor]
    own_passes: bool = False
    exact: bool = False
    complete: bool = False
    multiplies: bool = False
    rule: Rule = "gradient"
    remark: str = ""

    @property
    def sums(self) -> bool:
        """Whether the channels of its maps are summed where nobody chose."""
        return self.complete or self.multiplies


AttributionName = Literal[
    "integrated_gradients",
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "gradient_shap",
    "deeplift",
    "guided_backprop",
    "guided_gradcam",
    "deconvnet",
]
"""The names of the table, for type checkers; a test holds the two together."""
ATTRIBUTION_METHODS: dict[str, AttributionMethod] = {
    method.name: method
    for method in (
        AttributionMethod(
            "integrated_gradients",
            "Integrated gradients",
            "Sundararajan et al. 2017",
            "integral of the gradient times input minus baseline",
            integrated_gradients,
            own_passes=True,
            complete=True,
            multiplies=True,
        ),
        AttributionMethod(
            "saliency", "Saliency", "Simonyan et al. 2013", "gradient of the score", gradient
        ),
        AttributionMethod(
            "input_x_gradient",
            "Input x gradient",
            "Shrikumar et al. 2016",
            "gradient times input",
            input_x_gradient,
            multiplies=True,
        ),
        AttributionMethod(
            "smoothgrad",
            "SmoothGrad",
            "Smilkov et al. 2017",
            "mean gradient over noisy copies",
            smoothgrad,
            own_passes=True,
        ),
        AttributionMethod(
            "gradient_shap",
            "Gradient SHAP",
            "Lundberg and Lee 2017",
            "mean gradient times input minus baseline",
            gradient_shap,
            own_passes=True,
            complete=True,
        ),
        AttributionMethod(
            "deeplift",
            "DeepLIFT",
            "Shrikumar et al. 2017",
            "multiplier times input minus baseline",
            deeplift,
            own_passes=True,
            exact=True,
            complete=True,
        ),
        AttributionMethod(
            "guided_backprop",
            "Guided backpropagation",
            "Springenberg et al. 2014",
            "gradient, guided at rectifiers",
            gradient,
            rule="guided",
        ),
        AttributionMethod(
            "guided_gradcam",
            "Guided Grad-CAM",
            "Selvaraju et al. 2017",
            "guided gradient times Grad-CAM",
            guided_gradcam,
            rule="guided",
            remark="at the last stage",
        ),
        AttributionMethod(
            "deconvnet",
            "Deconvnet",
            "Zeiler and Fergus 2013",
            "gradient, rectified on the way back",
            gradient,
            rule="deconvnet",
        ),
    )
}
"""Every attribution by its name."""
