"""The kernels and the feature maps of two networks, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.errors import LayerError
from cnnviz.images import Batch
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.models import Model
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.views.feature_maps import FeatureMaps, feature_maps
from cnnviz.views.filters import FilterGrid, filters

MOST_KERNELS = 24
"""The most kernels of a network that are drawn."""
_STAGES, _CHANNELS = 4, 6


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelPair:
    """The kernels of the first convolution of two networks.

    Attributes
    ----------
    layers : tuple of str
        The first convolution of either.
    kernels, other_kernels : ndarray of float32
        [out channels, in channels / groups, height, width], as either network holds them.
    changes : ndarray of float64
        The L2 norm of the difference of each filter from that of the same place in the other
        network, over its own norm, [out channels]; NaN where that is zero. Empty where filters are
        not matched.
    shown, other_shown : tuple of int
        The filters that are drawn.
    order : str
        How these were chosen.
    unmatched : str
        Why filters are not matched, in words; empty where they are.
    """

    layers: tuple[str, str]
    kernels: NDArray[np.float32]
    other_kernels: NDArray[np.float32]
    changes: NDArray[np.float64]
    shown: tuple[int, ...]
    other_shown: tuple[int, ...]
    order: str
    unmatched: str


@dataclass(frozen=True, kw_only=True, eq=False)
class MapPair:
    """The feature maps of one photo at two layers that are set side by side.

    Attributes
    ----------
    maps, other_maps : FeatureMaps
        Those of either network.
    matched : bool
        Whether the same channels of both are drawn: where the two have one architecture, and this
        is the same layer.
    """

    maps: FeatureMaps
    other_maps: FeatureMaps
    matched: bool


def differing(one: nn.Module, other: nn.Module) -> str:
    """Return how the architectures of two networks differ, in words; nothing where they do not."""
    if _layers(one) != _layers(other):
        return "the two have other layers"
    shapes = [
        {name: tuple(value.shape) for name, value in module.state_dict().items()}
        for module in (one, other)
    ]
    first = next((name for name in shapes[0] if shapes[0][name] != shapes[1].get(name)), "")
    return f"the two differ in the shape of {first}" if shapes[0] != shapes[1] else ""


def _layers(module: nn.Module) -> list[tuple[str, str]]:
    # By name: a file of code that is run twice defines its classes twice.
    return [(name, type(part).__qualname__) for name, part in module.named_modules()]


def kernel_pair(one: Model, other: Model) -> tuple[KernelPair | None, str]:
    """Return the first kernels of two networks, or None and why there are none."""
    try:
        first, second = filters(one), filters(other)
    except LayerError as error:
        return None, error.what
    why = _unmatched(one, other, first, second)
    if why:
        return _pair(first, second, np.empty(0), (_largest(first), _largest(second)), why), ""
    own = first.kernels.astype(np.float64)
    change = np.sqrt(np.square(second.kernels - own).sum((1, 2, 3)))
    changes = np.full(len(change), np.nan)
    np.divide(change, first.norms, out=changes, where=first.norms > 0.0)
    shown = tuple(range(len(changes)))
    if len(changes) > MOST_KERNELS:
        ranked = np.argsort(-np.nan_to_num(changes, nan=np.inf), kind="stable")
        shown = tuple(int(channel) for channel in ranked[:MOST_KERNELS])
    return _pair(first, second, changes, (shown, shown), ""), ""


def _unmatched(one: Model, other: Model, first: FilterGrid, second: FilterGrid) -> str:
    return differing(one.module, other.module) or (
        "their first convolutions differ" if first.layer != second.layer else ""
    )


def _largest(found: FilterGrid) -> tuple[int, ...]:
    if len(found.norms) <= MOST_KERNELS:
        return tuple(range(len(found.norms)))
    return tuple(int(one) for one in np.argsort(-found.norms, kind="stable")[:MOST_KERNELS])


def _pair(
    first: FilterGrid,
    second: FilterGrid,
    changes: NDArray[np.float64],
    shown: tuple[tuple[int, ...], tuple[int, ...]],
    why: str,
) -> KernelPair:
    some = max(len(first.kernels), len(second.kernels)) > MOST_KERNELS
    order = "with the largest norms" if why else "that differ most"
    return KernelPair(
        layers=(first.layer, second.layer),
        kernels=first.kernels,
        other_kernels=second.kernels,
        changes=changes,
        shown=shown[0],
        other_shown=shown[1],
        order=order if some else "by index",
        unmatched=why,
    )


def map_pairs(
    models: tuple[Model, Model],
    batches: tuple[Batch, Batch],
    layers: tuple[Sequence[str], Sequence[str]],
    cka: NDArray[np.float64],
) -> tuple[tuple[MapPair, ...], str]:
    """Return the maps of one photo at layers that match, and how these were matched.

    Parameters
    ----------
    models : tuple of Model
        The two networks.
    batches : tuple of Batch
        The photo as either takes it.
    layers : tuple of sequence of str
        The layers of each that are compared.
    cka : ndarray of float64
        [A, B]: how alike they are.
    """
    held = [_captured(*each) for each in zip(models, batches, layers, strict=True)]
    # What has no place of the image is no map.
    places = [
        [place for place, name in enumerate(names) if name in one.mapped()]
        for names, one in zip(layers, held, strict=True)
    ]
    if not all(places):
        return (), "no layer that is compared holds a map of more than one place"
    spread = np.linspace(0, len(places[0]) - 1, min(len(places[0]), _STAGES)).round()
    rows = [places[0][int(one)] for one in dict.fromkeys(spread)]
    columns, how = _columns(models, layers, rows, places, cka)
    same = not differing(models[0].module, models[1].module)
    return tuple(
        _maps(held, (layers[0][row], layers[1][column]), same=same)
        for row, column in zip(rows, columns, strict=True)
    ), how


def _captured(model: Model, batch: Batch, layers: Sequence[str]) -> Capture:
    known = named_layers(model.module)
    names = list(dict.fromkeys(without_call(layer, known) for layer in layers))
    return capture(model, batch, layers=names, gradients=False, logits=False)


def _columns(
    models: tuple[Model, Model],
    layers: tuple[Sequence[str], Sequence[str]],
    rows: Sequence[int],
    places: Sequence[Sequence[int]],
    cka: NDArray[np.float64],
) -> tuple[list[int], str]:
    """Return the layer of the other network for each of the first, and how it was found."""
    named = {layers[1][place]: place for place in places[1]}
    same = not differing(models[0].module, models[1].module)
    if same and all(layers[0][row] in named for row in rows):
        return [named[layers[0][row]] for row in rows], "the same layers of both"
    similarity = cka[np.ix_(list(rows), list(places[1]))]
    if np.isfinite(similarity).all():
        best = [places[1][int(one)] for one in similarity.argmax(1)]
        return best, "beside each layer that of the other network with the largest CKA"
    last, other_last = max(places[0][-1], 1), len(places[1]) - 1
    chosen = [places[1][round(row / last * other_last)] for row in rows]
    return chosen, "layers at the same share of the depth, since no CKA was measured"


def _maps(held: Sequence[Capture], names: tuple[str, str], *, same: bool) -> MapPair:
    first, second = (
        feature_maps(one, name, _CHANNELS, image=0) for one, name in zip(held, names, strict=True)
    )
    matched = same and names[0] == names[1]
    if matched:
        strength = sum(_relative(one.peak) for one in (first, second))
        shown = tuple(int(one) for one in np.argsort(-strength, kind="stable")[:_CHANNELS])
        first, second = replace(first, shown=shown), replace(second, shown=shown)
    return MapPair(maps=first, other_maps=second, matched=matched)


def _relative(peak: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return peaks as shares of the largest, so that neither network decides alone."""
    reach = float(np.abs(peak).max())
    return peak / reach if reach > 0.0 else peak
