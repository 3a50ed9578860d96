"""What is noted of a layer or a join that a forward pass goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.autograd.graph import GradientEdge

from cnnviz.gradients.graph import Node
from cnnviz.introspection import operations
from cnnviz.introspection.call_names import call_name, operation_name

LAYERS: Mapping[str | None, str] = {
    operations.CONVOLUTION: "conv",
    operations.LINEAR: "linear",
}
"""What is a convolution or a linear layer, and the kind that it has in `RecordedLayer`."""

WEIGHTED = {**LAYERS, operations.RECURRENT: "recurrent", operations.ATTENTION: "attention"}
"""What has weights of its own, and its kind."""
LAYER_KINDS = frozenset(WEIGHTED.values())
"""The kinds of what has weights of its own; all others are joins."""


@dataclass
class RecordedLayer:
    """One layer or join that was called.

    Attributes
    ----------
    name : str
        The module that called it.
    index : int
        Which call of this kind in this module it is.
    kind : str
        "conv", "linear", "recurrent", "attention", or for a join what the function is called:
        "add", "cat", "mul", "where". A product is "product" until it is known what is multiplied.
    edge : GradientEdge or None
        Where in the graph its output's gradient arrives; None where none can.
    shape : tuple of int
        Of the output.
    norm, deviation, nonfinite : torch.Tensor
        Scalars: RMS over the batch of the L2 norm, standard deviation, count of NaN and infinite.
    weights : tuple of torch.Tensor
        What the layer multiplies by, parameters or computed of them; or else the parameters with
        two or more dimensions that it owns.
    scale : torch.Tensor or None
        What the normalisation that follows divides each channel (or all) by; None without one.
    node : Node
        The node of its edge, or one that stands for it where no gradient arrives.
    terms : tuple of Node
        What its arguments were computed from, parameters left out.
    weighted : bool
        Whether a parameter, or what was computed of some, is among its arguments.
    inside : tuple of type and int, or None
        The custom autograd function that it was called in, which has a gradient of its own, and
        which call of that.
    others : tuple of GradientEdge
        Those of its other outputs: the last states of a recurrent layer.
    bias : torch.Tensor or None
        What a layer adds to each channel, [C].
    times : int
        How many calls of this kind the module makes, known once the pass has ended.
    """

    name: str
    index: int
    kind: str
    edge: GradientEdge | None
    shape: tuple[int, ...]
    norm: torch.Tensor
    deviation: torch.Tensor
    nonfinite: torch.Tensor
    weights: tuple[torch.Tensor, ...] = ()
    scale: torch.Tensor | None = None
    node: Node = None
    terms: tuple[Node, ...] = ()
    weighted: bool = False
    inside: tuple[type[torch.autograd.Function], int] | None = None
    others: tuple[GradientEdge, ...] = ()
    bias: torch.Tensor | None = None
    times: int = 1

    @property
    def is_layer(self) -> bool:
        """Whether it has weights of its own: a convolution, a linear or recurrent layer."""
        return self.kind in LAYER_KINDS

    @property
    def multiplies(self) -> bool:
        """Whether it is a product with weights, which is a layer where the image is in it."""
        return self.kind == operations.PRODUCT and self.weighted


def label_of(met: RecordedLayer) -> str:
    """Return what to print for a layer or a join: its module, and which call where several are."""
    if not met.is_layer:
        return operation_name(met.name, met.kind, met.index, met.times)
    return call_name(met.name or "(network)", met.index, met.times)
