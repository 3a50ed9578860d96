"""What is being called while a network runs, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from cnnviz.introspection.layers import kind
from cnnviz.introspection.memory_order import memory_of
from cnnviz.introspection.tracing.costs import Pads, Windows
from cnnviz.introspection.tracing.map_layout import Extent
from cnnviz.introspection.tracing.marks import FREE, Mark
from cnnviz.introspection.tracing.terms import Terms, pairs
from cnnviz.introspection.tracing.trace import LayerCall

_PRINCIPAL = ("attention", "conv", "linear", "norm", "pool", "upsample", "pad", "cat", "activation")


@dataclass
class Row:
    """A call that has ended; its place among the others is told when all have."""

    call: LayerCall
    mark: Mark
    uses: set[int]
    block: bool
    kernel: bool = False
    """Whether the output went into a convolution as its weights."""
    canvas: Extent | None = None
    """The canvas that the image had been put on by then."""
    cut: bool = False
    """Whether an end of the image had been cut off by then, as by a slice."""
    regions: bool = False
    """Whether regions had been cut out of maps by then."""
    source: Mark = FREE
    """The mark of what went in."""
    nodes: tuple[int, ...] = ()
    """Its operations in the graph of the data."""
    inside: int = 0
    """Of a block, how many calls it holds."""


@dataclass
class Visit:
    """A call of a module that has begun and not ended."""

    name: str
    module: nn.Module
    inputs: tuple[torch.Tensor, ...]
    rows: list[Row] = field(default_factory=list)
    macs: int = 0
    zero_macs: int = 0
    uncounted: bool = False
    windows: list[Windows] = field(default_factory=list)
    pads: Pads = ()
    """What it added to its input before windows slide over it."""
    kinds: list[str] = field(default_factory=list)
    source: Mark = FREE
    terms: list[Terms] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    calls_modules: bool = False

    def wrap(self, source: torch.Tensor, amounts: Sequence[int], padded: torch.Tensor) -> None:
        """Note that it padded a tensor with what lies at its other end."""
        self.pads = pairs(amounts)
        shapes = (tuple(source.shape),)
        self.terms.append(Terms("padding", shapes, tuple(padded.shape), pads=self.pads))


def is_builtin(module: nn.Module) -> bool:
    """Whether a module is one of torch's own."""
    return type(module).__module__.startswith("torch.nn.")


def kind_of_visit(visit: Visit, returned: list[torch.Tensor]) -> str:
    """Return what a layer is to a reader of the network, once it has returned."""
    declared = kind(visit.module)
    if declared not in ("container", "other"):
        return declared
    for what in _PRINCIPAL:
        if what in visit.kinds:
            return what
    if visit.pads:
        return "pad"
    if visit.kinds:
        return visit.kinds[0]
    if not returned or not visit.inputs:
        return "other"
    if returned[0] is visit.inputs[0]:
        return "identity"
    return "rearrange" if returned[0].numel() == visit.inputs[0].numel() else "other"


def new_call(
    name: str,
    type_name: str,
    what: str,
    inputs: tuple[torch.Tensor, ...],
    output: torch.Tensor | None,
    *,
    operation: str | None = None,
    macs: int = 0,
    zero_macs: int = 0,
    windows: Windows | None = None,
    uncounted: bool = False,
    terms: tuple[Terms, ...] = (),
) -> LayerCall:
    """Return a call as far as it is known when it ends."""
    return LayerCall(
        name=name,
        index=0,
        operation=operation,
        type=type_name,
        kind=what,
        order=0,
        input_shape=tuple(inputs[0].shape) if inputs else (),
        output_shape=() if output is None else tuple(output.shape),
        macs=macs,
        zero_macs=zero_macs,
        parameters=0,
        shared_parameters=0,
        output_bytes=_new_bytes(inputs, output),
        receptive_field=None,
        windows=windows,
        uncounted=uncounted,
        terms=terms,
    )


def _new_bytes(inputs: Iterable[torch.Tensor], output: torch.Tensor | None) -> int:
    if output is None:
        return 0
    place = memory_of(output)
    if place and any(memory_of(tensor) == place for tensor in inputs):
        return 0
    return output.numel() * output.element_size()
