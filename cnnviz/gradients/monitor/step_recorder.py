"""What one recorded step leaves: kept on the device while it lasts, read once when it is over."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from cnnviz.gradients.activation_calls import ActivationCall
from cnnviz.gradients.measures import joint_norm, sample_norms
from cnnviz.gradients.monitor.activation_listener import ActivationListener, units
from cnnviz.gradients.monitor.frozen_layers import frozen_layers
from cnnviz.gradients.monitor.gradient_agreement import Agreement
from cnnviz.gradients.monitor.guard import Guard
from cnnviz.gradients.monitor.input_figures import input_sums, read_sums
from cnnviz.gradients.monitor.layer_paths import Call, LayerPaths
from cnnviz.gradients.monitor.left_out import (
    RestingFunctions,
    in_eval_mode,
    rests_in_eval_mode,
    unused_parameters,
)
from cnnviz.gradients.monitor.monitored_layers import MonitoredNetwork, allowance, layer_weights
from cnnviz.gradients.monitor.records import COLUMNS, Finished
from cnnviz.gradients.monitor.step_values import (
    StepValues,
    always,
    first_numbers,
    mean,
    ratio,
    root_mean_square,
    worst,
)
from cnnviz.gradients.monitor.sum_gradients import SumGradients
from cnnviz.introspection import layers as layer_names
from cnnviz.introspection.call_names import call_name
from cnnviz.introspection.hooks import change_gradient
from cnnviz.introspection.recomputation import backward_pass

_FOLLOWING = "following which layers lead to which"
_ALONG = "the gradient along the depth"


class Scaler(Protocol):
    """What is needed of a gradient scaler: the factor on the loss."""

    def get_scale(self) -> float:
        """Return the factor."""


class StepRecorder:
    """The figures of one step, from any number of forward and backward passes.

    A layer's output is measured before anything can write to it, and its gradient by a hook on
    that tensor: torch hands it the gradient of the value as it was then, in-place activations or
    not.

    Parameters
    ----------
    subject : MonitoredNetwork
        What is watched.
    scaler : Scaler or None
        That of mixed precision.
    guard : Guard
        Takes what goes wrong; a layer that it has lost is left out.
    agreement : Agreement
        Holds the gradients of the recorded step before.
    """

    def __init__(
        self,
        subject: MonitoredNetwork,
        scaler: Scaler | None,
        guard: Guard,
        agreement: Agreement,
    ) -> None:
        self._subject = subject
        self._scaler = scaler
        self._guard = guard
        self._agreement = agreement
        self.skipped = 0
        self._depth = 0
        self._mode: ActivationListener | None = None
        self._before: dict[str, list[torch.Tensor]] = {}
        self._start()

    def _start(self) -> None:
        self._scale: float | None = None
        self._order: dict[Call, None] = {}
        self._calls: dict[str, int] = {}
        self._latest: Call | None = None
        self._acted = self._samples = self._sums = self._classes = 0
        self._inputs: list[torch.Tensor] = []
        self._paths, self._joined = LayerPaths(), SumGradients()
        self._silent: dict[str, str] = {}
        self._resting: set[str] = set()
        self._functions = RestingFunctions()
        self._agreements: dict[str, torch.Tensor] = {}
        self._outputs: dict[Call, list[torch.Tensor]] = defaultdict(list)
        self._gradients: dict[Call, list[torch.Tensor]] = defaultdict(list)
        self._dead: dict[tuple[Call, int], list[torch.Tensor]] = defaultdict(list)
        self._flat: dict[tuple[Call, int], list[torch.Tensor]] = defaultdict(list)
        self._weights: dict[str, torch.Tensor] = {}
        self._weight_gradients: dict[str, torch.Tensor] = {}
        self._updates: dict[str, torch.Tensor] = {}

    def before(self, name: str, module: nn.Module, inputs: Any) -> None:
        """Take note that a module is called; a call that is in no other begins a pass."""
        self._depth += 1
        self._functions.enter(module)
        if not torch.is_grad_enabled():
            return
        with self._guard.during("listening to a pass"):
            if rests_in_eval_mode(module):
                self._resting.add(name)
            if self._depth > 1:
                return
            if backward_pass() == -1:
                self._calls.clear()
                self._read_scale()
            if self._mode is None:
                mode = ActivationListener(self._acts, self._deaf, self._rested, self._added)
                mode.__enter__()  # type: ignore[no-untyped-call]
                self._mode = mode

    def after(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        """Measure what a layer gave, and listen for the gradient at it."""
        self._depth -= 1
        self._functions.enter(module, -1)
        if name in self._subject.layers and output is not None:
            with self._guard.during(_FOLLOWING):
                self._follow(name, inputs, output)
            with self._guard.over(name):
                self._take(name, inputs, output)
        if self._depth <= 0:
            self.close()

    def _follow(self, name: str, inputs: Any, output: Any) -> None:
        found, index = first_numbers(output), self._calls.get(name, 0)
        if found is not None and not (index and backward_pass() != -1):
            self._paths.note((name, index), first_numbers(inputs), found)

    def _take(self, name: str, inputs: Any, output: Any) -> None:
        lost = name in self._guard.lost
        found = None if lost else first_numbers(output)
        if found is None:
            # It keeps its place among the others, so that these do not move up.
            self._order.setdefault((name, 0))
            self._latest = None
            if not lost:
                self._silent[name] = "its output holds no numbers that have a norm"
            return
        if not torch.is_grad_enabled():
            if self._mode is not None:
                # A checkpoint calls it again on the way back, when it is too late to tell its turn.
                self._order.setdefault((name, 0))
            return
        index = self._calls.get(name, 0)
        again = index > 0 and backward_pass() != -1
        call = self._latest = (name, 0 if again else index)
        self._acted, self._samples = 0, len(found) if found.ndim else 1
        if again:
            return  # a checkpoint makes again what was measured the first time
        self._calls[name] = index + 1
        self._order[call] = None
        with torch.no_grad():
            self._outputs[call].append(sample_norms(found))
            if call == next(iter(self._order)):
                self._inputs += input_sums(first_numbers(inputs))
        if found.ndim > 1:
            linear = layer_names.kind(self._subject.layers[name]) == "linear"
            self._classes = found.shape[-1 if linear else 1]
        if found.requires_grad:
            change_gradient(found, partial(self._arrives, call))

    def close(self) -> None:
        """Stop looking at activations: the outermost call is over."""
        self._depth = 0
        self._functions.leave_all()
        if self._mode is not None:
            mode, self._mode = self._mode, None
            self._sums = max(self._sums, mode.sums)
            with self._guard.during("listening to a pass"):
                mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _arrives(self, call: Call, gradient: torch.Tensor) -> None:
        if call[0] in self._guard.lost:
            return
        with self._guard.over(call[0]), torch.no_grad():
            if gradient.layout == torch.strided:
                self._gradients[call].append(sample_norms(gradient))

    def _deaf(self, error: Exception) -> None:
        """Give up the layer whose activation cannot be looked at."""
        if self._latest is None:
            with self._guard.during("reading an activation"):
                raise error
        else:
            with self._guard.over(self._latest[0]):
                raise error

    def _acts(self, call: ActivationCall) -> None:
        values, layer = call.values, self._latest
        if layer is None or layer[0] in self._guard.lost:
            return
        if values.ndim < 2 or len(values) != self._samples:
            return  # a gate computed from a parameter, not from the samples
        key = (layer, self._acted)
        self._acted += 1
        linear = layer_names.kind(self._subject.layers[layer[0]]) == "linear"
        dead, saturated = units(call, -1 if linear else 1)
        if dead is not None:
            self._dead[key].append(dead)
        if saturated is not None:
            self._flat[key].append(saturated)

    def _rested(self, kind: str, output: torch.Tensor) -> None:
        self._functions.take(kind, output, self._latest[0] if self._latest else None)

    def _added(self, output: torch.Tensor) -> None:
        self._joined.take(self._latest, output)

    def _read_scale(self) -> None:
        """Know the scale of the loss; where it fell, the update of what was gathered was left out.

        Gradients that are not finite make the scaler leave the update out and lower its scale.
        """
        if self._scaler is None:
            return
        scale = float(self._scaler.get_scale())
        if self._scale is not None and scale < self._scale:
            self.leave_out()
        self._scale = scale

    def leave_out(self) -> None:
        """Forget what was gathered: its update was left out."""
        self.skipped += 1
        self._start()

    def keep_weights(self) -> None:
        """Copy the weights as they are before the update."""
        self._before = {}
        for name, layer in self._kept():
            with self._guard.over(name), torch.no_grad():
                self._before[name] = [one.detach().clone() for one in layer_weights(layer)]

    def _kept(self) -> list[tuple[str, nn.Module]]:
        """Return the layers that are still measured."""
        layers = self._subject.layers.items()
        return [(name, layer) for name, layer in layers if name not in self._guard.lost]

    def take_weight_gradients(self, factor: torch.Tensor | float | None = None) -> None:
        """Measure the gradients of the weights, divided by the factor still on them."""
        for name, layer in self._kept():
            with self._guard.over(name), torch.no_grad():
                weights = layer_weights(layer)
                held = [_dense(weight.grad) for weight in weights if weight.grad is not None]
                if held:
                    norm = joint_norm(held)
                    self._weight_gradients[name] = norm if factor is None else norm / factor
                    agreed = self._agreement.take(name, held)
                    if agreed is not None:
                        self._agreements[name] = agreed

    def take_updates(self) -> None:
        """Measure the weights of before the update, and how far it moved them."""
        for name, layer in self._kept():
            with self._guard.over(name), torch.no_grad():
                before, now = self._before.get(name, []), layer_weights(layer)
                if before and len(before) == len(now):
                    self._weights[name] = joint_norm(before)
                    # In place: a second copy of a large network takes longer than its norm.
                    for held, weight in zip(before, now, strict=True):
                        held.sub_(weight.detach())
                    self._updates[name] = joint_norm(before)
        self._before = {}

    @property
    def allowance(self) -> float:
        """The decades by which a gradient may grow more than in a plain chain, and all is well."""
        return allowance(self._subject.root, len(self._order), self._sums)

    @property
    def samples(self) -> int:
        """How many samples went through the layer that saw most of them."""
        seen = (sum(map(len, passes)) for passes in self._outputs.values())
        return max(seen, default=0)

    def finish(self, optimizer: torch.optim.Optimizer | None) -> Finished:
        """Read everything from the device, once, and return the layers and their figures."""
        scale = self._scale if self._scale is not None else self._late_scale()
        names = [name for name, _ in self._order]
        silent = [name for name in self._subject.layers if name not in names]
        calls: list[Call] = [*self._order, *((name, 0) for name in silent)]
        # What is not called is not meant to learn at this step.
        called = [(name, layer) for name, layer in self._kept() if name in names]
        frozen = frozen_layers(called, optimizer, self._guard)
        lost = {**self._silent, **self._guard.lost}
        values = StepValues(self._every())
        rows = [
            {} if call[0] in self._guard.lost else self._row(values, call, scale) for call in calls
        ]
        labels = tuple(call_name(n, index, max(names.count(n), 1)) for n, index in calls)
        named = [(label, name) for label, (name, _) in zip(labels, calls, strict=True)]
        labels_of = dict(zip(calls, labels, strict=True))
        paths, unknown = self._compared(labels_of, lost)
        return Finished(
            layers=labels,
            figures={name: tuple(row.get(name) for row in rows) for name in COLUMNS},
            kinds={label: type(self._subject.layers[name]).__name__ for label, name in named},
            paths=paths,
            joined=self._joined.read(values, labels_of, paths, scale),
            inputs=read_sums([float(values.many([one])[0][0]) for one in self._inputs]),
            outputs=self._classes,
            frozen={label: frozen[name] for label, name in named if name in frozen},
            unmeasured={label: lost[name] for label, name in named if name in lost} | unknown,
            **self._left_out(optimizer, frozen),
        )

    def _compared(
        self, labels: Mapping[Call, str], lost: Mapping[str, str]
    ) -> tuple[tuple[tuple[str, ...], ...], dict[str, str]]:
        """Return the paths that the gradient is compared along, or why none is known."""
        with self._guard.during(_FOLLOWING):
            if not self._paths.known:
                return (), {_ALONG: "layers were called on the way back, and where is not known"}
            held = {call for call in labels if call in self._gradients or call[0] in lost}
            found = self._paths.deepest(held)
            return tuple(tuple(labels[call] for call in path) for path in found), {}
        return (), {_ALONG: self._guard.failed[_FOLLOWING]}

    def _left_out(
        self, optimizer: torch.optim.Optimizer | None, frozen: Mapping[str, str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {"eval_mode": {}, "unused": ()}
        root, told = self._subject.root, [self._subject.layers[name] for name in frozen]
        heard = self._resting if self._subject.audible else None
        with self._guard.during("looking for what is left out"):
            modules = in_eval_mode(root, self._subject.modules(), heard)
            found["eval_mode"] = modules | self._functions.found(root)
            found["unused"] = unused_parameters(root, optimizer, told)
        return found

    def _row(self, values: StepValues, call: Call, scale: float) -> dict[str, float | None]:
        """Return the figures of one call of a layer."""
        name = call[0]
        weight, update = values.one(self._weights, name), values.one(self._updates, name)
        activation = root_mean_square(values.many(self._outputs.get(call, ())))
        # NaN is neither above nor below anything: it tells nothing about a unit.
        told = math.isfinite(activation or 0.0)
        agreement = values.one(self._agreements, name)
        # A gradient of zero, or one that is not finite, points nowhere.
        pointing = agreement is not None and math.isfinite(agreement)
        return {
            "activation": activation,
            "gradient": root_mean_square(values.many(self._gradients.get(call, ())), scale),
            "weight": weight,
            "weight_gradient": values.one(self._weight_gradients, name),
            "update": ratio(update, weight),
            "dead": worst(values, self._dead, call, always) if told else None,
            "saturated": worst(values, self._flat, call, mean) if told else None,
            "agreement": agreement if pointing else None,
        }

    def _late_scale(self) -> float:
        return 1.0 if self._scaler is None else float(self._scaler.get_scale())

    def _every(self) -> Iterable[torch.Tensor]:
        several: Sequence[Mapping[Any, list[torch.Tensor]]] = (
            self._outputs,
            self._gradients,
            self._dead,
            self._flat,
            self._joined.norms,
        )
        for held in several:
            for tensors in held.values():
                yield from tensors
        for single in (
            self._weights,
            self._weight_gradients,
            self._updates,
            self._agreements,
        ):
            yield from single.values()
        yield from self._inputs


def _dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient if gradient.layout == torch.strided else gradient.coalesce().values()
