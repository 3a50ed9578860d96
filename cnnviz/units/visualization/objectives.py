"""What a picture is optimised for: how it is written, and which part of the network it means."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import LayerError, TargetError, UsageError
from cnnviz.introspection.call_names import no_call, several_calls
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.layers import KINDS, named_layers
from cnnviz.introspection.tracing.map_layout import NoMap
from cnnviz.introspection.unit_names import Unit, check_channels, read_channels
from cnnviz.models import Model
from cnnviz.models.output_kinds import OutputKind
from cnnviz.models.outputs import read_output
from cnnviz.models.reading import Reading
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captures import capture
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.stages import CallOrder, OrderedCall
from cnnviz.passes.targets import score
from cnnviz.results.space import space_of
from cnnviz.results.text import dimensions, joined

Kind = Literal["channel", "position", "direction", "layer", "class"]
WRITTEN = (
    "Write layer:3,7 for channels, layer:* for all of them, layer:3@4x5 for one position, "
    "class:koala for a class, or a layer alone; semicolons part several."
)
_CLASS = "class:"
_PLACE = re.compile(r"\d+(x\d+)*")
_CALL = re.compile(r"(.+)#(\d+)")


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in the space of a layer's channels, such as the difference of two concepts.

    Attributes
    ----------
    layer : str
        The layer; ``name#1`` is the second call of a layer that is called twice.
    weights : ndarray of float
        One weight for each channel, [C]; only their ratios count.
    name : str
        What to call it.
    """

    layer: str
    weights: NDArray[Any]
    name: str = "direction"


UnitLike = str | Unit | Direction
"""One thing to optimise pictures for as it is written, or several in one text."""
Units = UnitLike | Iterable[UnitLike]
"""Whatever `read_objectives` reads."""


@dataclass(frozen=True, eq=False)
class Objective:
    """One thing to optimise pictures for.

    Attributes
    ----------
    name : str
        How it is written.
    kind : {"channel", "position", "direction", "layer", "class"}
        What is meant by it.
    layer : (str, int) or None
        The layer's name and which of its calls; None for a class.
    channel : int
        The channel, or the index of the class.
    place : tuple of int or None
        Row and column of a single position; of signals and volumes its place along each axis.
    weights : ndarray of float32, optional
        The direction, [C], of length one.
    rectified : bool
        Whether only what is above zero counts. Of a layer that is linear in the picture the plain
        mean over the positions cancels: every stripe that a filter likes has a neighbour that it
        dislikes as much, and nothing but the mean colour would be left.
    """

    name: str
    kind: Kind
    layer: Key | None
    channel: int = 0
    place: tuple[int, ...] | None = None
    weights: NDArray[np.float32] | None = None
    rectified: bool = False

    def describe(self) -> dict[str, Any]:
        """Return the objective as plain data that tells it from every other."""
        weights = None if self.weights is None else [float(weight) for weight in self.weights]
        return {
            "name": self.name,
            "kind": self.kind,
            "layer": None if self.layer is None else list(self.layer),
            "channel": self.channel,
            "place": None if self.place is None else list(self.place),
            "weights": weights,
            "rectified": self.rectified,
        }

    @property
    def digest(self) -> str:
        """A short name made of letters and digits, which no other objective shares."""
        text = json.dumps(self.describe(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def score(self, values: torch.Tensor) -> torch.Tensor:
        """Return what is maximised, [R], of the layer's output or the logits, [R, C, ...].

        The mean over all positions of a channel or direction, the value at a position, the logit of
        a class, or the mean square of a whole layer (DeepDream, Mordvintsev et al. 2015).
        """
        if self.kind == "layer":
            return values.square().flatten(1).mean(1)
        if self.kind == "direction":
            weights = torch.as_tensor(self.weights).to(values)
            chosen = torch.einsum("c,rc...->r...", weights, values)
        else:
            chosen = values[:, self.channel]
        if self.place is not None:
            entries: tuple[Any, ...] = (slice(None), *self.place)
            return chosen[entries]
        if self.rectified:
            chosen = chosen.relu()
        return chosen.reshape(len(values), -1).mean(1)


def read_objectives(model: Model, units: Units) -> tuple[Objective, ...]:
    """Return objectives from the way they are written, each once.

    Parameters
    ----------
    model : Model
        The network; it is run once on zeros, for the shapes of its layers.
    units : str, Unit, Direction, or iterable of these
        ``"layer:3"``, ``"layer:3,7,10-15"`` or ``"layer:*"`` for channels, where the layer may also
        be a kind or a pattern (see `cnnviz.introspection.layers.select`); ``"layer:3@4x5"`` for row
        4 and column 5 of channel 3, and ``"layer:3@middle"``; ``"class:koala"`` or ``"class:105"``;
        a layer alone for all of it. Semicolons part several in one string.

    Raises
    ------
    UsageError
        If nothing is named, or a text cannot be read.
    LayerError, TargetError
        If there is no such layer, call, channel, position or class.
    """
    entries = [units] if isinstance(units, (str, Unit, Direction)) else _listed(units)
    reader = _ObjectiveReader(model)
    found: dict[str, Objective] = {}
    for entry in entries:
        for objective in reader.read(entry):
            found.setdefault(objective.name, objective)
    if not found:
        raise UsageError("No unit was named.", WRITTEN)
    return tuple(found.values())


def _listed(units: Iterable[UnitLike]) -> list[UnitLike]:
    if not isinstance(units, Iterable):
        raise UsageError(f"{units!r} is no unit.", WRITTEN)
    return list(units)


class _ObjectiveReader:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._image = torch.zeros(1, *model.input_shape, device=model.device, dtype=model.dtype)
        self._order: CallOrder = call_order(model, self._image)

    def read(self, entry: UnitLike) -> list[Objective]:
        if isinstance(entry, Direction):
            return [self._direction(entry)]
        if isinstance(entry, Unit):
            return self._channels(self._call(entry.layer), (entry.channel,), None)
        if not isinstance(entry, str):
            raise UsageError(f"{entry!r} is no unit.", WRITTEN)
        parts = [part.strip() for part in entry.split(";")]
        return [objective for part in parts if part for objective in self._text(part)]

    def _text(self, text: str) -> list[Objective]:
        if text.startswith(_CLASS):
            return [self._class(text.removeprefix(_CLASS).strip())]
        layer, colon, channels = text.rpartition(":")
        if not colon:
            return [self._whole(call) for call in self._calls(text)]
        if not (layer.strip() and channels.strip()):
            raise UsageError(f"{text!r} is no unit.", WRITTEN)
        found = []
        for call in self._calls(layer.strip()):
            found += self._of_layer(call, channels.strip())
        return found

    def _of_layer(self, call: OrderedCall, text: str) -> list[Objective]:
        channels, at, place = text.partition("@")
        wanted = tuple(range(_width(call))) if channels.strip() == "*" else read_channels(channels)
        return self._channels(call, wanted, _place(call, place.strip()) if at else None)

    def _channels(
        self, call: OrderedCall, channels: Sequence[int], place: tuple[int, ...] | None
    ) -> list[Objective]:
        check_channels(channels, _width(call), call.name)
        key, name = (call.name, call.index), self._name(call)
        if place is None:
            return [Objective(f"{name}:{each}", "channel", key, each) for each in channels]
        where = "x".join(map(str, place))
        return [
            Objective(f"{name}:{each}@{where}", "position", key, each, place) for each in channels
        ]

    def _whole(self, call: OrderedCall) -> Objective:
        _width(call)
        return Objective(self._name(call), "layer", (call.name, call.index))

    def _direction(self, entry: Direction) -> Objective:
        call = self._call(entry.layer)
        weights = np.asarray(entry.weights, np.float64)
        if weights.shape != (_width(call),):
            raise UsageError(
                f"A direction of the shape {list(weights.shape)} does not fit {entry.layer!r}.",
                f"Give one weight for each of its {_width(call)} channels.",
            )
        length = float(np.linalg.norm(weights))
        if not (np.isfinite(length) and length > 0.0):
            raise UsageError(
                f"The direction {entry.name!r} has no length.", "Give finite weights, not all zero."
            )
        unit = (weights / length).astype(np.float32)
        key = (call.name, call.index)
        return Objective(f"{self._name(call)}:{entry.name}", "direction", key, weights=unit)

    def _class(self, label: str) -> Objective:
        if not self._order.classes:
            self._refuse_embedding(label)
            raise LayerError(
                f"{self._model.name} returns no row of class scores.", "Name a layer's channel."
            )
        # What the output means is told by what the network gives, and not by the zeros below.
        reading = self._reading
        with torch.inference_mode(False), torch.no_grad():
            row = torch.zeros(1, self._order.classes)
        resolved = score(self._model, row, [label], 1).resolved_targets[0]
        self._model.keep_reading(reading)
        if resolved.class_index is None:
            several = " " in label.strip()  # ant - bee
            what = "more than one class" if several else f"no class but {resolved.name}"
            raise UsageError(f"{label!r} is {what}.", "Name one class, or a channel of a layer.")
        name = resolved.class_index if self._model.categories is None else resolved.name
        return Objective(f"{_CLASS}{name}", "class", None, resolved.class_index)

    def _refuse_embedding(self, label: str) -> None:
        try:
            embeds = self._reading.kind == OutputKind.EMBEDDING
        except TargetError:
            return
        if embeds:
            raise UsageError(
                f"{label!r} is no class: the output is {self._reading.describe()}.",
                "Name a channel of a layer.",
            )

    @cached_property
    def _reading(self) -> Reading:
        seen = capture(self._model, self._image, layers=(), gradients=False)
        return read_output(self._model, seen.logits)

    def _calls(self, text: str) -> list[OrderedCall]:
        if any(mark in text for mark in "*?[") or (
            text in KINDS and text not in named_layers(self._model.module)
        ):
            known = {call.name for call in self._order.calls}
            layers = [self._first(name) for name in choose(self._model, text)]
            return [self._call(name) for name in layers if name in known]
        return [self._call(text)]

    def _call(self, text: str) -> OrderedCall:
        numbered = None
        if text not in named_layers(self._model.module):
            numbered = _CALL.fullmatch(text)
        name = numbered[1] if numbered else text
        (chosen,) = choose(self._model, [name])
        first = self._first(chosen)
        calls = [call for call in self._order.calls if call.name == first]
        if not calls:
            raise LayerError(f"Layer {name!r} is not called.", "Choose another layer.")
        if numbered is None and len(calls) > 1:
            raise several_calls(name, len(calls))
        index = int(numbered[2]) if numbered else 0
        if index >= len(calls):
            raise no_call(name, index, len(calls))
        return calls[index]

    def _first(self, name: str) -> str:
        """Return the first of a module's names, by which the order of calls knows it."""
        layers = named_layers(self._model.module)
        return next(first for first, layer in layers.items() if layer is layers[name])

    def _name(self, call: OrderedCall) -> str:
        return self._order.written(call.name, call.index)


def _width(call: OrderedCall) -> int:
    if isinstance(call.map, NoMap):
        raise LayerError(
            f"Layer {call.name!r} has no channels over places of the image: it {call.map.value}.",
            "Choose another layer.",
        )
    return call.map.channels


def _place(call: OrderedCall, text: str) -> tuple[int, ...]:
    if isinstance(call.map, NoMap) or not call.map.dims:
        raise LayerError(
            f"Layer {call.name!r} has no positions.", "Leave out what stands behind the @."
        )
    size = call.map.size
    names = space_of(len(size)).names
    if text == "middle":
        return tuple(length // 2 for length in size)
    place = tuple(map(int, text.split("x"))) if _PLACE.fullmatch(text) else ()
    if len(place) != len(size):
        written = " x ".join(names)
        example = {1: "@40", 2: "@4x5", 3: "@2x4x5"}[len(size)]
        raise UsageError(f"{text!r} is no position.", f"Write {written}: {example}, or @middle.")
    if any(at >= length for at, length in zip(place, size, strict=True)):
        raise LayerError(
            f"Layer {call.name!r} has no position {text}.",
            f"Its output is {dimensions(size)}; {joined([f'{name}s' for name in names])} count "
            "from 0.",
        )
    return place
