"""What a monitor writes down of one training step, and what it raises when something turns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS: Mapping[str, str] = {
    "activation": "L2 norm of the layer's output, root mean square over the samples",
    "gradient": "L2 norm of the gradient at the layer's output, root mean square over the samples",
    "weight": "L2 norm of the layer's weights before the update",
    "weight_gradient": "L2 norm of their gradient, as the optimizer gets it",
    "update": "L2 norm of their update as a share of the norm of the weights",
    "dead": "share of channels at which the activation passes no gradient for any sample",
    "saturated": "share of positions at which the activation is below 5% of its steepest slope",
    "agreement": (
        "cosine between the gradient of the weights and that of the recorded step before, over at "
        "most 4,096 of them"
    ),
}
"""What is known of each layer at a recorded step."""

SCALED_DOWN = 10.0
"""Times by which the gradient at a sum exceeds that at a branch's end which is scaled down."""

Figures = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class InputFigures:
    """What went into the first layer at one step, over all samples and positions.

    Attributes
    ----------
    mean, spread : float
        The mean, and the standard deviation, of the values that are finite.
    broken : float
        The share of values that are NaN or infinite.
    """

    mean: float
    spread: float
    broken: float


@dataclass(frozen=True)
class Finished:
    """What a step has left: the attributes of a `StepRecord` that are measured in the network."""

    layers: tuple[str, ...]
    figures: dict[str, tuple[float | None, ...]]
    kinds: dict[str, str]
    paths: tuple[tuple[str, ...], ...]
    joined: dict[str, float]
    inputs: InputFigures | None
    outputs: int
    frozen: dict[str, str]
    unmeasured: dict[str, str]
    eval_mode: dict[str, str]
    unused: tuple[str, ...]


@dataclass(frozen=True)
class StepRecord:
    """One training step.

    Attributes
    ----------
    step : int
        How many updates were made before it.
    seconds : float
        The time since the monitor began.
    samples : int
        How many samples went forward for it.
    layers : tuple of str
        The layers in the order of their calls; ``name#1`` is the second call of a layer within
        one forward pass.
    figures : mapping of str to tuple of float or None
        For each of `COLUMNS` the value of each layer: None where there is none, NaN or infinity
        where the network's numbers are not finite.
    losses : tuple of (int, float)
        The losses that came in since the record before, each with its step.
    rates : tuple of float
        The learning rate of each group of parameters.
    values : mapping of str to float
        What else was logged for this step.
    skipped : int
        Updates that the scaler of mixed precision left out since the record before, because their
        gradients were not finite.
    allowance : float
        The decades by which the upper edges of the bands along the depth rise for this network.
    kinds : mapping of str to str
        The class of each layer, such as "Conv2d".
    inputs : InputFigures or None
        What went into the first layer; None where that was not measured.
    outputs : int
        How many numbers the last layer gives for each sample and position: the classes, where it
        tells classes. 0 where that is not known.
    ascends : bool
        Whether the optimizer maximises.
    frozen : mapping of str to str
        The layers whose weights no step can move, and why.
    unmeasured : mapping of str to str
        The layers of which something could not be measured, and why.
    eval_mode : mapping of str to str
        The normalisations and dropouts that were called in eval mode, with the class or function
        of each.
    unused : tuple of str
        The parameters that the optimizer has and that no gradient was computed for.
    paths : tuple of tuple of str, optional
        The layers of the deepest path, and those of each other tower; none where too few layers
        follow one another or it is not known which do. None in runs that older versions wrote.
    joined : mapping of str to float
        For the last but one layer of a path, where a sum follows it, the gradient at that sum.
    """

    step: int
    seconds: float
    samples: int
    layers: tuple[str, ...]
    figures: Figures
    losses: tuple[tuple[int, float], ...] = ()
    rates: tuple[float, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    skipped: int = 0
    allowance: float = 0.0
    kinds: Mapping[str, str] = field(default_factory=dict)
    inputs: InputFigures | None = None
    outputs: int = 0
    ascends: bool = False
    frozen: Mapping[str, str] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    eval_mode: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    paths: tuple[tuple[str, ...], ...] | None = None
    joined: Mapping[str, float] = field(default_factory=dict)

    def named(self, layer: str) -> str:
        """Return a layer with its kind: ``conv1 (Conv2d)``."""
        kind = self.kinds.get(layer)
        return f"{layer} ({kind})" if kind else repr(layer)

    @property
    def loss(self) -> float | None:
        """The loss of this step, or else the latest there is."""
        return self.losses[-1][1] if self.losses else None

    def of(self, column: str) -> dict[str, float]:
        """Return one column by layer, without the layers that have no value."""
        pairs = zip(self.layers, self.figures[column], strict=True)
        return {layer: value for layer, value in pairs if value is not None}

    @property
    def compared(self) -> tuple[tuple[str, ...], ...]:
        """The paths that the gradient is compared along; in the order of calls if none was noted.

        The first layer of each is compared with the last but one, which is that before the logits
        or, in another tower, before what may begin at zero.
        """
        if self.paths is not None:
            return self.paths
        held = tuple(self.of("gradient"))
        return (held,) if len(held) > 2 and not self._end_lost else ()

    @property
    def decades(self) -> float | None:
        """How the gradient at the first layer of the deepest path compares with that at its end.

        None where there is nothing to compare, or where the paths are not known.
        """
        return self.decades_along(self.compared[0]) if self.compared else None

    def decades_along(self, path: Sequence[str]) -> float | None:
        """Return how much larger the gradient is at the first layer than at the last, in decades.

        The last is that before the end of the path, or the sum behind it where a branch is scaled
        down at its end, as one that begins at zero is: there the skip has the gradient. None where
        one of them was not measured; minus infinity where no gradient arrives at the first layer.
        """
        held = self.of("gradient")
        known = (
            path[0] in held and path[-2] in held and not {path[0], path[-2]} & {*self.unmeasured}
        )
        if not known or not all(map(math.isfinite, held.values())):
            return None
        first, last, joined = held[path[0]], held[path[-2]], self.joined.get(path[-2], 0.0)
        if math.isfinite(joined) and joined > SCALED_DOWN * last:
            last = joined
        if first == 0.0:
            return -math.inf if any(held.values()) else None
        return math.log10(first / last) if last > 0.0 else None

    @property
    def _end_lost(self) -> bool:
        """Whether a layer that would be compared in the order of calls could not be measured."""
        heard = self.of("activation")
        called = [layer for layer in self.layers if layer in heard or layer in self.unmeasured]
        return any(layer in self.unmeasured for layer in (*called[:1], *called[-2:]))


@dataclass(frozen=True)
class Event:
    """Something that turned, told once.

    Attributes
    ----------
    step : int
        The step at which it was seen.
    kind : str
        One of `cnnviz.gradients.monitor.events.KINDS`.
    layer : str
        The layer it is about; empty where it is about the whole network.
    text : str
        What was seen, with its figures, and what may help.
    """

    step: int
    kind: str
    layer: str
    text: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.text}"


def layers_line(record: StepRecord) -> dict[str, Any]:
    """Return the layers of a record, and its paths by their places, as plain data for one line."""
    place = {layer: index for index, layer in enumerate(record.layers)}
    paths = record.paths and [[place[layer] for layer in path] for path in record.paths]
    return {
        "type": "layers",
        "layers": list(record.layers),
        "kinds": [record.kinds.get(layer, "") for layer in record.layers],
        **({} if paths is None else {"paths": list(paths)}),
    }


def to_line(entry: StepRecord | Event) -> dict[str, Any]:
    """Return a record or an event as plain data for one line of a log."""
    if isinstance(entry, Event):
        return {
            "type": "event",
            "step": entry.step,
            "kind": entry.kind,
            "layer": entry.layer,
            "text": entry.text,
        }
    return {
        "type": "record",
        "step": entry.step,
        "seconds": round(entry.seconds, 3),
        "samples": entry.samples,
        "losses": [[step, number(loss)] for step, loss in entry.losses],
        "rates": [number(rate) for rate in entry.rates],
        "values": {name: number(value) for name, value in entry.values.items()},
        "skipped": entry.skipped,
        "allowance": entry.allowance,
        "inputs": _plain(entry.inputs),
        "outputs": entry.outputs,
        "ascends": entry.ascends,
        "frozen": dict(entry.frozen),
        "unmeasured": dict(entry.unmeasured),
        "eval_mode": dict(entry.eval_mode),
        "unused": list(entry.unused),
        "joined": {layer: number(norm) for layer, norm in entry.joined.items()},
        **{name: [number(v) for v in entry.figures[name]] for name in COLUMNS},
    }


def _plain(inputs: InputFigures | None) -> list[float | str | None] | None:
    if inputs is None:
        return None
    return [number(inputs.mean), number(inputs.spread), number(inputs.broken)]


def number(value: float | None) -> float | str | None:
    """Return a number as JSON can hold it: in six digits, and by name where it is not finite."""
    if value is None:
        return None
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)
