"""The lines of a run as a schema: what each may hold, and of what size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cnnviz.gradients.monitor.records import COLUMNS, Event, InputFigures, StepRecord
from cnnviz.results.structured import decoded

FORMAT = "cnnviz training run"

Count = Annotated[int, Meta(ge=0, le=10**12)]
"""Steps, samples: more than any training has."""
Time = Annotated[float, Meta(ge=0, le=1e12)]
Named = Literal["nan", "inf", "-inf"]
"""How JSON has what is not finite."""
Number = float | Named
Norm = Annotated[float, Meta(ge=0)] | Named | None
Share = Annotated[float, Meta(ge=0, le=1)] | Named | None
Cosine = Annotated[float, Meta(ge=-1.001, le=1.001)] | Named | None


class RunLine(Struct, tag_field="type", tag="run", forbid_unknown_fields=False):
    """What is known of a run at its start."""

    format: Literal["cnnviz training run"]
    schema: Count | None = None
    name: str = "network"
    started: str = ""
    every: Annotated[int, Meta(ge=1, le=10**12)] = 1
    optimizer: str = ""
    parameters: Annotated[int, Meta(ge=0, le=10**18)] | None = None
    versions: dict[str, str] = {}

    def facts(self) -> dict[str, Any]:
        """Return what is known."""
        held = msgspec.structs.asdict(self)
        return {
            name: value for name, value in held.items() if name != "schema" and value is not None
        }


class LayersLine(Struct, tag_field="type", tag="layers"):
    """The layers of the records that follow."""

    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    paths: tuple[tuple[Count, ...], ...] | None = None

    def __post_init__(self) -> None:
        if len(self.kinds) != len(self.layers) or len(set(self.layers)) != len(self.layers):
            raise ValueError("the layers are not each named once, with a kind")
        for path in self.paths or ():
            if len(path) < 2 or len(set(path)) != len(path) or max(path) >= len(self.layers):
                raise ValueError("a path is not one of two of the layers or more, each once")

    def named_paths(self) -> tuple[tuple[str, ...], ...] | None:
        """Return the names of the layers on each path; None where none was written down."""
        if self.paths is None:
            return None
        return tuple(tuple(self.layers[place] for place in path) for path in self.paths)


class RecordLine(Struct, tag_field="type", tag="record"):
    """One training step, see `StepRecord`."""

    step: Count
    seconds: Time
    samples: Count
    losses: tuple[tuple[Count, Number], ...]
    rates: tuple[Number, ...]
    values: dict[str, Number]
    skipped: Count
    allowance: Annotated[float, Meta(ge=0, le=100)]
    inputs: tuple[Number, Number, Number] | None
    outputs: Count
    ascends: bool
    frozen: dict[str, str]
    unmeasured: dict[str, str]
    activation: tuple[Norm, ...]
    gradient: tuple[Norm, ...]
    weight: tuple[Norm, ...]
    weight_gradient: tuple[Norm, ...]
    update: tuple[Norm, ...]
    dead: tuple[Share, ...]
    saturated: tuple[Share, ...]
    agreement: tuple[Cosine, ...]
    eval_mode: dict[str, str] = {}
    unused: tuple[str, ...] = ()
    joined: dict[str, Annotated[float, Meta(ge=0)] | Named] = {}

    def record(self, of: LayersLine) -> StepRecord:
        """Return the record; `of` has its layers.

        Raises
        ------
        ValueError
            If the figures are not those of these layers.
        """
        figures = {name: tuple(map(_figure, getattr(self, name))) for name in COLUMNS}
        if any(len(values) != len(of.layers) for values in figures.values()):
            raise ValueError("the figures do not match the layers")
        return StepRecord(
            step=self.step,
            seconds=self.seconds,
            samples=self.samples,
            layers=of.layers,
            figures=figures,
            losses=pairs(self.losses),
            rates=tuple(map(float, self.rates)),
            values={name: float(value) for name, value in self.values.items()},
            skipped=self.skipped,
            allowance=self.allowance,
            kinds={name: kind for name, kind in zip(of.layers, of.kinds, strict=True) if kind},
            inputs=None if self.inputs is None else InputFigures(*map(float, self.inputs)),
            outputs=self.outputs,
            ascends=self.ascends,
            frozen=self.frozen,
            unmeasured=self.unmeasured,
            eval_mode=self.eval_mode,
            unused=self.unused,
            paths=of.named_paths(),
            joined={layer: float(norm) for layer, norm in self.joined.items()},
        )


class EventLine(Struct, tag_field="type", tag="event"):
    """Something that turned, see `Event`."""

    step: Count
    kind: str
    layer: str
    text: str

    def event(self) -> Event:
        """Return the event."""
        return Event(self.step, self.kind, self.layer, self.text)


class EndLine(Struct, tag_field="type", tag="end"):
    """How a run ended, and the losses after the last record."""

    losses: tuple[tuple[Count, Number], ...]
    steps: Count | None = None
    error: str = ""
    unmeasured: dict[str, str] = {}

    def facts(self) -> dict[str, Any]:
        """Return how it ended."""
        known = {"error": self.error, "unmeasured": self.unmeasured}
        return known if self.steps is None else {**known, "steps": self.steps}


Line = RunLine | LayersLine | RecordLine | EventLine | EndLine


class _Mark(Struct):
    """What tells the first line of a run from anything else."""

    type: Literal["run"]
    format: Literal["cnnviz training run"]


def begins_run(line: bytes) -> bool:
    """Whether a line is the first one of a run, be the rest of it as it may."""
    try:
        decoded(line, _Mark)
    except ValueError:
        return False
    return True


def line_of(line: bytes) -> Line:
    """Return what a line holds.

    Raises
    ------
    ValueError
        If it is none of a run's; the text says what is wrong with it.
    """
    return decoded(line, Line)  # type: ignore[arg-type]


def pairs(losses: Sequence[tuple[int, Number]]) -> tuple[tuple[int, float], ...]:
    """Return losses by their steps as numbers."""
    return tuple((step, float(loss)) for step, loss in losses)


def _figure(value: float | str | None) -> float | None:
    return None if value is None else float(value)
