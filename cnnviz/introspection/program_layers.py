"""What the layers of exported programs are: modules whose class says nothing, and whose graph does.

`torch.export.unflatten` gives each layer the name it had and a graph of the operators of ATen that
it called, in place of its class.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from cnnviz.introspection import operations
from cnnviz.introspection.operator_kinds import ACTIVATIONS, PADS, POOLS

_LAYOUT = "layout"
_KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "pool": POOLS + " max_pool1d max_pool2d max_pool3d adaptive_avg_pool2d adaptive_avg_pool3d",
        "activation": ACTIVATIONS
        + " relu6 log_sigmoid hardshrink softshrink rrelu glu softmax log_softmax _softmax "
        "_log_softmax",
        "dropout": "dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout",
        "flatten": "flatten unflatten",
        # A linear layer whose operators were taken apart.
        "linear": "addmm mm",
        # What a layer calls beside its work, such as padding that wraps around.
        _LAYOUT: PADS
        + " alias clone contiguous copy detach empty expand full getitem new_empty pad permute "
        "reshape select select_scatter slice slice_scatter squeeze t transpose unsqueeze view "
        "_unsafe_view",
    }.items()
    for name in names.split()
}
_WORKS: Mapping[str | None, str] = {
    operations.CONVOLUTION: "conv",
    operations.LINEAR: "linear",
    operations.NORMALISATION: "norm",
}


def kind_in_program(module: nn.Module) -> str | None:
    """Return the kind of a layer by the one operator its graph calls, or None where it has none.

    Parameters
    ----------
    module : torch.nn.Module
        A layer without layers inside it.
    """
    works = [kind for _, kind in _works(module)]
    return works[0] if len(works) == 1 else None


def operator_calls(module: nn.Module, kind: str) -> list[Node]:
    """Return the calls of operators of one kind in the graph of a layer."""
    return [node for node, one in _works(module) if one == kind]


def _works(module: nn.Module) -> list[tuple[Node, str | None]]:
    """Return what a layer calls beside its layout, and of which kind each is, where it is known."""
    graph = getattr(module, "graph", None)
    if not isinstance(graph, Graph):
        return []
    called = [(node, _name(node.target)) for node in graph.nodes if node.op == "call_function"]
    return [
        (node, _KINDS.get(name) or _WORKS.get(operations.of_operator(name)))
        for node, name in called
        if _KINDS.get(name) != _LAYOUT
    ]


def calls_operators(module: nn.Module) -> bool:
    """Whether a network is the flat module of an exported program, which calls none of its layers.

    ``ExportedProgram.module()`` keeps the names of layers for their parameters alone.
    """
    return isinstance(module, GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in module.graph.nodes
    )


def _name(target: object) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return str(target.overloadpacket.__name__).removesuffix("_")
    return str(getattr(target, "__name__", ""))
