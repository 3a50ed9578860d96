"""What a forward pass leaves to be differentiated: its layers and joins, in the order of calls.

Layers and activations are met where their functions are called, so that functional, in-place and
reused ones count like modules, and no tensor is replaced: a gradient is asked for at the edge of
the graph that existed when a layer returned, whatever is written into its output afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge
from torch.utils.weak import WeakTensorKeyDictionary

from cnnviz.gradients import measures
from cnnviz.gradients.activation_calls import ActivationCall, ActivationStatistics, read_activation
from cnnviz.gradients.graph import Node, of_parameters_alone
from cnnviz.gradients.origins import (
    CustomFunctions,
    Cut,
    DataOrigins,
    carries_values,
    edge_of,
    tensors_in,
)
from cnnviz.gradients.recorded_layer import LAYER_KINDS, LAYERS, WEIGHTED, RecordedLayer
from cnnviz.gradients.recurrent_stacks import by_layers
from cnnviz.gradients.silencing_bias import BIASES, VARIANCES, Silenced, silenced_by_bias
from cnnviz.gradients.vmapped_calls import VmappedCalls
from cnnviz.introspection import operations
from cnnviz.introspection.function_calls import FunctionMode

_CHANNELS_LAST = ("linear", operations.PRODUCT)
_TELLING = (*LAYER_KINDS, operations.PRODUCT, operations.ADD, operations.CAT)
"""What tells where the channels are of what follows."""


@dataclass
class _Place:
    name: str
    module: nn.Module


class ForwardRecorder(FunctionMode):
    """Notes the layers, merges, normalisations and activations of one forward pass.

    Use together with `cnnviz.introspection.hooks.module_hooks`, which says whose calls they are.

    Parameters
    ----------
    samples : int, optional
        How many images go in; the first axis of each output is theirs when not given.

    Attributes
    ----------
    met : list of RecordedLayer
        Convolutions, linear layers, sums and concatenations, in the order of calls.
    activities : list of ActivationStatistics
        Activations, in the order of calls.
    normalisations : int
        Calls of normalisations.
    last_input : torch.Tensor or None
        What went into the last layer.
    vmapped : VmappedCalls
        What is called within torch.vmap, of which nothing else is noted.
    """

    def __init__(self, samples: int | None = None) -> None:
        super().__init__()
        self._samples = samples
        self._customs = CustomFunctions()
        self.met: list[RecordedLayer] = []
        self.activities: list[ActivationStatistics] = []
        self.normalisations = 0
        self.last_input: Any = None
        self.vmapped = VmappedCalls()
        self._places: list[_Place] = []
        self.origins = DataOrigins()
        self.inside: dict[type[torch.autograd.Function], list[FrameType]] = {}
        self._held: Any = WeakTensorKeyDictionary()
        self._shifts: Any = WeakTensorKeyDictionary()
        self._cut: Cut | None = None
        self._alike: dict[tuple[str, str], list[RecordedLayer]] = {}

    def enter(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note that a module is called."""
        self._places.append(_Place(name, module))

    def leave(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Note that a module has returned; one inside it that raised did not say so."""
        while self._places and self._places.pop().module is not module:
            pass

    def finish(self) -> None:
        """Write down how many calls there were of each layer, once the pass has ended."""
        for alike in self._alike.values():
            for met in alike:
                met.times = len(alike)

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Pass every call on, and note those that count."""
        # Before the call: in place, the first argument becomes the result.
        given = list(tensors_in(args, named)) if carries_values(func) else []
        if self.vmapped.note(func, given, weighted=operations.operation(func) in WEIGHTED):
            return func(*args, **named)
        activated = read_activation(func, args, named)
        if activated is not None:
            with torch.no_grad():
                self._activate(activated)
        origins, lost = self.origins.of(given), self.origins.lost(given)
        terms = _terms(given)
        result = by_layers(func, args, named, self._meet_stacked)
        if result is None:
            result = func(*args, **named)
            self._note(func, args, named, result, given, terms, origins)
        written = args[:1] if result is None else ()
        self.origins.note(tensors_in(result, written), self._past(origins), lost)
        return result

    def _past(self, origins: frozenset[Node]) -> frozenset[Node]:
        # What comes out of a layer without a gradient came from that layer.
        cut, self._cut = self._cut, None
        return origins if cut is None else frozenset((cut,))

    def _note(
        self,
        func: Any,
        args: Sequence[Any],
        named: Mapping[str, Any],
        result: Any,
        given: list[torch.Tensor],
        terms: tuple[Node, ...],
        origins: frozenset[Node],
    ) -> None:
        what = operations.operation(func)
        output = next(tensors_in(result), args[0] if func is torch.Tensor.__setitem__ else None)
        if output is None or not (output.is_floating_point() or output.is_complex()):
            return
        leaves = tuple(one for one in given if one.requires_grad and one.grad_fn is None)
        if what in WEIGHTED:
            met = self._meet(WEIGHTED[what], output, terms, leaves, origins)
            if what in LAYERS:
                self.last_input = args[0] if args else named.get("input")
                if met is not None:
                    used = args[1] if len(args) > 1 else named.get("weight")
                    met.weights = _weights_among([used]) or met.weights
                    bias = args[2] if len(args) > 2 else named.get("bias")
                    met.bias = bias if isinstance(bias, torch.Tensor) else None
            elif met is not None:
                met.weights = tuple(one for one in leaves if one.ndim >= 2)
                met.others = _others(output, result)
        elif not output.requires_grad:
            return
        elif what == operations.NORMALISATION:
            self.normalisations += 1
            self._normalise(func, args, named, output)
        elif what == operations.PRODUCT and len(terms) + len(leaves) > 1:
            self._multiply(self._meet(operations.PRODUCT, output, terms, leaves, origins), given)
        elif len(terms) > 1:
            self._meet(_called(func, what), output, terms, leaves, origins)

    def _meet_stacked(self, given: torch.Tensor, returned: tuple[torch.Tensor, ...]) -> None:
        origins = self.origins.of([given])
        met = self._meet("recurrent", returned[0], _terms([given]), (), origins)
        if met is not None:
            met.others = _others(returned[0], returned)
        self.origins.note(returned, self._past(origins), frozenset())

    def _meet(
        self,
        kind: str,
        output: torch.Tensor,
        terms: tuple[Node, ...],
        leaves: tuple[torch.Tensor, ...],
        origins: frozenset[Node],
    ) -> RecordedLayer | None:
        inside = self._inside()
        if not output.requires_grad and inside is None and not origins:
            return None  # It computes weights of weights, or a constant.
        edge = edge_of(output)
        cut = Cut(origins) if edge is None else None
        self._cut = cut if inside is None else None
        name = self._places[-1].name if self._places else ""
        owned = self._places[-1].module.parameters(recurse=False) if self._places else ()
        values = as_real(output.detach())
        weights: tuple[torch.Tensor, ...] = tuple(
            p for p in owned if p.ndim >= 2 and p.requires_grad
        )
        if kind == operations.PRODUCT:
            weights = tuple(p for p in leaves if p.ndim >= 2) or weights
        met = RecordedLayer(
            name=name,
            index=len(self._alike.get((name, kind), ())),
            kind=kind,
            edge=edge,
            shape=tuple(output.shape),
            norm=measures.rms_norm(values, self._samples),
            deviation=_deviation(values),
            nonfinite=measures.nonfinite(values),
            weights=weights if kind in (*LAYER_KINDS, operations.PRODUCT) else (),
            node=cut if edge is None else edge.node,
            terms=terms,
            weighted=bool(leaves),
            inside=inside,
        )
        self.met.append(met)
        self._alike.setdefault((name, kind), []).append(met)
        self._held[output] = met
        return met

    def _multiply(self, met: RecordedLayer | None, given: list[torch.Tensor]) -> None:
        """Note of a product that it is a layer, where it is one with weights."""
        weights = () if met is None else _weights_among(given)
        if met is not None and weights:
            met.weights, met.weighted = weights, True
            others = (one for one in given if all(one is not held for held in weights))
            self.last_input = next(others, self.last_input)

    def _inside(self) -> tuple[type[torch.autograd.Function], int] | None:
        """Return the custom function that is running; note which call of it this is."""
        running = self._customs.running()
        if running is None:
            return None
        called, frame = running
        frames = self.inside.setdefault(called, [])
        if frame not in frames:
            frames.append(frame)
        return called, frames.index(frame)

    def _normalise(
        self, func: Any, args: Sequence[Any], named: Mapping[str, Any], output: torch.Tensor
    ) -> None:
        func, named = operations.as_written(func, named)
        given: Any = args[0] if args else named["input"]
        at = BIASES.get(func)
        bias = named.get("bias") if at is None or len(args) <= at else args[at]
        if at is not None and isinstance(bias, torch.Tensor):
            self._shifts[output] = bias
        met = self._held.get(given)
        if met is None:
            return
        values = given.detach()
        place = VARIANCES.get(func)
        if place is None:
            met.scale = _deviation(values)
            return
        running: Any = args[place] if len(args) > place else named.get("running_var")
        # In evaluation it divides by what it has gathered, in training by what it sees.
        trains = args[5] if len(args) > 5 else named.get("training", False)
        others = [axis for axis in range(values.ndim) if axis != 1]
        spread = values.var(others, unbiased=False) if trains or running is None else running
        met.scale = (spread.detach() + 1e-12).sqrt()

    def _activate(self, call: ActivationCall) -> None:
        activity = ActivationStatistics(
            name=self._places[-1].name if self._places else "",
            kind=call.name,
            after=len(self.met) - 1,
        )
        if call.slope is not None:
            slope = call.slope(call.values.detach())
            # Of what is not a number nobody can say whether it is dead or saturated.
            if bool(call.values.detach().isnan().any()):
                self.activities.append(activity)
                return
            if call.values.ndim > 1 and slope.dtype == torch.bool:
                activity.dead = self._dead(call.values.detach(), slope)
                activity.silenced = self._silenced(call, activity.dead)
                # Channels that are empty are not dead, but nothing comes back through them either.
                activity.closed = activity.dead is not None and not bool(slope.any())
            if call.bounded:
                activity.saturated = measures.saturated_fraction(wide(slope), call.steepest)
        self.activities.append(activity)

    def _dead(self, values: torch.Tensor, slope: torch.Tensor) -> torch.Tensor | None:
        if values.ndim > 2 and math.prod(values.shape[2:]) == 1:
            return None  # A gate: one value for a whole map, which may well be off.
        axis = self._channel_axis(values)
        dead = measures.dead_channels(slope, axis)
        # Nothing goes into a channel that a skip padded with zeros: it is empty, not dead.
        return dead & ~measures.dead_channels(values != 0, axis) if bool(dead.any()) else dead

    def _silenced(self, call: ActivationCall, dead: torch.Tensor | None) -> Silenced | None:
        met, shift = self._held.get(call.values), self._shifts.get(call.values)
        bias = shift if met is None else met.bias
        if bias is None or call.slope is None:
            return None  # Something lies between the layer and its activation.
        values = call.values.detach()
        axis, normalised = self._channel_axis(values), met is None
        return silenced_by_bias(values, call.slope, dead, bias, axis, normalised=normalised)

    def _channel_axis(self, values: torch.Tensor) -> int:
        # Linear layers keep their channels last, also of maps that were turned channels-last.
        telling = (met for met in reversed(self.met) if met.kind in _TELLING)
        after = next(telling, None)
        last = after is not None and after.kind in _CHANNELS_LAST and values.ndim > 2
        return -1 if last and after is not None and after.shape[-1] == values.shape[-1] else 1


def wide(values: torch.Tensor) -> torch.Tensor:
    """Return the values in double precision, where the device has it."""
    return values.float() if values.device.type == "mps" else values.double()


def _deviation(values: torch.Tensor) -> torch.Tensor:
    exact = wide(values)
    return exact.std(unbiased=False) if values.numel() > 1 else exact.abs().sum()


def as_real(values: torch.Tensor) -> torch.Tensor:
    """Return the values with the parts of complex ones along a last axis of their own."""
    return torch.view_as_real(values.resolve_conj()) if values.is_complex() else values


def _weights_among(given: Iterable[Any]) -> tuple[torch.Tensor, ...]:
    """Return what a layer multiplies by as it is then: also where it was computed of parameters.

    Weight norm, pruning, adapters and the like keep other parameters than these.
    """
    held = (one for one in given if isinstance(one, torch.Tensor) and one.requires_grad)
    return tuple(one for one in held if one.ndim >= 2 and of_parameters_alone(one))


def _terms(given: list[torch.Tensor]) -> tuple[Node, ...]:
    computed = (edge_of(one) for one in given if one.requires_grad and one.grad_fn is not None)
    return tuple(edge.node for edge in computed if edge is not None)


def _others(output: torch.Tensor, result: Any) -> tuple[GradientEdge, ...]:
    more = (edge_of(one) for one in tensors_in(result) if one is not output)
    return tuple(edge for edge in more if edge is not None)


def _called(func: Any, what: str | None) -> str:
    if what in (operations.ADD, operations.CAT):
        return what
    name = str(getattr(func, "__name__", "join")).strip("_")
    known = {"setitem": "write", "truediv": "div", "rtruediv": "div"}
    name = known.get(name, name)
    return name[1:] if name in ("radd", "rsub", "rmul", "isub", "imul", "itruediv") else name
