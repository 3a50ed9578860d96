"""What a trace holds: every call of every layer, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypedDict

from cnnviz.errors import LayerError, did_you_mean
from cnnviz.introspection.call_names import call_name, operation_name
from cnnviz.introspection.called_functions import CalledFunction
from cnnviz.introspection.receptive_fields import FieldNumbers, ReceptiveField
from cnnviz.introspection.tracing.costs import Windows
from cnnviz.introspection.tracing.map_layout import MapLayout, NoMap
from cnnviz.introspection.tracing.terms import Terms
from cnnviz.results.space import Space, space_of_shape
from cnnviz.results.text import count, plural

Shape = tuple[int, ...]


def known_cost(macs: int, uncounted: bool) -> int | None:
    """Return a cost as far as it was counted; None where nothing of what is there was."""
    return None if uncounted and not macs else macs


class CallNumbers(TypedDict):
    """A call as plain data, shapes without the axis of images.

    MACs are None where none of them could be counted; what sliding windows have is None where
    there are none.
    """

    layer: str
    name: str
    call: int
    operation: str | None
    type: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    parameters: int
    shared_parameters: int
    macs: int | None
    zero_macs: int
    uncounted: bool
    output_bytes: int
    kernel: Shape | None
    stride: Shape | None
    padding: Shape | None
    padding_after: Shape | None
    dilation: Shape | None
    groups: int | None
    leftover: Shape | None
    uneven: str | None
    receptive_field: FieldNumbers | None


def of_one_image(shape: Shape) -> Shape:
    """Return the shape of a tensor of a trace, which is of one image, without the axis of images.

    One whose first axis is not one long has none: a network may take its image out of the batch,
    or cut it into windows.
    """
    return shape[1:] if shape[:1] == (1,) else shape


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer, or of a function that a module calls itself.

    Attributes
    ----------
    name : str
        The module's name in the network, "" for the network itself. For a function, the module
        that calls it.
    index : int
        Which call of this module (or of this function in this module) it is, from 0.
    operation : str or None
        The function's operator, such as "add" or "cat"; None for a module.
    type : str
        The module's class, or the operator.
    kind : str
        As `cnnviz.introspection.layers.kind`, and besides "add", "multiply", "maximum", "scale",
        "cat", "upsample", "pad", "attention", "rearrange"; "container" for a module that calls
        others.
    order : int
        Place among all calls, containers included, in the order in which they end.
    input_shape, output_shape : tuple of int
        Of the first tensor that goes in and comes out, for a batch of one; () if there is none.
    macs : int
        Multiply-accumulate operations of convolutions and matrix products in this call, as far as
        they could be counted.
    zero_macs : int
        Those of them that multiply by a weight which is zero whatever the parameters are: one that
        a mask shuts out, or that a table of connections leaves open.
    parameters : int
        Parameters read here that no earlier call has counted.
    shared_parameters : int
        Parameters read here that an earlier call has counted.
    output_bytes : int
        Memory that the output newly takes: 0 for in-place operations and views.
    receptive_field : ReceptiveField or None
        That of each position of the map which the output holds (see `map`), and `output_field`
        where it holds none. None where it is unknown, or the output does not depend on the image.
    windows : Windows or None
        Kernel, stride, padding, dilation, groups, and how they fit; None where there are none.
    uncounted : bool
        Whether there is something in it whose cost is not known, so that `macs` is the least.
    map : MapLayout or NoMap
        How the output holds a map of the image, or why it holds none.
    output_field : ReceptiveField or None
        The same in the order of the output's own positions, where a map is in another; of one
        position where it is not known which dimensions of the output hold them.
    input_field : ReceptiveField or None
        The receptive field of its first input.
    terms : tuple of Terms
        What the formulas of its operations are made of, in order.
    span : (int, int)
        Of a block, the first of the calls inside it and the one after the last.
    times : int
        How many calls of its name and operation there are in the pass.
    """

    name: str
    index: int
    operation: str | None
    type: str
    kind: str
    order: int
    input_shape: Shape
    output_shape: Shape
    macs: int
    parameters: int
    shared_parameters: int
    output_bytes: int
    receptive_field: ReceptiveField | None
    windows: Windows | None
    uncounted: bool = False
    map: MapLayout | NoMap = NoMap.NO_TENSOR
    output_field: ReceptiveField | None = None
    input_field: ReceptiveField | None = None
    terms: tuple[Terms, ...] = ()
    span: tuple[int, int] = (0, 0)
    times: int = 1
    zero_macs: int = 0

    @property
    def map_field(self) -> ReceptiveField | None:
        """The receptive field where there is a map whose positions it is of; else None."""
        return None if isinstance(self.map, NoMap) else self.receptive_field

    @property
    def label(self) -> str:
        """The name to print: "conv1", "relu#1" of a second call, "layer1.0: add" of a function."""
        if self.operation is not None:
            return operation_name(self.name, self.operation, self.index, self.times)
        return call_name(self.name or "(network)", self.index, self.times)

    @property
    def uneven(self) -> str | None:
        """A sentence where the stride does not divide the input evenly."""
        return self.windows.uneven if self.windows is not None else None

    def to_json(self) -> CallNumbers:
        """Return the call as plain data."""
        windows, field = self.windows, self.receptive_field
        return {
            "layer": self.label,
            "name": self.name,
            "call": self.index,
            "operation": self.operation,
            "type": self.type,
            "kind": self.kind,
            "input_shape": of_one_image(self.input_shape),
            "output_shape": of_one_image(self.output_shape),
            "parameters": self.parameters,
            "shared_parameters": self.shared_parameters,
            "macs": known_cost(self.macs, self.uncounted),
            "zero_macs": self.zero_macs,
            "uncounted": self.uncounted,
            "output_bytes": self.output_bytes,
            "kernel": None if windows is None else windows.kernel,
            "stride": None if windows is None else windows.stride,
            "padding": None if windows is None else windows.padding,
            "padding_after": None if windows is None else windows.padding_after,
            "dilation": None if windows is None else windows.dilation,
            "groups": None if windows is None else windows.groups,
            "leftover": None if windows is None else windows.leftover,
            "uneven": self.uneven,
            "receptive_field": None if field is None else field.to_json(),
        }


@dataclass(frozen=True)
class Trace:
    """One forward pass of one image.

    Attributes
    ----------
    calls : tuple of LayerCall
        Every layer without calls inside it, and every function that counts (convolution, matrix
        product, pooling, normalisation, activation, addition of two tensors and the like) that
        another module calls itself, in the order of execution. Rearrangements (views, slices,
        permutations) have no entry of their own.
    blocks : tuple of LayerCall
        Every call of a module that calls others, in the order in which they end, the network
        itself last.
    input_shape, output_shape : tuple of int
        For a batch of one.
    parameters : int
        Parameters of the network, shared ones counted once.
    parameter_bytes, buffer_bytes : int
        Memory of the parameters and of the buffers.
    uncalled : tuple of str
        Layers with parameters that this pass did not call, such as the auxiliary heads of
        GoogLeNet in evaluation.
    unknown : tuple of str
        Operators after which no receptive field can be told, because what they do is not known.
    uncounted : tuple of str
        Operators whose cost is not known: `macs` is the least that the pass takes.
    links : tuple of (int, int)
        The graph: each pair of calls, by their places in `calls`, of which the second reads what
        the first gave; the image has the place -1. Calls that hand their input on as it is, such as
        dropout in evaluation, are in no link.
    answers : tuple of int
        The calls that the answer comes from.
    """

    calls: tuple[LayerCall, ...]
    blocks: tuple[LayerCall, ...]
    input_shape: Shape
    output_shape: Shape
    parameters: int
    parameter_bytes: int
    buffer_bytes: int
    uncalled: tuple[str, ...]
    unknown: tuple[str, ...]
    uncounted: tuple[str, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    answers: tuple[int, ...] = ()

    @property
    def space(self) -> Space:
        """Which axes the image has."""
        return space_of_shape(self.input_shape[1:])

    @property
    def layers(self) -> int:
        """Layers that were called, each counted once; functions and blocks are none."""
        names = {call.name for call in self.calls}
        return len({name for name in names if name and not _holds_others(name, names)})

    @property
    def counted(self) -> str:
        """How many layers there are, and in how many steps (rows of the table) they are called."""
        return told_count(self.layers, len(self.calls))

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of the whole pass, as far as they could be counted."""
        return sum(call.macs for call in self.calls)

    @property
    def activation_bytes(self) -> int:
        """Memory of all outputs together, in-place operations and views not counted."""
        return sum(call.output_bytes for call in self.calls)

    def module_calls(self) -> Iterator[LayerCall]:
        """Yield every call of a module, containers included, in the order in which they end."""
        found = [call for call in (*self.calls, *self.blocks) if call.operation is None]
        yield from sorted(found, key=lambda call: call.order)

    def functions(self) -> tuple[CalledFunction, ...]:
        """Return every call of a function, with the layers that lie ahead of it."""
        reads: dict[int, list[int]] = {}
        for source, reader in self.links:
            reads.setdefault(reader, []).append(source)
        # What a call hands on: its own name, or of a function what lies ahead.
        ahead: dict[int, tuple[str, ...]] = {-1: ()}
        for place, call in enumerate(self.calls):
            behind = dict.fromkeys(
                name for source in reads.get(place, ()) for name in ahead.get(source, ())
            )
            ahead[place] = tuple(behind) if call.operation else (call.name,)
        return tuple(
            CalledFunction(call.label, call.operation, ahead[place])
            for place, call in enumerate(self.calls)
            if call.operation
        )

    def find(self, name: str, index: int | None = None) -> LayerCall:
        """Return the call of a module.

        Parameters
        ----------
        name : str
            The module's name.
        index : int, optional
            Which of its calls; may be left out where there is one only.

        Raises
        ------
        LayerError
            If there is no such call, or several and no index.
        """
        found = [call for call in self.module_calls() if call.name == name]
        if not found:
            known = {call.name: None for call in self.module_calls()}
            raise LayerError(
                f"The forward pass calls no layer {name!r}.",
                did_you_mean(name, known, "Choose a layer that is called."),
            )
        if index is None and len(found) == 1:
            return found[0]
        if index is None or not 0 <= index < len(found):
            raise LayerError(
                f"Layer {name!r} is called {len(found)} times in one forward pass.",
                f"Choose a call from 0 to {len(found) - 1}.",
            )
        return found[index]


def told_count(layers: int, steps: int) -> str:
    """Say of so many layers in how many steps they are called, where these are others."""
    told = plural(layers, "layer")
    return told if layers == steps else f"{told} in {plural(steps, 'step')}"


def _holds_others(name: str, names: set[str]) -> bool:
    return any(other.startswith(f"{name}.") for other in names)


def cost_text(macs: int, uncounted: bool, written: Callable[[float], str] = count) -> str:
    """Return a number of MACs in words; where not all could be counted, it is the least."""
    if not uncounted:
        return written(macs)
    return f"at least {written(macs)}" if macs else "unknown"


def costs_text(trace: Trace, written: Callable[[float], str] = count) -> str:
    """Return the MACs of a whole pass in words, as `cost_text` does."""
    return cost_text(trace.macs, bool(trace.uncounted), written)
