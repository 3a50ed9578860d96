"""The network as a drawing in the page: its blocks in a row, each with what is in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.course.network_graph import Diagram, network_graph
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model
from cnnviz.results.text import layer_said, short

_WIDTH, _GAP, _TALLEST, _LEAST, _ARC = 104, 26, 92, 40, 16


def network_map(model: Model, shape: Sequence[int], layers: Sequence[str]) -> dict[str, Any]:
    """Return where everything lies in the drawing of a network.

    Parameters
    ----------
    model : Model
        The network.
    shape : sequence of int
        [C, h, w] of the image.
    layers : sequence of str
        The layers that the page holds.

    Returns
    -------
    dict
        ``size`` of the drawing, ``boxes`` with their place, words and which layer of the page is in
        them, and ``arcs`` with the path of each connection that leads past a box.
    """
    trunk, _ = network_graph(trace(model.module, tuple(shape)), model.name)
    tallest = max((_side(node.output_shape) for node in trunk.nodes), default=1.0)
    arcs = [link for link in trunk.links if link[1] - link[0] > 1]
    top = 12 + _ARC * min(len(arcs), 3)
    boxes = []
    for place, node in enumerate(trunk.nodes):
        height = _LEAST + (_TALLEST - _LEAST) * _side(node.output_shape) / tallest
        held = [place_of for place_of, name in enumerate(layers) if _holds(node.layers, name)]
        boxes.append(
            {
                "x": _GAP + place * (_WIDTH + _GAP),
                "y": round(top + (_TALLEST - height) / 2, 1),
                "width": _WIDTH,
                "height": round(height, 1),
                "name": node.name,
                "said": layer_said(node.name),
                "label": node.label + (f" x {node.repeat}" if node.repeat > 1 else ""),
                "then": node.then,
                "shape": " x ".join(map(str, node.output_shape)),
                "parameters": short(node.parameters),
                "macs": short(node.macs),
                "layer": held[-1] if held else None,
                "skip": node.skip,
            }
        )
    return {
        "size": [_GAP + len(boxes) * (_WIDTH + _GAP), top + _TALLEST + 36],
        "boxes": boxes,
        "middle": top + _TALLEST / 2,
        "arcs": [_arc(one, other, trunk, top) for one, other in arcs],
    }


def _holds(inside: Sequence[str], layer: str) -> bool:
    """Whether a box has a layer in it, or, of one that is called several times, that call."""
    name, several, call = layer.rpartition("#")
    if not several:
        return any(one == layer or one.startswith(f"{layer}.") for one in inside)
    parts = [one.rpartition("#") for one in inside]
    return any(
        (one == name or one.startswith(f"{name}.")) and index == call for one, _, index in parts
    )


def _side(shape: Sequence[int]) -> float:
    """Return the square root of how many places there are."""
    return math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 1.0


def _arc(one: int, other: int, trunk: Diagram, top: float) -> str:
    def middle(place: int) -> float:
        return _GAP + place * (_WIDTH + _GAP) + _WIDTH / 2

    start = _GAP / 2 if one < 0 else middle(one)
    end = middle(min(other, len(trunk.nodes) - 1))
    return f"M{start} {top} C{start} {top - 2 * _ARC} {end} {top - 2 * _ARC} {end} {top}"
