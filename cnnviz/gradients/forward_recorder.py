"""What a forward pass leaves to be differentiated: its layers and merges, in the order of calls.

Layers and activations are met where their functions are called, so that functional, in-place and
reused ones count like modules, and no tensor is replaced: a gradient is asked for at the edge of
the graph that existed when a layer returned, whatever is written into its output afterwards.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

from cnnviz.gradients import measures
from cnnviz.gradients.activation_calls import ActivationCall, read_activation
from cnnviz.introspection import operations
from cnnviz.introspection.function_calls import FunctionMode

LAYERS: Mapping[str | None, str] = {
    operations.CONVOLUTION: "conv",
    operations.LINEAR: "linear",
}
"""What is a layer, and the kind that it has in `RecordedLayer`."""


@dataclass
class RecordedLayer:
    """One layer or merge that was called.

    Attributes
    ----------
    name : str
        The module that called it.
    index : int
        Which call of this kind in this module it is.
    kind : str
        "conv", "linear", "add" or "cat".
    edge : GradientEdge
        Where in the graph its output's gradient arrives.
    shape : tuple of int
        Of the output.
    norm, deviation, nonfinite : torch.Tensor
        Scalars: RMS over the batch of the L2 norm, standard deviation, count of NaN and infinite.
    weights : tuple of torch.Tensor
        Parameters with two or more dimensions that the layer owns.
    scale : torch.Tensor or None
        What the normalisation that follows divides each channel (or all) by; None without one.
    """

    name: str
    index: int
    kind: str
    edge: GradientEdge
    shape: tuple[int, ...]
    norm: torch.Tensor
    deviation: torch.Tensor
    nonfinite: torch.Tensor
    weights: tuple[torch.Tensor, ...] = ()
    scale: torch.Tensor | None = None

    @property
    def is_layer(self) -> bool:
        """Whether it has weights of its own kind: a convolution or a linear layer."""
        return self.kind in ("conv", "linear")


@dataclass
class ActivationStatistics:
    """One call of an activation, and what became of its units.

    Attributes
    ----------
    name : str
        The module that called it.
    kind : str
        "relu", "sigmoid" and so on.
    after : int
        The place in `ForwardRecorder.met` of the layer or merge that was called last before it; -1
        for none.
    dead : torch.Tensor or None
        Which channels have a slope of zero everywhere, bool [C]; None where they cannot.
    saturated : torch.Tensor or None
        The share of positions on its flat sides; None where the word has no meaning.
    """

    name: str
    kind: str
    after: int
    dead: torch.Tensor | None = None
    saturated: torch.Tensor | None = None


@dataclass
class _Place:
    name: str
    module: nn.Module


class ForwardRecorder(FunctionMode):
    """Notes the layers, merges, normalisations and activations of one forward pass.

    Use together with `cnnviz.introspection.hooks.module_hooks`, which says whose calls they are.

    Attributes
    ----------
    met : list of RecordedLayer
        Convolutions, linear layers, sums and concatenations, in the order of calls.
    activities : list of Activity
        Activations, in the order of calls.
    normalisations : int
        Calls of normalisations.
    last_input : torch.Tensor or None
        What went into the last layer.
    softened : list of (weakref, torch.Tensor)
        Outputs of softmax functions and what went in.
    """

    def __init__(self) -> None:
        super().__init__()
        self.met: list[RecordedLayer] = []
        self.activities: list[ActivationStatistics] = []
        self.normalisations = 0
        self.last_input: Any = None
        self.softened: list[tuple[weakref.ref[torch.Tensor], torch.Tensor]] = []
        self._places: list[_Place] = []
        self._latest: tuple[weakref.ref[torch.Tensor], RecordedLayer] | None = None
        self._counts: Counter[tuple[str, str]] = Counter()

    def enter(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note that a module is called."""
        self._places.append(_Place(name, module))

    def leave(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Note that a module has returned; one inside it that raised did not say so."""
        while self._places and self._places.pop().module is not module:
            pass

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Pass every call on, and note those that count."""
        activated = read_activation(func, args, named)
        if activated is not None:
            with torch.no_grad():
                self._activate(activated)
        result = func(*args, **named)
        if isinstance(result, torch.Tensor) and result.requires_grad:
            self._note(func, args, named, result)
        return result

    def _note(
        self, func: Any, args: Sequence[Any], named: Mapping[str, Any], result: torch.Tensor
    ) -> None:
        what = operations.operation(func)
        if what in LAYERS:
            self._meet(LAYERS[what], result)
            self.last_input = args[0] if args else named.get("input")
        elif what == operations.NORMALISATION:
            self.normalisations += 1
            self._normalise(func, args, named)
        elif what == operations.ADD:
            terms = operations.addends(func, args, named)
            if terms is not None and terms.differentiable:
                self._meet("add", result)
        elif what == operations.CAT and _is_cat(args, named):
            self._meet("cat", result)
        elif what == operations.SOFTMAX:
            before = args[0] if args else named["input"]
            self.softened.append((weakref.ref(result), before))

    def _meet(self, kind: str, output: torch.Tensor) -> None:
        name = self._places[-1].name if self._places else ""
        owned = self._places[-1].module.parameters(recurse=False) if self._places else ()
        index = self._counts[name, kind]
        self._counts[name, kind] += 1
        values = output.detach()
        weights = tuple(p for p in owned if p.ndim >= 2 and p.requires_grad)
        met = RecordedLayer(
            name=name,
            index=index,
            kind=kind,
            edge=get_gradient_edge(output),
            shape=tuple(output.shape),
            norm=measures.rms_norm(values),
            deviation=_deviation(values),
            nonfinite=measures.nonfinite(values),
            weights=weights if kind in ("conv", "linear") else (),
        )
        self.met.append(met)
        self._latest = (weakref.ref(output), met)

    def _normalise(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> None:
        given: Any = args[0] if args else named["input"]
        held = None if self._latest is None else self._latest[0]()
        if self._latest is None or held is None or held is not given:
            return
        values = held.detach()
        if func is not F.batch_norm and func is not torch.batch_norm:
            self._latest[1].scale = _deviation(values)
            return
        running: Any = args[2] if len(args) > 2 else named.get("running_var")
        # In evaluation it divides by what it has gathered, in training by what it sees.
        trains = args[5] if len(args) > 5 else named.get("training", False)
        others = [axis for axis in range(values.ndim) if axis != 1]
        spread = values.var(others, unbiased=False) if trains or running is None else running
        self._latest[1].scale = (spread.detach() + 1e-12).sqrt()

    def _activate(self, call: ActivationCall) -> None:
        activity = ActivationStatistics(
            name=self._places[-1].name if self._places else "",
            kind=call.name,
            after=len(self.met) - 1,
        )
        if call.slope is not None:
            slope = call.slope(call.values.detach())
            if call.values.ndim > 1 and slope.dtype == torch.bool:
                activity.dead = self._dead(call.values.detach(), slope)
            if call.bounded:
                activity.saturated = measures.saturated_fraction(wide(slope), call.steepest)
        self.activities.append(activity)

    def _dead(self, values: torch.Tensor, slope: torch.Tensor) -> torch.Tensor | None:
        if values.ndim == 4 and values.shape[2] * values.shape[3] == 1:
            return None  # A gate: one value for a whole map, which may well be off.
        axis = self._channel_axis(values)
        dead = measures.dead_channels(slope, axis)
        # Nothing goes into a channel that a skip padded with zeros: it is empty, not dead.
        return dead & ~measures.dead_channels(values != 0, axis) if bool(dead.any()) else dead

    def _channel_axis(self, values: torch.Tensor) -> int:
        # Linear layers keep their channels last, also of maps that were turned channels-last.
        after = self.met[-1] if self.met else None
        last = after is not None and after.kind == "linear" and values.ndim > 2
        return -1 if last and after is not None and after.shape[-1] == values.shape[-1] else 1


def wide(values: torch.Tensor) -> torch.Tensor:
    """Return the values in double precision, where the device has it."""
    return values.float() if values.device.type == "mps" else values.double()


def _deviation(values: torch.Tensor) -> torch.Tensor:
    exact = wide(values)
    return exact.std(unbiased=False) if values.numel() > 1 else exact.abs().sum()


def _is_cat(args: Sequence[Any], named: Mapping[str, Any]) -> bool:
    parts = args[0] if args else named.get("tensors", ())
    return sum(isinstance(part, torch.Tensor) and part.requires_grad for part in parts) > 1
