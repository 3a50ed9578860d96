"""What a capture's hooks do: keep each output as it was, and differentiate with respect to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cnnviz.errors import LayerError, TargetError
from cnnviz.introspection.forward import backward_pass
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.memory_order import by_channels, memory_of
from cnnviz.introspection.vmapped import is_vmapped
from cnnviz.models.output_members import describe


def not_one_tensor(layer: str, output: Any) -> LayerError:
    """Return the error of a layer that returns several tensors, or none."""
    return LayerError(
        f"Layer {layer!r} returns {describe(output)}, not one tensor.",
        "Choose a layer inside it that returns one tensor.",
    )


def _check_can_be_taken_out(layer: str, output: torch.Tensor) -> None:
    if is_vmapped(output):
        raise LayerError(
            f"Layer {layer!r} is called within torch.vmap, where its output cannot be taken out.",
            "Choose a layer outside of it, or have the network call it on all images at once.",
        )


def _check_is_plain(layer: str, output: torch.Tensor) -> None:
    if torch._C._functorch.is_functorch_wrapped_tensor(output):
        raise LayerError(
            f"Layer {layer!r} is called within a transform of torch.func, such as jvp, through "
            "which no gradient comes back to it.",
            "Choose a layer outside of it, or do without gradients.",
        )


class OutputRecorder:
    """Keeps each call's output as it was, and hands the network a copy to go on with."""

    def __init__(self, gradients: bool) -> None:
        self.outputs: dict[Key, torch.Tensor] = {}
        self.gradients: dict[Key, torch.Tensor] = {}
        self.input_gradient: torch.Tensor | None = None
        self.unreached: list[str] = []
        self._with_gradients = gradients

    def record(self, key: Key, inputs: Any, output: Any) -> Any:
        """Take the output of one call; the copy returned replaces it downstream."""
        if not isinstance(output, torch.Tensor):
            raise not_one_tensor(key[0], output)
        _check_can_be_taken_out(key[0], output)
        if self._with_gradients and output.is_floating_point():
            if not output.requires_grad:
                _check_is_plain(key[0], output)
                # Nothing below is differentiated: the graph starts here.
                output = output.detach().clone().requires_grad_()
            elif _shares_memory(output, inputs):
                # A layer that returns its own input: the caller may still write to that.
                output = output.clone()
            self.outputs[key] = output
            return output.clone()
        self.outputs[key] = output.detach().clone()
        return None

    def differentiate(self, scores: torch.Tensor, inputs: torch.Tensor | None) -> None:
        """Take the gradient of the summed scores at every recorded call, in one backward pass."""
        keys = [key for key, output in self.outputs.items() if output.requires_grad]
        points = [self.outputs[key] for key in keys] + ([inputs] if inputs is not None else [])
        if not points:
            return
        if not scores.requires_grad:
            raise TargetError(
                "The target does not depend on the network in a differentiable way.",
                "Check that neither the network nor the target callable detaches its result.",
            )
        with backward_pass():
            found = torch.autograd.grad(scores.sum(), points, allow_unused=True)
        for key, gradient in zip(keys, found, strict=False):
            if gradient is None:
                self.unreached.append(key[0])
            else:
                self.gradients[key] = by_channels(gradient)
        if inputs is not None:
            last = found[-1]
            self.input_gradient = torch.zeros_like(inputs) if last is None else by_channels(last)


def _shares_memory(output: torch.Tensor, inputs: Sequence[Any]) -> bool:
    place = memory_of(output)
    tensors = (entry for entry in inputs if isinstance(entry, torch.Tensor))
    return place != 0 and any(memory_of(entry) == place for entry in tensors)
