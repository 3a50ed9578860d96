"""On what the images of a scan are computed, decided once, before the first of them counts.

Processes that share a scan decide for themselves, and have to decide alike, or what they find
together would depend on who saw which image. So it goes by what all of them know: how many images
there are, and the first of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._pytree import tree_leaves

from cnnviz.errors import CnnvizError
from cnnviz.introspection.fast_copy import UnsoundFoldError
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model
from cnnviz.passes.fast_model import FastModel, computed_on, fast_model
from cnnviz.passes.precision import BF16, Bf16Model, Precision, furthest
from cnnviz.passes.run_to_layer import PartialForward
from cnnviz.results.provenance import AS_IT_IS
from cnnviz.results.text import percent, plural

_TOLERANCE = 1e-5


@dataclass(frozen=True)
class ScanWay:
    """On what a scan computes its images.

    Attributes
    ----------
    model : Model
        The model itself.
    computing : Model
        What computes images of the size of the first.
    others : Model
        What computes those of other sizes.
    size : tuple of int
        (C, H, W) of the first image.
    told : str
        What it is, for the provenance of a result.
    key : str
        What tells it from every other way of computing the same images.
    bf16_error : float or None
        How far values in bfloat16 were from those in float32, of the largest value of the same
        layer, in the first images; None in float32.
    """

    model: Model
    computing: Model
    others: Model
    size: tuple[int, ...]
    told: str = AS_IT_IS
    key: str = ""
    bf16_error: float | None = None

    def of(self, inputs: torch.Tensor) -> Model:
        """Return what computes a batch of images."""
        return self.computing if tuple(inputs.shape[1:]) == self.size else self.others


def scan_way(
    model: Model,
    inputs: torch.Tensor,
    layers: Sequence[str],
    *,
    images: int,
    precision: Precision = "float32",
    answered: bool = True,
) -> ScanWay:
    """Decide on what the images of a scan are computed.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    inputs : torch.Tensor
        The first images of the scan, preprocessed, [N, C, H, W]: `MEASURED` of them in bfloat16,
        otherwise one.
    layers : sequence of str
        The layers that are wanted: nothing is folded into them.
    images : int
        How many there are in all.
    precision : {"float32", "bf16"}
        See `cnnviz.passes.precision`.
    answered : bool
        Whether the answer of the network is wanted.
    """
    size = tuple(inputs.shape[1:])
    known = named_layers(model.module)
    keeps = [without_call(layer, known) for layer in layers]
    fast = fast_model(model, inputs, rows=images, keeps=keeps, by_rows=True)
    itself = ScanWay(model, model, model, size, computed_on(model, inputs, keeps=keeps))
    if fast is model and precision != BF16:
        return itself
    wanted = _Wanted.of(model, inputs, layers, answered=answered)
    expected = wanted.seen(model, inputs)
    if fast is not model and not wanted.apart(fast, inputs, expected) <= _TOLERANCE:
        fast = model
    way = fast.way(inputs) if isinstance(fast, FastModel) else "itself"
    if precision != BF16:
        told = computed_on(fast, inputs)
        return itself if fast is model else ScanWay(model, fast, model, size, told, _digest(way))
    # A network may take maps apart in a way that takes them to lie as they do by default.
    for channels_last in (True, False):
        low = Bf16Model(fast, channels_last=channels_last)
        error = wanted.apart(low, inputs, expected)
        if error < float("inf"):
            break
    else:
        return itself
    others = Bf16Model(model, channels_last=channels_last)
    key = _digest(f"bf16 {channels_last} {way}")
    return ScanWay(model, low, others, size, _told(fast, error, len(inputs)), key, error)


def _told(fast: Model, error: float, count: int) -> str:
    what = "a private copy" if isinstance(fast, FastModel) else AS_IT_IS
    return (
        f"{what}, in bfloat16 (differs from float32 by up to {percent(error)} of the largest value "
        f"of a layer, in the first {plural(count, 'image')})"
    )


def _digest(way: str) -> str:
    return hashlib.sha256(way.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Wanted:
    """What is wanted of a pass: the peaks of some layers, and the answer."""

    passages: Mapping[Key, PartialForward]
    answered: bool

    @classmethod
    def of(
        cls, model: Model, inputs: torch.Tensor, layers: Collection[str], *, answered: bool
    ) -> _Wanted:
        found = PartialForward.each(model, inputs, list(layers)) if layers else ()
        return cls({each.key: each for each in found}, answered or not layers)

    def seen(self, computing: Model, inputs: torch.Tensor) -> list[NDArray[np.float64]]:
        """Return the largest value of each map, and what the network answers."""
        found: dict[Key, NDArray[np.float64]] = {}

        def take(key: Key, _inputs: Any, output: Any) -> None:
            if key in self.passages:
                maps = self.passages[key].maps(output, len(inputs))
                found[key] = _array(maps.flatten(2).amax(2))

        modules = {name: computing.module.get_submodule(name) for name, _ in self.passages}
        with isolated(computing.module, grad=False):
            ends = () if self.answered else tuple(self.passages)
            output = run_to(computing.forward, inputs.clone(), modules, ends, after=take)
        values = [found[key] for key in self.passages if key in found]
        if self.answered:
            leaves = (each for each in tree_leaves(output) if isinstance(each, torch.Tensor))
            values += [_array(each) for each in leaves if each.is_floating_point()]
        return values

    def apart(
        self, computing: Model, inputs: torch.Tensor, expected: Sequence[NDArray[np.float64]]
    ) -> float:
        """Return the largest difference, of the largest value of the same; infinite where none."""
        try:
            found = self.seen(computing, inputs)
        except (CnnvizError, UnsoundFoldError):
            return float("inf")
        return furthest(found, expected)


def _array(values: torch.Tensor) -> NDArray[np.float64]:
    held: NDArray[np.float64] = values.detach().double().cpu().numpy()
    return held
