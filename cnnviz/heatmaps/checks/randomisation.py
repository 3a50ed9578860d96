"""Randomisation: whether a map still looks the same when the network has forgotten all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.errors import NothingFoundError
from cnnviz.heatmaps.checks.explained_batch import Asked, Explain, ExplainedBatch, Maps, at_size
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.random_maps import random_maps
from cnnviz.heatmaps.checks.similarity import drawn, rank_correlation, ssim
from cnnviz.images import Batch
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.layers import kind, named_layers
from cnnviz.models import Model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captures import capture
from cnnviz.passes.shared_captures import is_shared_with
from cnnviz.results.known_mean import mean_of_known

_TRIES = 4
_NO_ROOM = 1e-6
_PEAKS = 99.5
"""The percentile at which the gradient's colours end: single pixels outshine all others."""


@dataclass(frozen=True, eq=False)
class Randomisation:
    """How alike the maps stay while the weights are redrawn from the top down.

    Attributes
    ----------
    stages : tuple of str
        The T layers down to which the weights were redrawn, the top one first.
    redrawn : tuple of int
        How many layers were redrawn at each stage.
    layers : int
        How many layers with weights there are.
    correlation : ndarray of float
        The rank correlation of each map with the map of the trained network, [T, N]; NaN where
        either has one value everywhere, so that there is nothing to compare.
    similarity : ndarray of float
        The structural similarity of the two as they are drawn, [T, N].
    random_correlation, random_similarity : ndarray of float
        Those of the random maps with the map of the trained network, [N, R].
    gradient : Randomisation, optional
        The same for the plain gradient, as a yardstick: it is what the network computes and
        nothing else, and keeps some similarity because the lower layers still find the same edges.
    """

    stages: tuple[str, ...]
    redrawn: tuple[int, ...]
    layers: int
    correlation: NDArray[np.float64]
    similarity: NDArray[np.float64]
    random_correlation: NDArray[np.float64]
    random_similarity: NDArray[np.float64]
    gradient: Randomisation | None = None

    def measures(self) -> tuple[Measure, ...]:
        """Return the similarity kept while the upper half forgets, and means over all stages."""
        yardstick = () if self.gradient is None else self.gradient.kept()
        return (
            Measure("similarity_kept", "similarity kept", "", *self.kept()),
            *(
                [Measure("gradient_similarity", "similarity kept by the gradient", "", *yardstick)]
                if yardstick
                else []
            ),
            Measure(
                "randomised_correlation",
                "rank correlation, weights redrawn",
                "",
                mean_of_known(self.correlation, 0),
                self.random_correlation,
            ),
            Measure(
                "randomised_similarity",
                "SSIM, weights redrawn",
                "",
                mean_of_known(self.similarity, 0),
                self.random_similarity,
            ),
        )

    def kept(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how alike each map stays while the upper half is redrawn, [N], and random [N, R].

        The mean of the rank correlation and the SSIM, each on a scale on which the random maps of
        the same image are 0 and the same map is 1, over the stages down to half of the layers. The
        lower half is left out because even an honest map is made of the edges that it finds, and
        the upper half holds the classes. Both similarities are used because either alone is
        deceived: the rank correlation of plain gradients by where the photo has edges at all, the
        SSIM of coarse maps by their smoothness.
        """
        upper = [place for place, depth in enumerate(self.redrawn) if 2 * depth <= self.layers]
        kept = np.zeros(self.correlation.shape[1])
        random_kept = np.zeros(self.random_correlation.shape)
        for values, random in (
            (self.correlation, self.random_correlation),
            (self.similarity, self.random_similarity),
        ):
            by_chance = random.mean(1)
            room = np.where(by_chance < 1.0 - _NO_ROOM, 1.0 - by_chance, np.nan)
            kept += 0.5 * (mean_of_known(values[upper or [0]], 0) - by_chance) / room
            random_kept += 0.5 * (random - by_chance[:, None]) / room[:, None]
        return kept, random_kept


def randomisation(
    subject: ExplainedBatch,
    maps: Maps,
    random: NDArray[np.float32],
    explain: Explain,
    *,
    relu: bool,
    clip_percentile: float = 100.0,
    stages: int = 8,
    seed: int = 0,
) -> Randomisation:
    """Redraw the weights from the top down and compare the maps (Adebayo et al. 2018, section 3).

    At each stage all layers from the output down to one are redrawn as before training: weights
    from the normal distribution of He et al. 2015, biases zero, normalisation without effect. It
    is done on a copy. The class stays the one that was explained. A map that explains what the
    network has learned must change; one that stays shows the photo. Every stage draws anew, so
    that no single draw decides, and up to three times more where a map comes out without a single
    difference.

    Binder et al. 2023 show that the answer of the lower, still trained layers carries over to the
    maps of any faithful method, so the height of a curve is read beside that of the plain
    gradient: see `beside_gradient`.

    Parameters
    ----------
    subject : ExplainedBatch
        The images and classes.
    maps : ndarray of float32
        [N, h, w], from `explain` on the trained network.
    random : ndarray of float32
        [N, R, h, w].
    explain : callable
        Makes the maps of a network.
    relu, clip_percentile : bool, float
        How the maps are drawn; see `cnnviz.heatmaps.heatmap.Heatmap`.
    stages : int
        At most how many stages; the layers with weights are spread evenly over them.
    seed : int
        The seed of the weights.
    """
    names = weighted_layers(subject.model, subject.inputs)
    depths = np.unique(np.linspace(1, len(names), min(stages, len(names))).round().astype(int))
    forgetful = copy_network(subject.model.module)
    is_shared_with(forgetful)
    model = subject.model.around(forgetful, weights="partly redrawn")
    compare = _Comparison(subject, maps, relu, clip_percentile)
    correlation, similarity = [], []
    for stage, depth in enumerate(depths):
        alike = np.full((len(maps), 2), np.nan)
        # Random weights may leave a class that no input reaches, and a map of zeros with it.
        for again in range(_TRIES):
            redraw(forgetful, names[:depth], seed=seed + 7919 * (_TRIES * stage + again))
            changed = _explained(explain, model, subject, maps)
            for image in np.flatnonzero(~np.isfinite(alike[:, 0])):
                alike[image] = compare(int(image), changed[image])
            if np.isfinite(alike[compare.possible]).all():
                break
        correlation.append(alike[:, 0])
        similarity.append(alike[:, 1])
    by_chance = np.array(
        [[compare(image, r) for r in several] for image, several in enumerate(random)]
    )
    return Randomisation(
        stages=tuple(names[depth - 1] for depth in depths),
        redrawn=tuple(int(depth) for depth in depths),
        layers=len(names),
        correlation=np.array(correlation),
        similarity=np.array(similarity),
        random_correlation=by_chance[..., 0],
        random_similarity=by_chance[..., 1],
    )


def _explained(explain: Explain, model: Model, subject: ExplainedBatch, maps: Maps) -> Maps:
    """Return the maps of a network that has forgotten, of zeros where it finds nothing to explain.

    A detector with weights redrawn may find no box of the class any more: then there is no map, and
    nothing is compared.
    """
    try:
        return explain(model, subject.batch, subject.asked)
    except NothingFoundError:
        if len(maps) == 1:
            return np.zeros_like(maps)
    found = np.zeros_like(maps)
    for image, one in enumerate(subject.batch.singles()):
        asked = subject.asked
        with suppress(NothingFoundError):
            found[image] = explain(
                model, one, [asked[image]] if isinstance(asked, Sequence) else asked
            )[0]
    return found


def plain_gradient(model: Model, batch: Batch, asked: Asked) -> Maps:
    """Return the largest gradient among the channels of each pixel (Simonyan et al. 2013)."""
    held = capture(model, batch, layers=(), target=asked)
    return np.asarray(held.input_gradient.abs().amax(1).float().cpu().numpy())


def beside_gradient(
    found: Randomisation, subject: ExplainedBatch, *, count: int, stages: int, seed: int
) -> Randomisation:
    """Return a result with that of the plain gradient beside it, under the same weights.

    The gradient's is made once for a subject, whatever else is measured on it.

    Parameters
    ----------
    found : Randomisation
        What `randomisation` found with the same stages and seed.
    subject : ExplainedBatch
        The images and classes.
    count : int
        How many random maps for each map of the gradient.
    stages, seed : int
        Those that `found` was made with.
    """
    key = ("gradient", count, stages, seed)
    if key not in subject.shared:
        subject.shared[key] = _of_gradient(subject, count, stages, seed)
    return replace(found, gradient=subject.shared[key])


def _of_gradient(subject: ExplainedBatch, count: int, stages: int, seed: int) -> Randomisation:
    maps = plain_gradient(subject.model, subject.batch, subject.asked)
    return randomisation(
        subject,
        maps,
        random_maps(maps, count, seed),
        plain_gradient,
        relu=True,
        clip_percentile=_PEAKS,
        stages=stages,
        seed=seed,
    )


class _Comparison:
    """Compares maps with those of the trained network, in order and as they are drawn."""

    def __init__(
        self, subject: ExplainedBatch, maps: Maps, relu: bool, clip_percentile: float
    ) -> None:
        self.maps, self.size, self.relu, self.clip_percentile = (
            maps,
            subject.size,
            relu,
            clip_percentile,
        )
        self.pictures = self._drawn(maps)
        self.possible = np.array([np.ptp(values) > 0.0 for values in maps])

    def _drawn(self, maps: Maps) -> NDArray[np.float32]:
        return drawn(at_size(maps, self.size), relu=self.relu, clip_percentile=self.clip_percentile)

    def __call__(self, image: int, values: Maps) -> tuple[float, float]:
        if not self.possible[image] or np.ptp(values) == 0.0:
            return float("nan"), float("nan")
        picture = self._drawn(values[None])[0]
        span = 1.0 if self.relu else 2.0
        alike = ssim(self.pictures[image], picture, span)
        return rank_correlation(self.maps[image], values), alike


def weighted_layers(model: Model, inputs: torch.Tensor) -> list[str]:
    """Return the layers that hold parameters of their own, the last called first.

    A layer below one of these that is never called itself comes with it: attention reads the
    weights of its last projection.
    """
    layers = named_layers(model.module)
    called = dict.fromkeys(call.name for call in call_order(model, inputs).calls)
    found = []
    for name in called:
        if _holds_parameters(layers[name]):
            below = [f"{name}.{child}" for child, _ in layers[name].named_children()]
            read = [one for one in below if one not in called and _holds_parameters(layers[one])]
            found += [name, *read]
    return found[::-1]


def all_layers(model: Model, inputs: torch.Tensor) -> list[str]:
    """Return `weighted_layers`, and after them all else that a training sets.

    What the network holds itself, such as the token of the class, goes by its own empty name; and
    there are normalisation without weights, and heads that evaluation does not call.
    """
    found = weighted_layers(model, inputs)
    known = named_layers(model.module)
    there = {id(known[name]) for name in found}
    rest = [
        name
        for name, part in model.module.named_modules()
        if id(part) not in there and (_holds_parameters(part) or kind(part) == "norm")
    ]
    return found + rest


def _holds_parameters(layer: nn.Module) -> bool:
    return any(True for _ in layer.parameters(recurse=False))


def redraw(module: nn.Module, names: list[str], seed: int) -> None:
    """Redraw the parameters of the named layers in place, as before training.

    Weights come from the normal distribution of variance 2 / fan-in, biases are 0, normalisation
    has no effect. Any other parameter, with one number a channel, has its own values shuffled.
    The empty name stands for what the network holds itself.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = {"": module, **named_layers(module)}
    with torch.no_grad():
        for name in names:
            layer = layers[name]
            if kind(layer) == "norm":
                _neutral(layer)
                continue
            for role, parameter in layer.named_parameters(recurse=False):
                kernels = kind(layer) in ("conv", "linear")
                parameter.copy_(_redrawn(role, parameter, generator, kernels=kernels))


def _neutral(layer: nn.Module) -> None:
    held = {**layer._parameters, **layer._buffers}
    for role, value in (
        ("weight", 1.0),
        ("bias", 0.0),
        ("running_mean", 0.0),
        ("running_var", 1.0),
    ):
        tensor = held.get(role)
        if tensor is not None:
            tensor.fill_(value)


def _redrawn(
    role: str, values: torch.Tensor, generator: torch.Generator, *, kernels: bool
) -> torch.Tensor:
    if role == "bias" or role.endswith("_bias"):
        return torch.zeros_like(values)
    # A gain for each channel, [C] or [C, 1, 1], sums over nothing.
    if values.ndim < 2 or (values[0].numel() == 1 and not kernels):
        order = torch.randperm(values.numel(), generator=generator).to(values.device)
        shuffled: torch.Tensor = values.flatten()[order].view_as(values)
        return shuffled
    deviation = (2.0 / values[0].numel()) ** 0.5
    drawn_anew: torch.Tensor = torch.randn(values.shape, generator=generator) * deviation
    return drawn_anew.to(values)
