"""What a layer gives as a map of the image, [N, C, h, w], or the sentence why it is none.

The one place that says so, for every view. Which element stands for which place of the image is
followed through the network (`cnnviz.introspection.tracing`) and never guessed from a shape:
channels-last outputs are turned, tokens and windows put back on their grid with class and register
tokens set apart, and weights, attention and whatever ignores the image are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch

from cnnviz.errors import LayerError, ModelError
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import check_is_layer, named_layers
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.tracing import Trace, trace
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap
from cnnviz.models import Model


@dataclass(frozen=True)
class TracedOutput:
    """What one call of a layer gives.

    Attributes
    ----------
    map : MapLayout or NoMap
        How it holds a map of the image, or why it holds none.
    kind : str
        The kind of the layer, as `cnnviz.introspection.tracing.LayerCall.kind`.
    """

    map: MapLayout | NoMap
    kind: str


UNTRACED = TracedOutput(NoMap.UNKNOWN, "other")

_KEPT: NetworkCache[dict[Key, TracedOutput]] = NetworkCache(values=False)


def traced_outputs(model: Model, inputs: torch.Tensor) -> Mapping[Key, TracedOutput]:
    """Return what every call of every layer gives for images of this shape.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W]; where the network cannot run on zeros, the first is used.
    """
    return _KEPT.get(model.module, inputs.shape[1:], lambda: _trace(model, inputs))


def _trace(model: Model, inputs: torch.Tensor) -> dict[Key, TracedOutput]:
    found: Trace | None
    try:
        found = trace(model.module, tuple(inputs.shape[1:]))
    except ModelError:
        found = _trace_image(model, inputs)
    return {} if found is None else _told(found)


def trace_of_calls(model: Model, inputs: torch.Tensor, calls: Collection[Key]) -> Trace:
    """Follow a network on zeros, or on the first image where zeros pass one of the calls by.

    Raises
    ------
    LayerError
        If the first image passes it by as well.
    """
    traced = trace(model.module, tuple(inputs.shape[1:]))
    if not _lacking(traced, calls):
        return traced
    traced = trace(model.module, inputs[:1])
    lacking = _lacking(traced, calls)
    if lacking:
        check_is_layer(lacking[0], named_layers(model.module))
        raise LayerError(passed_by(lacking[0]), "Choose another layer.")
    return traced


def _lacking(traced: Trace, calls: Collection[Key]) -> list[str]:
    called = {(call.name, call.index) for call in traced.module_calls()}
    return [call[0] for call in calls if call not in called]


def passed_by(layer: str, image: str = "first image") -> str:
    """Say of a layer that the image by which layers are found does not go through it."""
    return f"Layer {layer!r} is not called for the {image}, by which layers are found."


def also_of_image(
    traced: Mapping[Key, TracedOutput], model: Model, inputs: torch.Tensor, calls: Collection[Key]
) -> Mapping[Key, TracedOutput]:
    """Add the calls that zeros do not go through, where values decide which way a network takes.

    Then the first of the inputs is followed as well; kept is only what holds for zeros.
    """
    if not traced or all(call in traced for call in calls):
        return traced
    found = _trace_image(model, inputs)
    return traced if found is None else {**_told(found), **traced}


def _told(found: Trace) -> dict[Key, TracedOutput]:
    return {
        (call.name, call.index): TracedOutput(call.map, call.kind) for call in found.module_calls()
    }


def _trace_image(model: Model, inputs: torch.Tensor) -> Trace | None:
    try:
        return trace(model.module, inputs[:1])
    except ModelError:
        # It runs as it is, and not while it is watched: then nothing is known of its layers.
        return None


def checked_layout(
    layout: MapLayout | NoMap, layer: str, output: torch.Tensor, images: int
) -> MapLayout:
    """Return a layout that an output for so many images is in, or raise `LayerError`."""
    shape = tuple(output.shape)
    if isinstance(layout, NoMap):
        raise _no_map(
            f"Layer {layer!r} gives {list(shape)}, which is no map of the image: it {layout.value}."
        )
    if output.is_complex():
        raise LayerError(
            f"Layer {layer!r} gives complex numbers, which have no order.",
            "Choose a layer with a map of real numbers.",
        )
    if not layout.fits(shape, images):
        raise _no_map(
            f"Layer {layer!r} gives {list(shape)} for {images} images, not one entry for each, "
            f"or not {list(layout.shape)} as for one alone."
        )
    return layout


def _no_map(what: str) -> LayerError:
    return LayerError(
        what,
        "Choose a layer with a map of the image; layers='stages' names those that end one.",
        option="Choose a layer with a map of the image: `cnnviz architecture` tells their shapes.",
    )
