"""The effective receptive field of a layer, measured from the gradient of its middle unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.finite import finite
from cnnviz.introspection.forward import backward_pass
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.random_draws import own_generator
from cnnviz.introspection.receptive_fields import Box, box_of
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.units.projection import PartialForward


@dataclass(frozen=True)
class MeasuredField:
    """What the middle unit of a layer sees, and the energy of its gradient at every pixel."""

    described: str
    size: tuple[int, ...]
    window: Box
    position: tuple[int, ...]
    energy: NDArray[np.float64]

    @property
    def _weights(self) -> list[NDArray[np.float64]]:
        """The energy along each axis, each with the sum one, or NaN where there is none."""
        with np.errstate(invalid="ignore"):
            shares = self.energy / self.energy.sum()
        every = range(shares.ndim)
        return [shares.sum(tuple(other for other in every if other != axis)) for axis in every]

    @property
    def centre(self) -> NDArray[np.float64]:
        return np.array([w @ (np.arange(len(w)) + 0.5) for w in self._weights])

    @property
    def spread(self) -> NDArray[np.float64]:
        squares = [
            w @ (np.arange(len(w)) + 0.5 - middle) ** 2
            for w, middle in zip(self._weights, self.centre, strict=True)
        ]
        return np.sqrt(squares)

    @property
    def effective(self) -> NDArray[np.float64]:
        # Four standard deviations of an even spread are more than its width, and of a single
        # pixel nothing.
        return np.minimum(np.maximum(4.0 * self.spread, 1.0), self.window.sizes)

    @property
    def inside(self) -> float:
        """The share of the energy in the effective field."""
        near = [
            np.abs(np.arange(length) + 0.5 - middle) <= 0.5 * width
            for length, middle, width in zip(
                self.energy.shape, self.centre, self.effective, strict=True
            )
        ]
        total = float(self.energy.sum())
        return float(self.energy[np.ix_(*near)].sum()) / total if total > 0.0 else float("nan")

    @property
    def outside(self) -> float:
        total = float(self.energy.sum())
        rest = self.energy.copy()
        rest[tuple(map(slice, self.window.starts, self.window.ends))] = 0.0
        return float(rest.sum()) / total if total > 0.0 else 0.0


def measure(passage: PartialForward, inputs: torch.Tensor, draws: int, seed: int) -> MeasuredField:
    """Measure the gradient of the middle unit, over images and draws of signs for its channels."""
    extent = tuple(inputs.shape[2:])
    energy = torch.zeros(extent, dtype=torch.float64)
    at_once = rows_at_once(passage.model, inputs, passage.bytes_each)
    position: tuple[int, ...] = ()
    for start in range(0, len(inputs), at_once):
        maps, leaf, _ = passage.run(inputs[start : start + at_once], "gradient")
        finite(maps, f"The activations of layer {passage.layer!r}")
        position = tuple(length // 2 for length in maps.shape[2:])
        places = range(start, start + len(maps))
        signs = _signs(passage.layer, places, draws, int(maps.shape[1]), seed)
        for draw_ in range(draws):
            keep = draw_ < draws - 1
            gradient = _signed_gradient(passage, maps, leaf, position, signs[draw_], keep)
            energy += gradient.double().square().sum((0, 1)).cpu()
    energy /= len(inputs) * draws
    field = passage.field and passage.field.local
    window, size = box_of((0,) * len(extent), extent), extent
    if field is not None:
        window, size = field.inside(*position), field.size
    return MeasuredField(
        described="unknown" if passage.field is None else passage.field.describe(unit=True),
        size=size,
        window=window,
        position=position,
        energy=energy.numpy(),
    )


def _signs(layer: str, images: Iterable[int], draws: int, channels: int, seed: int) -> torch.Tensor:
    """Return random signs [draws, B, C], whatever other layers and images are measured."""
    each = [
        torch.randint(0, 2, (draws, channels), generator=own_generator(seed, layer, image))
        for image in images
    ]
    return torch.stack(each, 1) * 2.0 - 1.0


def _signed_gradient(
    passage: PartialForward,
    maps: torch.Tensor,
    leaf: torch.Tensor,
    position: tuple[int, ...],
    signs: torch.Tensor,
    keep_graph: bool,
) -> torch.Tensor:
    """Return the gradient of a unit's channels with signs [B, C], as [B, C, H, W].

    The mean of its square is the sum of the squared gradients of all channels, as the products of
    different channels have a random sign and vanish.
    """
    passage.check_differentiable(maps)
    # A network that computes parts anew on the way back has to be in the state it was in.
    with isolated(passage.model.module, grad=True):
        entries: tuple[Any, ...] = (..., *position)
        unit = maps[entries]
        weights = signs.to(unit.device, unit.dtype)
        with backward_pass(passage.model.name):
            (gradient,) = torch.autograd.grad(unit, leaf, weights, retain_graph=keep_graph)
    return finite(gradient, f"The gradients of layer {passage.layer!r}")
