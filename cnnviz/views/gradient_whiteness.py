"""How fast the gradient at the input changes along a line of images: smoothly, or like noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.errors import UsageError
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.introspection.batch_statistics import Calibration, calibrated
from cnnviz.introspection.finite import finite
from cnnviz.introspection.forward import backward_pass, check_differentiable
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.passes_anew import anew
from cnnviz.models import Model, as_model
from cnnviz.models.compared import Compared, compared_models, told_apart
from cnnviz.models.outputs import scores_of
from cnnviz.models.whole_image_scores import check_scores_the_image
from cnnviz.passes.batch_size import rows_that_fit
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.results import drawing
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, space_of
from cnnviz.results.text import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (drawing.WARM, drawing.ACCENT, "#2f8f4e", "#7a4fc9", "#8a6d00", "#5b6f94")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GradientWhiteness(Result):
    """The autocorrelation of the input gradient of K networks, along M lines of T images.

    Attributes
    ----------
    names : tuple of str
        The networks.
    lags : ndarray of int64
        How many steps lie between the two gradients that are compared, [L], from 0.
    correlations : ndarray of float64
        The autocorrelation, [K, M, L]; NaN where a gradient does not change at all.
    series : ndarray of float64
        The component of the gradient in one random direction along the first line, less its mean
        and in units of its deviation, [K, T].
    endpoints : str
        What the lines lead from and to, in a sentence.
    notes : tuple of str
        What else is to be told, in sentences.
    axes : int
        How many axes the inputs have: 1 for signals, 2 for images, 3 for volumes.
    """

    left_out: ClassVar[tuple[str, ...]] = ("axes",)
    derived: ClassVar[tuple[str, ...]] = ("mean", "lag_one")

    names: tuple[str, ...]
    lags: NDArray[np.int64]
    correlations: NDArray[np.float64]
    series: NDArray[np.float64]
    endpoints: str
    notes: tuple[str, ...] = ()
    axes: int = IMAGE.axes

    @property
    def noun(self) -> str:
        """What an input is called."""
        return space_of(self.axes).noun

    @property
    def mean(self) -> NDArray[np.float64]:
        """The autocorrelation, mean over the lines along which the gradient changes, [K, L]."""
        return mean_of_known(self.correlations, 1)

    @property
    def lag_one(self) -> dict[str, float]:
        """The autocorrelation from one image to the next, by network: 0 for white noise."""
        return {name: float(value) for name, value in zip(self.names, self.mean[:, 1], strict=True)}

    def summary(self) -> str:
        """Say how alike the gradients of neighbouring images are."""
        said = ", ".join(
            f"{name} {minus(f'{value:.2f}')}{self._left_out(place)}"
            if np.isfinite(value)
            else f"{name} has a constant gradient"
            for place, (name, value) in enumerate(zip(self.names, self.mean[:, 1], strict=True))
        )
        return f"Lag-1 autocorrelation of the input gradient: {said}"

    def _left_out(self, place: int) -> str:
        """Say along how many lines the gradient of a network is constant, if any."""
        constant = int(np.isnan(self.correlations[place, :, 1]).sum())
        several = self.correlations.shape[1]
        return f" (without {constant} of {several} lines: a constant gradient)" if constant else ""

    def caption(self) -> str:
        """Say what the lines are, what was differentiated, and how to read the curves."""
        lines, count = self.correlations.shape[1], self.series.shape[1]
        several = f", mean over {lines} lines" if lines > 1 else ""
        told = "".join(f" {note}" for note in self.notes)
        return (
            f"The gradient of a random +1/−1 combination of the logits at {count} {self.noun}s on "
            f"a straight line. {self.endpoints} On the left its component in one random direction, "
            "for each network by itself; on the right the autocorrelation of the whole gradient "
            f"over the steps between two {self.noun}s{several}. White noise has 0 from a lag of 1 "
            f"on: then what a step of training learns at one {self.noun} says nothing of the next. "
            f"It falls with the length of a step, so that only lines of one kind compare.{told}"
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw a component of the gradients along the line, and their autocorrelation."""
        figure = drawing.canvas(10.5, max(3.6, 1.2 + 0.8 * len(self.names)), into)
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
        self._draw_series(left)
        self._draw_curves(right)
        changes = f"changes from {self.noun} to {self.noun}"
        drawing.heading(figure, f"How the gradient at the input {changes}")
        return figure

    def _draw_series(self, axes: Axes) -> None:
        drawing.plain_axes(axes)
        axes.spines["left"].set_visible(False)
        steps, reach = np.arange(self.series.shape[1]), max(2.5, float(np.abs(self.series).max()))
        for row, (name, values) in enumerate(zip(self.names, self.series, strict=True)):
            base = -2.5 * reach * row
            axes.axhline(base, color=drawing.FAINT, linewidth=0.6)
            axes.plot(steps, base + values, color=_colour(row), linewidth=1.1)
            axes.text(
                0.0, base + 1.08 * reach, name, fontsize=drawing.TEXT_SIZE, color=_colour(row)
            )
        axes.set_ylim(-2.5 * reach * (len(self.names) - 1) - 1.1 * reach, 1.5 * reach)
        axes.set_yticks([])
        line = f"{self.noun} on a straight line between two"
        axes.set_xlabel(line, fontsize=drawing.TEXT_SIZE, color=drawing.INK)
        axes.set_title(
            "one component of the gradient, in units of its deviation",
            fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left",
        )  # fmt: skip

    def _draw_curves(self, axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        drawing.plain_axes(axes)
        axes.axhline(0.0, color=drawing.INK, linewidth=0.7)
        axes.axvline(1.0, color=drawing.FAINT, linewidth=0.8, linestyle=":")
        for row, (name, values) in enumerate(zip(self.names, self.mean, strict=True)):
            label = f"{name}: {minus(f'{values[1]:.2f}')} at lag 1"
            axes.plot(
                self.lags, values, color=_colour(row), linewidth=1.5, marker="o", markersize=2.8,
                label=label,
            )  # fmt: skip
        axes.set_ylim(min(-0.12, float(np.nanmin(self.mean, initial=0.0)) - 0.05), 1.04)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(
            f"lag ({self.noun}s on the line)", fontsize=drawing.TEXT_SIZE, color=drawing.INK
        )
        axes.set_title(
            "autocorrelation of the gradient (white noise: 0)",
            fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left",
        )  # fmt: skip
        axes.legend(frameon=False, fontsize=drawing.SMALL_SIZE)


def _colour(row: int) -> str:
    return _COLOURS[row % len(_COLOURS)]


@bounded
@in_smaller_batches
def gradient_whiteness(
    model: Model | nn.Module,
    images: Images | None = None,
    compare: Compared | Sequence[Compared] | None = None,
    *,
    compare_weights: str | Sequence[str] | None = None,
    along: Literal["images", "noise"] = "images",
    points: Annotated[int, Within(3, 10_000)] = 100,
    lines: Annotated[int, Within(1, 1_000)] = 2,
    seed: Seed = 0,
    progress: Progress = silent,
) -> GradientWhiteness:
    """Measure how alike the input gradients of neighbouring images are (Balduzzi et al. 2017).

    Deep networks without skips have gradients like white noise, with skips they do not. The
    gradient is that of a random combination of the logits with +1 and -1, in eval mode; batch norms
    that have never seen data are given the statistics of the line, beside the network.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array, a list of them, float tensor [N, C, H, W], or None
        The lines lead from each image to the next, or from a single one to its mirror image; from
        noise to noise without any.
    compare : str or sequence of str, Model or torch.nn.Module, optional
        Other networks, as names that `cnnviz.load` takes or as themselves.
    compare_weights : str or sequence of str, optional
        A checkpoint for each of these; without `compare`, this same network with other weights.
    along : {"images", "noise"}
        Whether lines lead through the images, or through standard normal noise.
    points : int
        How many images lie on a line.
    lines : int
        How many lines of noise.
    seed : int
        The seed of noise, combinations and directions.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each line.

    Returns
    -------
    GradientWhiteness

    Raises
    ------
    UsageError
        If an argument is out of range.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
    CheckpointError
        If the checkpoint cannot be read, or does not fit the network.
    TargetError
        If the output has no scores of classes.

    Examples
    --------
    >>> import cnnviz
    >>> network = cnnviz.load("mlp-10", "random")
    >>> cnnviz.gradient_whiteness(network).summary().split(":")[0]
    'Lag-1 autocorrelation of the input gradient'
    """
    if along not in ("images", "noise"):
        raise UsageError(f"There are no lines along {along!r}.", "Choose images or noise.")
    wrapped = as_model(model)
    models = [wrapped, *compared_models(wrapped, compare, compare_weights)]
    given = None if along == "noise" else images
    for one in models:
        first = None if given is None else one.prepare(given).tensor
        check_scores_the_image(one, "gradient_whiteness", first)
    curves, series, notes = [], [], []
    batch: Batch | None = None
    total = 0
    for place, one in enumerate(models):
        ends, read = _ends(one, given, lines, seed)
        batch, total = batch or read, len(models) * len(ends)
        found = []
        for line, (start, end) in enumerate(ends):
            progress(place * len(ends) + line, total, f"lines of {one.name}")
            found.append(_along(one, start, end, points, seed + line))
        curves.append([correlations for correlations, _, _ in found])
        series.append(found[0][1])
        notes += [f"{one.name}: {found[0][2]}"] if found[0][2] else []
    progress(total, total, "done")
    return GradientWhiteness(
        provenance=_provenance(models, batch, seed),
        names=told_apart(models),
        lags=np.arange(len(curves[0][0]), dtype=np.int64),
        correlations=np.array(curves),
        series=np.array(series),
        endpoints=_endpoints(given, batch, models[0].space.noun),
        notes=tuple(notes),
        axes=models[0].space.axes,
    )


def _ends(
    model: Model, images: Images | None, lines: int, seed: int
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], Batch | None]:
    """Return where each line begins and ends, and the images that were read for it."""
    if images is None:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(2 * lines, *model.input_shape, generator=generator)
        drawn = drawn.to(model.device, model.dtype)
        return [(drawn[2 * line], drawn[2 * line + 1]) for line in range(lines)], None
    batch = model.prepare(images)
    read = list(batch.tensor)
    if len(read) == 1:
        read.append(read[0].flip(-1))
    return list(pairwise(read)), batch


def _endpoints(images: Images | None, batch: Batch | None, noun: str) -> str:
    if images is None or batch is None:
        return "It leads from noise to noise."
    if len(batch) == 1:
        return f"It leads from {batch.photos[0].name} to its mirror image."
    return f"It leads from each {noun} to the next."


def _along(
    model: Model, start: torch.Tensor, end: torch.Tensor, points: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return the autocorrelation of the gradient on one line, a component of it, and a remark."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.linspace(0.0, 1.0, points, device=start.device, dtype=start.dtype)
    with isolated(model.module, grad=True):
        weights = share.reshape(-1, *[1] * start.ndim)
        inputs = (1.0 - weights) * start.clone() + weights * end.clone()
        rows, forward = rows_that_fit(model, inputs), anew(model.module, model.forward)
        calibration = calibrated(model.module, forward, inputs, rows)
        cotangent: torch.Tensor | None = None
        parts = []
        for part in torch.split(inputs, rows):
            leaf = part.clone().requires_grad_()
            logits = _logits(model, forward, leaf.clone(), calibration)
            check_differentiable(logits, model.name)
            if cotangent is None:
                signs = torch.randn(logits.shape[1:], generator=generator).sign()
                cotangent = signs.to(logits.device, logits.dtype)
            with backward_pass(model.name):
                (found,) = torch.autograd.grad((logits * cotangent).sum(), leaf)
            parts.append(
                finite(found, "The gradients of the class scores").double().flatten(1).cpu()
            )
    gradients = torch.cat(parts)
    told = "" if calibration is None else calibration.told()
    direction = torch.randn(gradients.shape[1], generator=generator, dtype=torch.float64)
    return autocorrelation(gradients.numpy()), _standard((gradients @ direction).numpy()), told


def _logits(
    model: Model,
    forward: Callable[[torch.Tensor], Any],
    inputs: torch.Tensor,
    calibration: Calibration | None,
) -> torch.Tensor:
    with calibration.applied() if calibration is not None else nullcontext():
        return scores_of(model, forward(inputs))


def autocorrelation(vectors: NDArray[np.float64], most: int | None = None) -> NDArray[np.float64]:
    """Return the autocorrelation of a sequence of vectors [T, D] over the lags 0 to `most`.

    The mean vector is taken away; the products of all vectors k steps apart are summed and divided
    by the sum of the squares, so that it is 1 at lag 0 and about -1 / T for white noise. NaN where
    the vectors are all the same.

    Parameters
    ----------
    vectors : ndarray of float64
        [T, D].
    most : int, optional
        The largest lag; a fifth of the length, and at least 1, by default.
    """
    centred = vectors - vectors.mean(axis=0)
    total = float(np.square(centred).sum())
    most = max(1, len(vectors) // 5) if most is None else most
    if not total > 1e-24 * float(np.square(vectors).sum()):
        return np.full(most + 1, np.nan)
    count = len(vectors)
    sums = [float((centred[lag:] * centred[: count - lag]).sum()) for lag in range(most + 1)]
    return np.array(sums) / total


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = values - values.mean()
    deviation = float(centred.std())
    return centred / deviation if deviation > 0.0 else centred


def _provenance(models: Sequence[Model], batch: Batch | None, seed: int) -> Provenance:
    first = models[0]
    compared = tuple(
        f"compared with {one.name}, weights {one.weights}, {one.sha256[:16]}" for one in models[1:]
    )
    return first.provenance(batch.photos if batch else (), seed=seed, notes=compared)
