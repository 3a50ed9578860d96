"""Groups the layers of a network into as few stages as one picture can show, none left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, TypedDict

from cnnviz.introspection.receptive_fields import FieldNumbers, ReceptiveField
from cnnviz.introspection.tracing.trace import LayerCall, Shape, Trace, known_cost, of_one_image

MINOR = frozenset(
    {"norm", "activation", "dropout", "identity", "flatten", "rearrange", "add", "multiply"}
    | {"scale", "cat", "pad", "other", "maximum", "minimum"}
)
"""Kinds that join the layer before them when every layer cannot have a row of its own."""

_FEW = 6
"""A grouping into fewer stages than this says too little where a finer one exists."""


class StageNumbers(TypedDict):
    """A stage as plain data; MACs are None where none of them could be counted."""

    name: str
    kind: str
    layers: tuple[str, ...]
    output_shape: Shape
    parameters: int
    macs: int | None
    uncounted: bool
    output_bytes: int
    receptive_field: FieldNumbers | None


@dataclass(frozen=True)
class Stage:
    """Consecutive layers that are drawn as one.

    Attributes
    ----------
    name : str
        What their names have in common, or the name of the one that does the work.
    layers : tuple of LayerCall
        The layers, in order.
    """

    name: str
    layers: tuple[LayerCall, ...]

    @property
    def principal(self) -> LayerCall:
        """The layer that costs most; among free ones, the first that is of some account."""
        costly = max(self.layers, key=lambda call: call.macs)
        if costly.macs:
            return costly
        return next((call for call in self.layers if call.kind not in MINOR), self.layers[0])

    @property
    def kind(self) -> str:
        """The kind of the layer that costs most."""
        return self.principal.kind

    @property
    def output_shape(self) -> Shape:
        """The shape that comes out of the last layer."""
        return self.layers[-1].output_shape

    @property
    def receptive_field(self) -> ReceptiveField | None:
        """The receptive field of the last layer."""
        return self.layers[-1].receptive_field

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of all layers together."""
        return sum(call.macs for call in self.layers)

    @property
    def uncounted(self) -> bool:
        """Whether the cost of one of them is not known."""
        return any(call.uncounted for call in self.layers)

    @property
    def parameters(self) -> int:
        """Parameters of all layers together, shared ones counted once."""
        return sum(call.parameters for call in self.layers)

    @property
    def output_bytes(self) -> int:
        """Memory of all outputs, in-place operations and views not counted."""
        return sum(call.output_bytes for call in self.layers)

    def to_json(self) -> StageNumbers:
        """Return the stage as plain data."""
        field = self.receptive_field
        return {
            "name": self.name,
            "kind": self.kind,
            "layers": tuple(call.label for call in self.layers),
            "output_shape": of_one_image(self.output_shape),
            "parameters": self.parameters,
            "macs": known_cost(self.macs, self.uncounted),
            "uncounted": self.uncounted,
            "output_bytes": self.output_bytes,
            "receptive_field": None if field is None else field.to_json(),
        }


def stages(trace: Trace, limit: int = 28) -> tuple[Stage, ...]:
    """Group the calls of a trace into at most about `limit` stages.

    The finest grouping that fits is taken: every layer alone; each convolution, pooling or linear
    layer with the normalisation, activation and the like that follow it; the blocks of the network
    from the innermost outwards; and at last runs of one spatial size.

    Returns
    -------
    tuple of Stage
        In the order of execution; together they hold every call once.
    """
    alone = [Stage(call.label, (call,)) for call in trace.calls]
    if len(alone) <= limit:
        return tuple(alone)
    units = _with_minor(alone)
    if len(units) <= limit:
        return units
    deepest = max(call.name.count(".") for call in trace.calls) + 1
    by_depth = [_with_minor(_blocks(trace.calls, depth)) for depth in range(1, deepest + 1)]
    fitting = [found for found in by_depth if min(_FEW, limit) <= len(found) <= limit]
    if fitting:
        # Of groupings equally fine, the first has the shortest names.
        return max(fitting, key=len)
    found = _runs(units, lambda stage: (_prefix(stage.layers[0], 1), stage.output_shape[2:]))
    if len(found) > limit:
        found = _runs(units, lambda stage: stage.output_shape[2:])
    return found if len(found) <= limit else _evenly(units, limit)


def _with_minor(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    # What only follows up on a layer joins it; its name stays.
    found: list[Stage] = []
    for stage in stages:
        if found and all(call.kind in MINOR for call in stage.layers):
            found[-1] = Stage(found[-1].name, (*found[-1].layers, *stage.layers))
        else:
            found.append(stage)
    return tuple(found)


def _blocks(calls: Iterable[LayerCall], depth: int) -> list[Stage]:
    found = []
    for prefix, run in groupby(calls, lambda call: _prefix(call, depth)):
        layers = tuple(run)
        found.append(Stage(layers[0].label if len(layers) == 1 else prefix, layers))
    return found


def _prefix(call: LayerCall, depth: int) -> str:
    parts = call.name.split(".") if call.name else []
    if len(parts) < depth and call.operation is not None:
        return call.label
    return ".".join(parts[:depth])


def _runs(units: Sequence[Stage], key: Callable[[Stage], Any]) -> tuple[Stage, ...]:
    return tuple(_merged(list(run)) for _, run in groupby(units, key))


def _evenly(units: Sequence[Stage], count: int) -> tuple[Stage, ...]:
    bounds = [number * len(units) // count for number in range(count + 1)]
    return tuple(_merged(units[start:end]) for start, end in pairwise(bounds))


def _merged(stages: Sequence[Stage]) -> Stage:
    if len(stages) == 1:
        return stages[0]
    layers = tuple(call for stage in stages for call in stage.layers)
    return Stage(f"{stages[0].name} … {stages[-1].name}", layers)
