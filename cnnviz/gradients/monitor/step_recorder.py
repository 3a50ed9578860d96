"""What one recorded step leaves: kept on the device while it lasts, read once when it is over."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.gradients.activation_calls import ActivationCall
from cnnviz.gradients.measures import joint_norm, sample_norms
from cnnviz.gradients.monitor.activation_listener import ActivationListener, units
from cnnviz.gradients.monitor.monitored_layers import MonitoredNetwork
from cnnviz.gradients.monitor.records import COLUMNS
from cnnviz.gradients.verdicts import NORMALISED_ALLOWANCE, SKIP_ALLOWANCE
from cnnviz.introspection import layers as layer_names
from cnnviz.introspection.hooks import change_gradient

Call = tuple[str, int]
Numbers = NDArray[np.float64]
_LAYERS_A_SKIP = 6
"""From a sum for each six layers on, skips go around most of them: branches have two or three."""


class Scaler(Protocol):
    """What is needed of a gradient scaler: the factor on the loss."""

    def get_scale(self) -> float:
        """Return the factor."""


class StepRecorder:
    """The figures of one step, from any number of forward and backward passes.

    A layer's output is measured before anything can write to it, and its gradient by a hook on
    that tensor: torch hands it the gradient of the value as it was then, in-place activations or
    not.
    """

    def __init__(self, subject: MonitoredNetwork, scaler: Scaler | None) -> None:
        self._subject = subject
        self._scaler = scaler
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
        self._acted = self._samples = self._sums = 0
        self._outputs: dict[Call, list[torch.Tensor]] = defaultdict(list)
        self._gradients: dict[Call, list[torch.Tensor]] = defaultdict(list)
        self._dead: dict[tuple[Call, int], list[torch.Tensor]] = defaultdict(list)
        self._flat: dict[tuple[Call, int], list[torch.Tensor]] = defaultdict(list)
        self._weights: dict[str, torch.Tensor] = {}
        self._weight_gradients: dict[str, torch.Tensor] = {}
        self._updates: dict[str, torch.Tensor] = {}

    @property
    def heard(self) -> bool:
        """Whether any layer was called."""
        return bool(self._order)

    def before(self, name: str, module: nn.Module, inputs: Any) -> None:
        """Take note that a module is called; a call that is in no other begins a pass."""
        self._depth += 1
        if self._depth > 1 or not torch.is_grad_enabled():
            return
        if not _in_backward():
            self._read_scale()
            self._calls.clear()
        if self._mode is None:
            self._mode = ActivationListener(self._acts)
            self._mode.__enter__()  # type: ignore[no-untyped-call]

    def after(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        """Measure what a layer gave, and listen for the gradient at it."""
        self._depth -= 1
        if name in self._subject.layers:
            self._take(name, _tensor(output))
        if self._depth <= 0:
            self.close()

    def _take(self, name: str, found: torch.Tensor | None) -> None:
        if found is None:
            return
        if not torch.is_grad_enabled():
            if self._mode is not None:
                # A checkpoint calls it again on the way back, when it is too late to tell its turn.
                self._order.setdefault((name, 0))
            return
        index = self._calls.get(name, 0)
        again = index > 0 and _in_backward()
        call = self._latest = (name, 0 if again else index)
        self._acted, self._samples = 0, len(found)
        if again:
            return  # a checkpoint makes again what was measured the first time
        self._calls[name] = index + 1
        self._order[call] = None
        with torch.no_grad():
            self._outputs[call].append(sample_norms(found))
        if found.requires_grad:
            change_gradient(found, partial(self._arrives, call))

    def close(self) -> None:
        """Stop looking at activations: the outermost call is over."""
        self._depth = 0
        if self._mode is not None:
            mode, self._mode = self._mode, None
            self._sums = max(self._sums, mode.sums)
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _arrives(self, call: Call, gradient: torch.Tensor) -> None:
        with torch.no_grad():
            if gradient.layout == torch.strided:
                self._gradients[call].append(sample_norms(gradient))

    def _acts(self, call: ActivationCall) -> None:
        values, layer = call.values, self._latest
        if layer is None or values.ndim < 2 or len(values) != self._samples:
            return  # a gate computed from a parameter, not from the samples
        key = (layer, self._acted)
        self._acted += 1
        linear = layer_names.kind(self._subject.layers[layer[0]]) == "linear"
        dead, saturated = units(call, -1 if linear else 1)
        if dead is not None:
            self._dead[key].append(dead)
        if saturated is not None:
            self._flat[key].append(saturated)

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
        with torch.no_grad():
            self._before = {
                name: [weight.detach().clone() for weight in several]
                for name, several in self._subject.weights().items()
            }

    def take_weight_gradients(self, factor: torch.Tensor | float | None = None) -> None:
        """Measure the gradients of the weights, divided by the factor still on them."""
        with torch.no_grad():
            for name, several in self._subject.weights().items():
                held = [_dense(weight.grad) for weight in several if weight.grad is not None]
                if held:
                    norm = joint_norm(held)
                    self._weight_gradients[name] = norm if factor is None else norm / factor

    def take_updates(self) -> None:
        """Measure the weights of before the update, and how far it moved them."""
        with torch.no_grad():
            now = self._subject.weights()
            for name, before in self._before.items():
                if before and len(before) == len(now[name]):
                    self._weights[name] = joint_norm(before)
                    # In place: a second copy of a large network takes longer than its norm.
                    for held, weight in zip(before, now[name], strict=True):
                        held.sub_(weight.detach())
                    self._updates[name] = joint_norm(before)
        self._before = {}

    @property
    def allowance(self) -> float:
        """The decades by which a gradient may grow more than in a plain chain, and all is well.

        Where layers are normalised, and more where skips go around most of them.
        """
        layers = max(len(self._order), 1)
        kinds = [layer_names.kind(module) for module in self._subject.root.modules()]
        if 2 * kinds.count("norm") <= layers:
            return 0.0
        return NORMALISED_ALLOWANCE + SKIP_ALLOWANCE * (_LAYERS_A_SKIP * self._sums >= layers)

    @property
    def samples(self) -> int:
        """How many samples went through the layer that saw most of them."""
        seen = (sum(map(len, passes)) for passes in self._outputs.values())
        return max(seen, default=0)

    def finish(self) -> tuple[tuple[str, ...], dict[str, tuple[float | None, ...]]]:
        """Read everything from the device, once, and return the layers and their figures."""
        scale = self._scale if self._scale is not None else self._late_scale()
        names = [name for name, _ in self._order]
        silent = [name for name in self._subject.layers if name not in names]
        calls: list[Call] = [*self._order, *((name, 0) for name in silent)]
        table: dict[str, list[float | None]] = {name: [] for name in COLUMNS}
        values = _Values(self._every())
        for call in calls:
            name = call[0]
            weight, update = values.one(self._weights, name), values.one(self._updates, name)
            table["activation"].append(_rms(values.many(self._outputs.get(call, ()))))
            table["gradient"].append(_rms(values.many(self._gradients.get(call, ())), scale))
            table["weight"].append(weight)
            table["weight_gradient"].append(values.one(self._weight_gradients, name))
            table["update"].append(_ratio(update, weight))
            # NaN is neither above nor below anything: it tells nothing about a unit.
            told = math.isfinite(table["activation"][-1] or 0.0)
            table["dead"].append(_worst(values, self._dead, call, _always) if told else None)
            table["saturated"].append(_worst(values, self._flat, call, _mean) if told else None)
        several = {name for name in names if names.count(name) > 1}
        labels = tuple(f"{n}#{index}" if n in several else n for n, index in calls)
        return labels, {name: tuple(column) for name, column in table.items()}

    def _late_scale(self) -> float:
        return 1.0 if self._scaler is None else float(self._scaler.get_scale())

    def _every(self) -> Iterable[torch.Tensor]:
        several: Sequence[Mapping[Any, list[torch.Tensor]]] = (
            self._outputs,
            self._gradients,
            self._dead,
            self._flat,
        )
        for held in several:
            for tensors in held.values():
                yield from tensors
        for single in (self._weights, self._weight_gradients, self._updates):
            yield from single.values()


class _Values:
    """Many small tensors, brought over from each device in one piece."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self._read: dict[int, Numbers] = {}
        groups: dict[torch.device, dict[int, torch.Tensor]] = defaultdict(dict)
        for tensor in tensors:
            groups[tensor.device][id(tensor)] = tensor
        for device, group in groups.items():
            exact = torch.float32 if device.type == "mps" else torch.float64
            flat = torch.cat([tensor.reshape(-1).to(exact) for tensor in group.values()])
            ends = np.cumsum([tensor.numel() for tensor in group.values()])[:-1]
            parts = np.split(flat.cpu().numpy().astype(np.float64), ends)
            self._read.update(zip(group, parts, strict=True))

    def one(self, held: Mapping[str, torch.Tensor], name: str) -> float | None:
        return float(self._read[id(held[name])][0]) if name in held else None

    def many(self, tensors: Sequence[torch.Tensor]) -> list[Numbers]:
        return [self._read[id(tensor)] for tensor in tensors]


def _rms(parts: list[Numbers], scale: float = 1.0) -> float | None:
    """Return the root mean square of the samples of all passes."""
    norms = np.concatenate(parts) if parts else np.zeros(0)
    if not norms.size:
        return None
    largest = float(norms.max())
    if largest == 0.0 or not math.isfinite(largest):
        return largest / scale
    return largest * float(np.sqrt(np.square(norms / largest).mean())) / scale


def _ratio(update: float | None, weight: float | None) -> float | None:
    if update is None or weight is None:
        return None
    if weight == 0.0:
        return 0.0 if update == 0.0 else None
    return update / weight


def _always(passes: list[Numbers]) -> float:
    """Return the share of channels that were dead in every pass."""
    if any(len(one) != len(passes[0]) for one in passes):
        return float(np.mean([one.mean() for one in passes]))
    return float(np.minimum.reduce(passes).mean())


def _mean(passes: list[Numbers]) -> float:
    return float(np.mean(passes))


def _worst(
    values: _Values,
    held: Mapping[tuple[Call, int], list[torch.Tensor]],
    call: Call,
    combine: Any,
) -> float | None:
    """Return the greatest share among the activations that follow a layer."""
    found = [combine(values.many(tensors)) for (own, _), tensors in held.items() if own == call]
    return max(found, default=None)


def _tensor(output: Any) -> torch.Tensor | None:
    """Return the first tensor of real numbers in what a layer gave."""
    if isinstance(output, torch.Tensor):
        usable = output.is_floating_point() and output.layout == torch.strided and output.numel()
        return output if usable else None
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return next((found for entry in output if (found := _tensor(entry)) is not None), None)
    return None


def _dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient if gradient.layout == torch.strided else gradient.coalesce().values()


def _in_backward() -> bool:
    return bool(torch._C._current_graph_task_id() != -1)
