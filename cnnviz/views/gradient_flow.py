"""Whether the gradient arrives at the first layers: a verdict with its evidence and remedies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import bounded
from cnnviz.gradients import objectives
from cnnviz.gradients.causes import Cause
from cnnviz.gradients.noise import NOISE_SEED, noise
from cnnviz.gradients.remedies import Remedy
from cnnviz.gradients.verdict_text import evidence, in_words, learned, pairs
from cnnviz.gradients.verdicts import GradientVerdict
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.models import Model, as_model
from cnnviz.models.compared import Compared, compared_models, told_apart
from cnnviz.results import drawing
from cnnviz.results.checks import Check, Checked, State, named_faults
from cnnviz.results.progress import Progress, silent
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import minus
from cnnviz.views._gradient_flow_notes import shares_after, told_data, told_of_others
from cnnviz.views._gradient_flow_pass import Measured, measure

FAULTS = ("vanishing", "exploding", "dead", "saturated", "branch", "non-finite", "watch")

_MEASURED = {
    "gradient norm": "gradient_norms",
    "arriving": "arriving",
    "activation norm": "activation_norms",
    "activation deviation": "activation_deviations",
    "weight norm": "weight_norms",
    "weight gradient norm": "weight_gradient_norms",
    "weight figure": "weight_figures",
    "dead fraction": "dead_fractions",
    "saturated fraction": "saturated_fractions",
}
"""What the table has of each point, and the field that holds it."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GradientFlow(Checked, TableResult):
    """The gradient and the activation at every layer of a network, and what they mean.

    Attributes
    ----------
    points : tuple of str
        P layers and joins, in the order of calls. Whatever has two inputs that depend on the image
        through different layers is a join.
    kinds : tuple of str
        "conv", "linear", "recurrent" or "attention" for layers, and for joins what the function is
        called: "add", "cat", "mul", "where".
    on_trunk : ndarray of bool
        Whether every way from the first layer to the output goes through it; otherwise it lies in
        a branch or in another tower, [P]. The first layer is that of the way with most layers.
    gradient_norms, arriving : ndarray of float64
        The gradient at the output: RMS over the batch of the L2 norm; and the same times what a
        normalisation that follows divides by, which the verdict is taken from, [P].
    activation_norms, activation_deviations : ndarray of float64
        RMS over the batch of the L2 norm of the output, and the deviation of its values, [P].
    weight_norms, weight_gradient_norms, weight_figures : ndarray of float64
        Of the weights and their gradient; the figure is ||dW|| ||W|| before a normalisation and
        ||dW|| / ||W|| otherwise, [P]; NaN for merges.
    dead_fractions, saturated_fractions : ndarray of float64
        The shares of dead channels and of saturated positions in the activations between this point
        and the next, the greatest where there are several, [P]; NaN where there is no such thing.
    histograms : ndarray of int64
        Sizes of the gradient's values by half decades, [P, 62]; see
        `cnnviz.gradients.measures.log_histogram`.
    verdict : GradientVerdict
        The band, D in decades, D per layer, where it breaks, and findings.
    cause : Cause
        The likeliest cause and the evidence for it.
    remedies : tuple of Remedy
        What was tried on a copy, and D before and after; empty where nothing is wrong.
    objective : str
        What was sent back.
    data : str
        What went in, and in which mode normalisations were.
    checks : tuple of Check
        The faults that were asked for with `fail_on`, of this network and of those beside it: the
        network has it, has it not, or could not be measured.
    others : tuple of GradientFlow
        Networks to show beside this one.
    """

    derived: ClassVar[tuple[str, ...]] = ("faults", "failed", "unanswered")

    points: tuple[str, ...]
    kinds: tuple[str, ...]
    on_trunk: NDArray[np.bool_]
    gradient_norms: NDArray[np.float64]
    arriving: NDArray[np.float64]
    activation_norms: NDArray[np.float64]
    activation_deviations: NDArray[np.float64]
    weight_norms: NDArray[np.float64]
    weight_gradient_norms: NDArray[np.float64]
    weight_figures: NDArray[np.float64]
    dead_fractions: NDArray[np.float64]
    saturated_fractions: NDArray[np.float64]
    histograms: NDArray[np.int64]
    verdict: GradientVerdict
    cause: Cause
    remedies: tuple[Remedy, ...]
    objective: str
    data: str
    checks: tuple[Check, ...] = ()
    others: tuple[GradientFlow, ...] = ()

    @property
    def decades(self) -> float:
        """D: the decades by which the gradient at the first layer exceeds that near the logits."""
        return self.verdict.decades

    @property
    def zero(self) -> int:
        """The point beside whose gradient the others are drawn, which D compares the first with.

        Where nothing gets as far back as that one, it is the last.
        """
        reference = self.verdict.reference
        return reference if self.arriving[reference] else len(self.points) - 1

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault of the network by the names that `fail_on` takes."""
        found = [self.verdict.side] if self.verdict.side != "none" else []
        found += ["watch"] if self.verdict.label == "watch" else []
        return (*found, *(name for name in self.verdict.findings if name in FAULTS))

    def compare(self, *others: GradientFlow) -> GradientFlow:
        """Return this result with others to be drawn beside it."""
        return replace(self, others=(*self.others, *others))

    def table(self) -> Table:
        """Return a row for each point of this network, and of those beside it."""
        columns = ("network", "point", "kind", "on trunk", *_MEASURED)
        rows = [
            row
            for one in (self, *self.others)
            for row in zip(
                [one.provenance.model] * len(one.points),
                one.points,
                one.kinds,
                one.on_trunk,
                *(getattr(one, name) for name in _MEASURED.values()),
                strict=True,
            )
        ]
        return Table.of(columns, rows)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw gradient and activation along the depth over the bands, and what remedies change."""
        from cnnviz.views.pictures.gradient_flow import draw

        return draw(self, into)

    def summary(self) -> str:
        """Say in one line what the verdict is and why."""
        beside = "; ".join(
            f"{one.provenance.model} {one.verdict.label} ({pairs(one.verdict)})"
            for one in self.others
        )
        said = evidence(self.provenance.model, self.verdict, self.points)
        cause = "" if self.cause.key == "none" else f" {self.cause.sentence}"
        return f"{said}{cause}" + (f" Beside it: {beside}." if beside else "")

    def caption(self) -> str:
        """Say what the lines and bands are, and how to read them."""
        told = "".join(f" {note.rstrip('.')}." for note in self.provenance.notes)
        reference = self.verdict.reference
        zero = (
            ", the last point before the logits that the first layer is compared with"
            if self.zero == reference
            else f", since nothing arrives at {in_words(self.points[reference])}"
        )
        beside = told_of_others(self)
        return (
            f"What arrives when {self.objective} is sent back: at each layer the gradient at its "
            "output, per image the L2 norm, over the batch the root mean square, in decades "
            f"(powers of ten) beside that at {in_words(self.points[self.zero])}{zero}. D is its "
            "value at the first layer, and the bands are for D alone: points after that one, and "
            "inside branches, may lie in any. "
            "Layers that a normalisation follows count in units of what it divides by, so that "
            "the scale of their weights, which means nothing, is left out. The line is the trunk, "
            "which every path from the first layer goes through; single marks are branches and "
            "other towers. Bands are those of "
            "networks that were probed and then trained: nearly all that were healthy learned, and "
            "none that had vanished, with plain SGD; of those to watch some did."
            f"{beside} {self.data}{told}"
        )

    def __str__(self) -> str:
        lines = [self.summary()]
        if self.verdict.label != "healthy" and learned(self.verdict):
            lines.append(learned(self.verdict))
        for place, remedy in enumerate(self.remedies, 1):
            note = f" {remedy.note}" if remedy.note else ""
            change = (
                minus(f"D {remedy.before:+.1f} -> {remedy.after:+.1f}, ")
                if not math.isnan(remedy.after)
                else ""
            )
            lines.append(
                f"  {place}. {remedy.name}: {change}{remedy.label}.{note}\n     {remedy.how}"
            )
        return "\n".join(lines)


@bounded
def gradient_flow(
    model: Model | nn.Module,
    images: Images | None = None,
    labels: Sequence[int | str] | torch.Tensor | None = None,
    objective: Literal["auto", "loss", "top"] | Callable[[Any], torch.Tensor] = "auto",
    *,
    remedies: bool = True,
    compare: Compared | Sequence[Compared] | None = None,
    compare_weights: str | Sequence[str] | None = None,
    fail_on: str | Sequence[str] | None = None,
    progress: Progress = silent,
) -> GradientFlow:
    """Send a gradient through a network once, and say whether it arrives.

    Nothing needs to be trained and no data is needed: a network that was just built is judged on
    noise. The statistic is the ratio of gradient norms between the first layer and the last point
    before the logits (He et al. 2015; Pennington et al. 2017; Yang et al. 2019).

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network, fresh or trained. It runs in eval mode; batch norms that have never seen data
        are given the statistics of the batch. It is left exactly as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        What goes in; standard normal noise when not given.
    labels : sequence of int or str, or torch.Tensor, optional
        The class of each image, for the objective "loss" alone.
    objective : {"auto", "loss", "top"} or callable
        What is sent back. "auto" is a random sign for each logit, which does not depend on how sure
        the network is; "loss" the cross-entropy of `labels`; "top" the greatest logit; in code also
        a callable from the output to a loss.
    remedies : bool
        Whether to try remedies on a copy of the network where something is wrong.
    compare : str or sequence of str, Model or torch.nn.Module, optional
        Other networks, or their names, to be probed in the same way and drawn beside this one.
    compare_weights : str or sequence of str, optional
        A checkpoint for each of these; without `compare`, this same network with other weights.
    fail_on : str or sequence of str, optional
        Faults that make the result `failed`, and the command exit with 1: vanishing, exploding,
        dead, saturated, branch, non-finite, watch. Where one could not be measured, as where
        numbers are not finite, and none of the others is found, the command exits with 3.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while remedies are tried.

    Returns
    -------
    GradientFlow
        The norms, the verdict, its cause and what would mend it.

    Raises
    ------
    UsageError
        If an argument is unknown, a loss is asked for without labels, or labels are given for
        another objective, which would not look at them.
    ModelError
        If the network cannot run, or calls no convolution and no linear layer.
    ImageError
        If no image can be read.
    TargetError
        If a label does not exist, or the output has no scores that labels belong to.

    Examples
    --------
    >>> import cnnviz
    >>> network = cnnviz.load("mlp-10:sigmoid", "random")
    >>> cnnviz.gradient_flow(network, remedies=False).summary().split(".")[0]
    'mlp-10:sigmoid: vanished'
    """
    wanted = named_faults(fail_on, FAULTS)
    objectives.check(objective, labels)
    wrapped = as_model(model)
    # A surrounding inference_mode would make copies of the network that nothing differentiates.
    with torch.inference_mode(False):
        batch = None if images is None else wrapped.prepare(images)
        inputs = noise(wrapped) if batch is None else batch.tensor
        measured = measure(wrapped, inputs, labels, objective, remedies, progress)
        found = _result(wrapped, batch, measured)
    further = compared_models(wrapped, compare, compare_weights)
    names = told_apart([wrapped, *further])
    found = _called(found, names[0])
    others = tuple(
        _called(gradient_flow(one, images, labels, objective, remedies=False), name)
        for one, name in zip(further, names[1:], strict=True)
    )
    checks = tuple(_check(one, fault) for one in (found, *others) for fault in wanted)
    return replace(found, checks=checks, others=others)


def _check(flow: GradientFlow, fault: str) -> Check:
    """Return whether a network has a fault; of numbers that are not finite nothing else is told."""
    unknown = (
        flow.verdict.label == "not measured"
        or (flow.verdict.label == "non-finite" and fault != "non-finite")
        # Whether a branch that no gradient is sent back to is to learn, another loss may say.
        or (flow.verdict.cut and fault == "branch")
    )
    if fault in flow.faults:
        return Check(flow.provenance.model, fault, "failed", str(flow))
    state: State = "not measured" if unknown else "passed"
    return Check(flow.provenance.model, fault, state, flow.summary())


def _called(found: GradientFlow, name: str) -> GradientFlow:
    return replace(found, provenance=replace(found.provenance, model=name))


def _result(model: Model, batch: Batch | None, measured: Measured) -> GradientFlow:
    found, inputs = measured.found, measured.inputs
    points = found.points

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(point, name) for point in points], np.float64)

    dead, saturated = shares_after(found)
    photos = () if batch is None else batch.photos[: len(inputs)]
    return GradientFlow(
        provenance=model.provenance(
            photos, seed=NOISE_SEED if batch is None else objectives.SEED, notes=measured.notes
        ),
        points=tuple(point.label for point in points),
        kinds=tuple(point.kind for point in points),
        on_trunk=np.array([point.on_trunk for point in points]),
        gradient_norms=column("gradient_norm"),
        arriving=column("arriving"),
        activation_norms=column("activation_norm"),
        activation_deviations=column("activation_deviation"),
        weight_norms=column("weight_norm"),
        weight_gradient_norms=column("weight_gradient_norm"),
        weight_figures=column("weight_figure"),
        dead_fractions=dead,
        saturated_fractions=saturated,
        histograms=np.stack([point.histogram for point in points]),
        verdict=measured.verdict,
        cause=measured.cause,
        remedies=measured.remedies,
        objective=found.objective,
        data=told_data(inputs, batch, found.calibrated),
    )
