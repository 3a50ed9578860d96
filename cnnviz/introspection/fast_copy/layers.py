"""What the modules of a fast copy do in place of their own forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from cnnviz.introspection.fast_copy.folding import stand_in
from cnnviz.introspection.fast_copy.packed import PackedConvolution, can_pack, takes

_MARK = "_cnnviz_computed"


@dataclass(eq=False)
class PassState:
    """What holds for the pass that is being made.

    Attributes
    ----------
    folded : dict of str
        The layers that compute what their batch norm gives: its name, and how they do so.
    packs : bool
        Whether convolutions run on packed weights.
    exact : bool
        Whether the way forward is the network's own, bit for bit, and gradients alone are computed
        on packed weights.
    open : int
        How many outputs wait for their batch norm to be called.
    """

    folded: dict[str, tuple[str, Computed]] = field(default_factory=dict)
    packs: bool = False
    exact: bool = False
    open: int = 0


class Computed:
    """A layer as it is computed: on packed weights where that can be and is wanted.

    Parameters
    ----------
    layer : torch.nn.Module
        The layer.
    again : callable, optional
        Makes it once more, where it is of the copy's own.
    steps : sequence of torch.nn.Module
        What the network has in its place: the layer, and a norm that was folded into this one.
    """

    def __init__(
        self,
        layer: nn.Module,
        again: Callable[[], nn.Module | None] | None = None,
        steps: Sequence[nn.Module] = (),
    ) -> None:
        self._packed = PackedConvolution(layer, again) if can_pack(layer) else None  # type: ignore[arg-type]
        self._layer = None if self._packed is not None else layer
        self._own = again is not None
        self._steps = tuple(steps) or (layer,)

    @property
    def layer(self) -> nn.Module:
        """The layer."""
        if self._packed is not None:
            return self._packed.layer
        assert self._layer is not None
        return self._layer

    def run(self, inputs: torch.Tensor, *, packs: bool) -> Any:
        """Return what the layer gives."""
        if packs and self._packed is not None:
            return self._packed(inputs)
        return type(self.layer).forward(self.layer, inputs)

    def exact(self, inputs: torch.Tensor) -> Any:
        """Return what the network gives, bit for bit; gradients are sent back on packed weights."""
        wanted = torch.is_grad_enabled() and inputs.requires_grad
        if self._packed is None or not wanted or not takes(inputs):
            return self._as_it_is(inputs)
        return self._packed.with_gradient(inputs, self._as_it_is)

    def _as_it_is(self, inputs: torch.Tensor) -> Any:
        for step in self._steps:
            inputs = type(step).forward(step, inputs)
        return inputs

    @property
    def bytes(self) -> int:
        """Memory of weights that are the copy's own."""
        if self._packed is not None:
            return self._packed.bytes
        if not self._own:
            return 0
        return sum(each.numel() * each.element_size() for each in self.layer.parameters())


@dataclass(eq=False)
class _Waiting:
    """What a batch norm is to return, and which one."""

    norm: str
    value: torch.Tensor


class FastLayer:
    """The forward of a convolution or linear layer in a fast copy.

    Folded, it computes what the batch norm after it gives, keeps that for it, and returns a tensor
    of the same shape that is NaN all over: whoever else reads it, against what was seen of this
    network, makes something of it that nobody takes for a result.
    """

    def __init__(self, name: str, layer: nn.Module, state: PassState) -> None:
        self._name = name
        self._state = state
        # No reference to the module that has this forward: its memory is freed with the copy.
        self.own = Computed(stand_in(layer))

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Compute, as `torch.nn.Module` is called."""
        if named.keys() == {"input"} and not given:
            given, named = (named["input"],), {}
        if len(given) != 1 or named:  # such as the output size of a transposed convolution
            layer: Any = self.own.layer
            return type(layer).forward(layer, *given, **named)
        inputs: torch.Tensor = given[0]
        folded = self._state.folded.get(self._name)
        if folded is None:
            return self._run(self.own, inputs)
        norm, computed = folded
        value = self._run(computed, inputs)
        # A plain one, also where the value is of a class with ways of its own.
        blank = torch.full((), torch.nan, dtype=value.dtype, device=value.device)
        blank = blank.expand(value.shape)
        setattr(blank, _MARK, _Waiting(norm, value))
        self._state.open += 1
        return blank

    def _run(self, computed: Computed, inputs: torch.Tensor) -> Any:
        if self._state.exact:
            return computed.exact(inputs)
        return computed.run(inputs, packs=self._state.packs)


class FastNorm:
    """The forward of a batch norm in a fast copy: what was computed for it, or what it gives."""

    def __init__(self, name: str, norm: nn.Module, state: PassState) -> None:
        self._name = name
        self._state = state
        self._norm = stand_in(norm)

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        """Return what was computed for it, or compute; the name is the one it has in torch."""
        waiting: _Waiting | None = getattr(input, _MARK, None)
        if waiting is None or waiting.norm != self._name:
            norm = self._norm
            result: torch.Tensor = type(norm).forward(norm, input)
            return result
        self._state.open -= 1
        return waiting.value
