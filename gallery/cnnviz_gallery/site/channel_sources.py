"""What the weights say of a unit: what it reads, what reads it, and which class it votes for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.introspection.layers import kind
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model
from cnnviz.models.weights import layer_weight
from cnnviz_gallery.site.class_layer import gives_classes
from cnnviz_gallery.site.connections import Sources

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ChannelLink:
    """A connection between two units.

    Attributes
    ----------
    unit : Unit
        The other unit.
    norm, total : float
        The L2 norm of the weights between them, and their sum.
    kernel : ndarray of float32 or None
        [h, w], the weights themselves; None where they are no picture.
    """

    unit: Unit
    norm: float
    total: float
    kernel: Floats | None


@dataclass(frozen=True, eq=False)
class _Reading:
    """The weights of one layer, added up over what arrives from each unit."""

    units: tuple[Unit, ...]
    features: tuple[tuple[int, ...], ...]
    norms: Floats
    totals: Floats


class ChannelSources:
    """The weights of a network, unit by unit.

    Parameters
    ----------
    model : Model
        The network.
    sources : mapping of str to Sources
        What each layer reads (see `connections.channel_connections`).
    """

    def __init__(self, model: Model, sources: Mapping[str, Sources]) -> None:
        self._model, self._modules = model, dict(model.module.named_modules())
        self._sources = sources
        self._readers: dict[str, list[str]] = {}
        for layer, found in sources.items():
            for each in dict.fromkeys(unit.layer for units in found for unit in units):
                self._readers.setdefault(each, []).append(layer)
        self._reading = cache(self._read)
        self._weight_of = cache(self._make_weight)

    def told(self, layer: str) -> bool:
        """Whether it is known what a layer reads, and it has weights to read it by."""
        return layer in self._sources and self._weight(layer) is not None

    def passed_on(self, layer: str, channel: int) -> tuple[Unit, ...]:
        """Return what a channel of a layer without weights of its own passes on."""
        found = self._sources.get(layer)
        weighted = kind(self._modules[layer.partition("#")[0]]) in ("conv", "linear")
        if found is None or weighted or channel >= len(found):
            return ()
        return found[channel]

    def image_kernel(self, layer: str, channel: int, colours: int) -> Floats | None:
        """Return the kernel [C, h, w] of a unit that reads the image itself, else None."""
        weight = self._weight(layer)
        if layer in self._sources or weight is None or weight.ndim != 4:
            return None
        kernel = weight[channel]
        return kernel.numpy() if len(kernel) == colours else None

    def inputs(self, unit: Unit, count: int) -> tuple[ChannelLink, ...]:
        """Return the units that a unit reads with the largest weights, the largest first."""
        if not self.told(unit.layer):
            return ()
        reading = self._reading(unit.layer)
        order = np.argsort(-reading.norms[unit.channel], kind="stable")[:count]
        links = (self._link(unit, reading, int(place)) for place in order)
        return tuple(link for link in links if link.norm > 0.0)

    def outputs(self, unit: Unit, count: int) -> tuple[ChannelLink, ...]:
        """Return the units that read a unit with the largest weights, the largest first."""
        found: list[ChannelLink] = []
        for layer in self._readers.get(unit.layer, ()):
            if not self.told(layer):
                continue
            reading = self._reading(layer)
            if unit not in reading.units:
                continue
            place = reading.units.index(unit)
            order = np.argsort(-reading.norms[:, place], kind="stable")[:count]
            for channel in order:
                link = self._link(Unit(layer, int(channel)), reading, place)
                found.append(
                    ChannelLink(Unit(layer, int(channel)), link.norm, link.total, link.kernel)
                )
        read = [link for link in found if link.norm > 0.0]
        return tuple(sorted(read, key=lambda link: -link.norm)[:count])

    def arriving(self, layer: str) -> dict[tuple[Unit, ...], tuple[int, ...]]:
        """Return by which features a layer reads units, or the sum of several; empty if unknown."""
        if not self.told(layer):
            return {}
        places: dict[tuple[Unit, ...], list[int]] = {}
        for feature, units in enumerate(self._sources[layer]):
            places.setdefault(units, []).append(feature)
        return {units: tuple(at) for units, at in places.items()}

    def last_layer(self, classes: int) -> str | None:
        """Return the last layer with weights that has one output for each class.

        None where its outputs are no classes: a layer within may have as many.
        """
        found = None
        for layer in self._sources:
            weight = self._weight(layer)
            if weight is not None and len(weight) == classes:
                found = layer
        return found if found and gives_classes(self._model, found) else None

    def _weight(self, layer: str) -> torch.Tensor | None:
        return self._weight_of(layer.partition("#")[0])

    def _make_weight(self, name: str) -> torch.Tensor | None:
        module = self._modules.get(name)
        transposed = isinstance(module, nn.ConvTranspose2d)
        if not isinstance(module, nn.Conv2d | nn.Linear) or transposed:
            return None
        return layer_weight(module).float().cpu()

    def _read(self, layer: str) -> _Reading:
        weight, sources = self._weight(layer), self._sources[layer]
        if weight is None:
            raise LookupError(f"{layer} has no weights.")
        squares = (
            _spread(weight.flatten(2).square().sum(2), len(sources))
            if weight.ndim > 2
            else (weight.square())
        )
        sums = _spread(weight.flatten(2).sum(2), len(sources)) if weight.ndim > 2 else weight
        places: dict[Unit, list[int]] = {}
        for feature, units in enumerate(sources):
            for unit in units:
                places.setdefault(unit, []).append(feature)
        norms = np.stack([squares[:, at].sum(1).sqrt().numpy() for at in places.values()], 1)
        totals = np.stack([sums[:, at].sum(1).numpy() for at in places.values()], 1)
        features = tuple(tuple(at) for at in places.values())
        return _Reading(tuple(places), features, norms, totals)

    def _link(self, reader: Unit, reading: _Reading, place: int) -> ChannelLink:
        norm = float(reading.norms[reader.channel, place])
        total = float(reading.totals[reader.channel, place])
        kernel = self._kernel(reader, reading.features[place])
        return ChannelLink(reading.units[place], norm, total, kernel)

    def _kernel(self, reader: Unit, features: tuple[int, ...]) -> Floats | None:
        weight = self._weight(reader.layer)
        if weight is None:
            return None
        if weight.ndim == 4:
            inside = features[0] % weight.shape[1]
            found = weight[reader.channel, inside].numpy()
        else:
            side = math.isqrt(len(features))
            if side * side != len(features):
                return None
            found = weight[reader.channel, list(features)].numpy().reshape(side, side)
        return found if found.size > 1 else None


def _spread(values: torch.Tensor, inputs: int) -> torch.Tensor:
    """Return [out, in / groups] as [out, in], zero between channels of different groups."""
    outputs, inside = values.shape
    groups = inputs // inside
    if groups == 1:
        return values
    spread = torch.zeros(outputs, inputs)
    each = outputs // groups
    for group in range(groups):
        rows = slice(group * each, (group + 1) * each)
        spread[rows, group * inside : (group + 1) * inside] = values[rows]
    return spread
