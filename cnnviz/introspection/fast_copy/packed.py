"""Convolutions on weights that were packed once, rather than in every call.

Each time that torch computes a convolution on the CPU, oneDNN lays the weights out anew in the
order in which it reads them. `torch.compile` does that once, with the operators used here; that one
order does not serve all batches is in `packed_weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from cnnviz.introspection.activation_nodes import set_aside
from cnnviz.introspection.fast_copy.input_gradient import InputGradient
from cnnviz.introspection.fast_copy.packed_weights import PackedWeights
from cnnviz.introspection.function_calls import unwatched

Place = tuple[Any, ...]
"""Stride, padding, dilation and groups of a convolution."""


def packs() -> bool:
    """Whether this machine and build of torch have the operators, and are known to gain by them."""
    return bool(
        torch._C._has_mkldnn
        and torch.backends.mkldnn.enabled
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


def can_pack(layer: nn.Module) -> bool:
    """Whether a layer is a convolution that the operators compute."""
    return (
        type(layer) is nn.Conv2d
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and type(layer.weight) is nn.Parameter
        and layer.weight.dtype is torch.float32
        and layer.weight.device.type == "cpu"
        and packs()
    )


class PackedConvolution:
    """What a convolution computes, with its weights packed when they are first needed.

    Parameters
    ----------
    layer : torch.nn.Conv2d
        The convolution, for which `can_pack` is true.
    again : callable, optional
        Makes it once more. The convolution is then let go of when its weights are packed.
    """

    def __init__(
        self, layer: nn.Conv2d, again: Callable[[], nn.Module | None] | None = None
    ) -> None:
        self._layer: nn.Conv2d | None = layer
        self._again = again
        self._bias = layer.bias
        self._place = (layer.stride, layer.padding, layer.dilation, layer.groups)
        self._size = layer.weight.numel() * layer.weight.element_size()
        self._packed = PackedWeights()
        self._gradient = InputGradient()

    @property
    def layer(self) -> nn.Conv2d:
        """The convolution, which is made once more where it was let go of."""
        if self._layer is None:
            made = None if self._again is None else self._again()
            assert isinstance(made, nn.Conv2d)
            self._layer = made
        return self._layer

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the convolution of [N, C, H, W]."""
        if not takes(inputs):
            layer = self.layer
            return type(layer).forward(layer, inputs)
        packed = self._packed(inputs.shape, lambda: self._pack(inputs.shape))
        if torch.is_grad_enabled() and inputs.requires_grad:
            return self.with_gradient(
                inputs, lambda given: convolve_packed(given, packed, self._bias, self._place)
            )
        found: torch.Tensor = convolve_packed(inputs, packed, self._bias, self._place)
        return found

    def _pack(self, shape: Sequence[int]) -> Any:
        found = pack(self.layer.weight, self._place, shape)
        if self._again is not None:
            self._layer = None
        return found

    def with_gradient(
        self, inputs: torch.Tensor, compute: Callable[[torch.Tensor], Any]
    ) -> torch.Tensor:
        """Return what `compute` makes of inputs, whose gradient is that of this convolution."""
        found: torch.Tensor = _WithGradient.apply(inputs, compute, self._send_back)
        set_aside(found)
        return found

    def _send_back(self, gradient: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        found = self._gradient(gradient, shape, lambda: self.layer)
        if self._packed and self._again is not None:
            self._layer = None
        return found

    @property
    def bytes(self) -> int:
        """Memory of the weights: made and packed, as far as they were needed yet."""
        made = self._again is not None and self._layer is not None
        return (len(self._packed) + int(made)) * self._size + self._gradient.bytes


def pack(weight: torch.Tensor, place: Place, shape: Sequence[int]) -> Any:
    """Return weights as oneDNN reads them for inputs of a shape."""
    stride, padding, dilation, groups = place
    with torch.inference_mode(False), torch.no_grad():
        reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
        laid_out = weight.detach().to_mkldnn()
        return reorder(laid_out, padding, stride, dilation, groups, list(shape))


def takes(inputs: torch.Tensor) -> bool:
    """Whether packed convolutions take such inputs."""
    with unwatched():
        # What is more than a tensor, such as a map with patches, has ways of its own.
        return (
            type(inputs) is torch.Tensor
            and inputs.ndim == 4
            and inputs.dtype is torch.float32
            and inputs.device.type == "cpu"
            and inputs.numel() > 0
            # Whoever asks for fewer digits gets them.
            and not torch.is_autocast_enabled("cpu")
        )


def convolve_packed(
    inputs: torch.Tensor,
    packed: Any,
    bias: torch.Tensor | None,
    place: Place,
    then: Literal["none", "relu"] = "none",
) -> Any:
    """Return the convolution with packed weights, and what a rectifier after it gives."""
    stride, padding, dilation, groups = place
    return torch.ops.mkldnn._convolution_pointwise(
        inputs, packed, bias, padding, stride, dilation, groups, then, [], ""
    )


class _WithGradient(torch.autograd.Function):
    """What a convolution gives, and the gradient at its input; nothing is kept for it."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        compute: Callable[[torch.Tensor], Any],
        send_back: Callable[[torch.Tensor, torch.Size], torch.Tensor],
    ) -> Any:
        ctx.shape, ctx.send_back = inputs.shape, send_back
        return compute(inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return ctx.send_back(gradient, ctx.shape), None, None
