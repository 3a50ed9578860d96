"""Which layers are compared for equivariance, and how their positions lie along the shift."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from cnnviz.course.equivariance import Track
from cnnviz.introspection.layers import Layers, named_layers, without_call
from cnnviz.introspection.tracing import trace
from cnnviz.introspection.tracing.map_layout import MapLayout
from cnnviz.introspection.tracing.trace import LayerCall
from cnnviz.models import Model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captured import Capture
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.spatial_maps import trace_of_calls
from cnnviz.passes.stages import STAGES

_FARTHEST, _NEAREST = 32, 16
"""Pixels that an image is shifted by default, at most and at least; the largest stride between."""


def compared_layers(model: Model, inputs: torch.Tensor, layers: Layers | None) -> list[str]:
    """Return the layers asked for, or those with a stride and the last one of each stage."""
    known = named_layers(model.module)
    if layers:
        chosen = choose(model, layers, {STAGES: call_order(model, inputs).stage_layers()})
        return [without_call(name, known) for name in chosen]
    calls = list(trace(model.module, tuple(inputs.shape[1:])).module_calls())
    often = {call.name for call in calls if call.index}
    strided = {
        call.name
        for call in calls
        if call.windows is not None and max(call.windows.stride) > 1 and _comparable(call.map)
    }
    wanted = (strided | set(call_order(model, inputs).stages())) - often
    return [call.name for call in calls if call.name in wanted]


def _comparable(layout: object) -> bool:
    return isinstance(layout, MapLayout) and layout.size != layout.space.one_place


def tracks_of(
    held: Capture, names: list[str], direction: str
) -> tuple[dict[str, Track], dict[str, str], tuple[str, ...]]:
    """Return how the positions of each layer lie, its field in words, and why others have none."""
    calls = [held.activations.resolve(name) for name in names]
    traced = trace_of_calls(held.model, held.batch.tensor, calls)
    tracks, fields, refused = {}, {}, []
    for name in names:
        held.layout(name)  # What is no map of the image is refused with the reason.
        call = traced.find(*held.activations.resolve(name))
        found = _track(call, direction)
        if isinstance(found, str):
            refused.append(f"{name} {found}")
        else:
            tracks[name] = found
            fields[name] = "" if call.map_field is None else call.map_field.describe()
    return tracks, fields, tuple(refused)


def _track(call: LayerCall, direction: str) -> Track | str:
    """Return how the positions of a layer lie along the shift, or why it is not known."""
    field, layout = call.map_field, call.map
    if field is None or not isinstance(layout, MapLayout):
        return "has a receptive field that is not known"
    if layout.on_larger_canvas:
        return "lies on a canvas larger than the input"
    axis = 0 if direction == "down" else 1
    if layout.size[axis] < 2:
        return "has a single position along the shift"
    found = Track.of(field.local.axes[axis], layout.size[axis], local=field.gateless is None)
    return "has positions that lie unevenly over the image" if found is None else found


def usual_shift(tracks: Iterable[Track], side: int) -> int:
    """Return how far images are shifted where nobody said so."""
    strides = [track.stride for track in tracks]
    return max(1, min(max([_NEAREST, *strides]), _FARTHEST, side // 4))
