"""Convolutions on weights that were packed once, rather than in every call.

Each time that torch computes a convolution on the CPU, oneDNN lays the weights out anew in the
order in which it reads them. `torch.compile` does that once, with the operators used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.autograd.function import once_differentiable

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
    """What a convolution computes, with its weights packed when it is first called.

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
        self._packed: Any = None
        self._laid_out: torch.Tensor | None = None

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
        if not self._takes(inputs):
            layer = self.layer
            return type(layer).forward(layer, inputs)
        if self._packed is None:
            self._packed = pack(self.layer.weight, self._place, inputs.shape)
            self._layer = None if self._again is not None else self._layer
        if torch.is_grad_enabled() and inputs.requires_grad:
            given = (inputs, self._weight(), self._packed, self._bias, self._place)
            found = _WithGradient.apply(*given)
        else:
            found = convolve_packed(inputs, self._packed, self._bias, self._place)
        result: torch.Tensor = found
        return result

    @property
    def bytes(self) -> int:
        """Memory of the weights: packed, laid out and made, as far as they were needed yet."""
        layer, own = self._layer, self._laid_out
        weight = None if layer is None else layer.weight
        made = self._again is not None and layer is not None
        laid_out = own is not None and (weight is None or own.data_ptr() != weight.data_ptr())
        return (int(self._packed is not None) + int(made) + int(laid_out)) * self._size

    def _weight(self) -> torch.Tensor:
        """Return the weights as the backward pass takes them: in the order of the packed maps."""
        if self._laid_out is None:
            weight = self.layer.weight.detach()
            with torch.inference_mode(False):
                self._laid_out = weight.contiguous(memory_format=torch.channels_last)
        return self._laid_out

    @staticmethod
    def _takes(inputs: torch.Tensor) -> bool:
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


def pack(weight: torch.Tensor, place: Place, shape: Sequence[int]) -> Any:
    """Return weights as oneDNN reads them for inputs of a shape; others it takes as well."""
    stride, padding, dilation, groups = place
    with torch.inference_mode(False), torch.no_grad():
        reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
        laid_out = weight.detach().to_mkldnn()
        return reorder(laid_out, padding, stride, dilation, groups, list(shape))


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
    """The same, and the gradient at its input: that of the convolution with the weights as such."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        packed: Any,
        bias: torch.Tensor | None,
        place: Place,
    ) -> Any:
        ctx.save_for_backward(inputs, weight)
        ctx.place = place
        return convolve_packed(inputs, packed, bias, place)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.place
        found, _, _ = torch.ops.aten.convolution_backward(
            *(gradient, inputs, weight, None, stride, padding, dilation),
            *(False, [0, 0], groups, [True, False, False]),
        )
        return found, None, None, None, None
