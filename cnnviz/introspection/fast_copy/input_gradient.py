"""The gradient at the input of a convolution, on weights that were packed once.

It is a transposed convolution of the gradient at the output. torch lays the weights out anew for
each; here they are packed, as those of the way forward are. A first layer with a stride, whose
input has few channels, is slow so: in its place the pixels of each phase of the stride are
channels of one convolution (Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution",
section 3), which takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.introspection.fast_copy.packed_weights import PackedWeights

_FEW = 4
"""Channels of an input up to which phases pay."""
_TOLERANCE = 1e-5
"""How far a gradient may be from torch's, of its largest value."""


def transposes() -> bool:
    """Whether this build of torch has the operators."""
    return hasattr(torch.ops.mkldnn, "_convolution_transpose_pointwise") and hasattr(
        torch.ops.mkldnn, "_reorder_convolution_transpose_weight"
    )


class InputGradient:
    """From the gradient at the output of a convolution to that at its input.

    The first result is compared with torch's own; where they are apart, torch's is taken always.
    """

    def __init__(self) -> None:
        self._fast: _Transposed | _Phases | None = None
        self._checked = False

    def __call__(
        self, gradient: torch.Tensor, shape: torch.Size, layer: Callable[[], nn.Conv2d]
    ) -> torch.Tensor:
        """Return the gradient at an input of a shape [N, C, H, W].

        `layer` returns the convolution, for which `packed.can_pack` is true; always the same.
        """
        if not self._checked:
            return self._check(gradient, shape, layer())
        if self._fast is None or not self._fast.takes(gradient, shape):
            return _by_torch(gradient, shape, layer())
        return self._fast(gradient, shape, layer)

    @property
    def bytes(self) -> int:
        """Memory of the packed weights, as far as they were needed yet."""
        return self._fast.bytes if self._fast is not None else 0

    def _check(self, gradient: torch.Tensor, shape: torch.Size, layer: nn.Conv2d) -> torch.Tensor:
        expected = _by_torch(gradient, shape, layer)
        largest = float(expected.abs().max()) if expected.numel() else 0.0
        if not 0.0 < largest < float("inf"):
            return expected
        self._checked = True
        for kind in (_Phases, _Transposed) if transposes() else ():
            made = kind(layer) if kind.fits(layer) else None
            if made is None or not made.takes(gradient, shape):
                continue
            try:
                found = made(gradient, shape, lambda: layer)
            except RuntimeError:  # oneDNN has no such convolution.
                continue
            if float((found - expected).abs().max()) <= _TOLERANCE * largest:
                self._fast = made
                # Not torch's, so that the first pass gives what those after it do.
                return found
        return expected


def _by_torch(gradient: torch.Tensor, shape: torch.Size, layer: nn.Conv2d) -> torch.Tensor:
    found: torch.Tensor = torch.ops.aten.convolution_backward(
        *(gradient, gradient.new_empty(()).expand(shape), layer.weight.detach(), None),
        *(layer.stride, layer.padding, layer.dilation, False, [0, 0], layer.groups),
        [True, False, False],
    )[0]
    return found


class _Transposed:
    """A transposed convolution on packed weights."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self._size = layer.weight.numel() * layer.weight.element_size()
        self._sides, self._padding, self._stride = layer.kernel_size, layer.padding, layer.stride
        self._dilation, self._groups = layer.dilation, layer.groups
        self._packed = PackedWeights()

    @staticmethod
    def fits(layer: nn.Conv2d) -> bool:
        """Whether it can be done for a layer."""
        return True

    def takes(self, gradient: torch.Tensor, shape: torch.Size) -> bool:
        """Whether it can be done for a gradient of an input of a shape."""
        return type(gradient) is torch.Tensor and gradient.numel() > 0

    def __call__(
        self, gradient: torch.Tensor, shape: torch.Size, layer: Callable[[], nn.Conv2d]
    ) -> torch.Tensor:
        beyond = self._beyond(gradient, shape)
        place = (self._padding, beyond, self._stride, self._dilation, self._groups)

        def pack() -> Any:
            with torch.inference_mode(False), torch.no_grad():
                reorder: Any = torch.ops.mkldnn._reorder_convolution_transpose_weight
                weight = layer().weight.detach().contiguous()
                return reorder(weight, *place, list(gradient.shape))

        # Where an input ends beyond its last window is part of what is computed.
        packed = self._packed((*gradient.shape, *beyond), pack)
        found: torch.Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(
            gradient, packed, None, *place, "none", [], ""
        )
        return found

    @property
    def bytes(self) -> int:
        """Memory of the packed weights."""
        return len(self._packed) * self._size

    def _beyond(self, gradient: torch.Tensor, shape: torch.Size) -> list[int]:
        """Return how many rows and columns at the end of the input no window began at."""
        axes = zip(
            *(shape[2:], gradient.shape[2:], self._sides),
            *(self._stride, self._padding, self._dilation),
            strict=True,
        )
        return [
            length - ((count - 1) * int(stride) - 2 * int(margin) + int(dilation) * (side - 1) + 1)
            for length, count, side, stride, margin, dilation in axes
        ]


class _Phases:
    """A convolution that gives the pixels of each phase of a stride as channels.

    Pixel s q + r of the input, with r the phase, gets ``g[q - t] w[r + p + s t]`` for each t at
    which there are such weights; p is the padding. That is a convolution of g for each r. The
    phases begin at `-skip`, which is chosen such that one padding serves both ends.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        stride, margin, side = int(layer.stride[0]), int(layer.padding[0]), layer.kernel_size[0]
        # With as many rows before the first shift as after the last, or the fewest missing.
        spans = {skip: _shifts(stride, margin, side, skip) for skip in range(stride)}
        skip = max(spans, key=lambda each: stride * (spans[each][0] + spans[each][-1]) - each)
        shifts = spans[skip]
        self._stride, self._skip, self._margin = stride, skip, shifts[-1]
        self._gain = shifts[0] + shifts[-1]
        # Which phase and tap has which row, or column, of the weights.
        self._places = [
            (phase, self._margin - shift, own)
            for phase in range(stride)
            for shift in shifts
            if 0 <= (own := phase - skip + margin + stride * shift) < side
        ]
        self._taps = len(shifts)
        count = layer.in_channels * layer.out_channels * (stride * self._taps) ** 2
        self._size = count * layer.weight.element_size()
        self._packed = PackedWeights()

    @staticmethod
    def fits(layer: nn.Conv2d) -> bool:
        """Whether it can be done for a layer, and pays."""
        alike = all(
            len(set(each)) == 1
            for each in (layer.stride, layer.padding, layer.kernel_size, layer.dilation)
        )
        few = layer.in_channels <= _FEW and layer.groups == 1 and int(layer.dilation[0]) == 1
        return alike and few and 1 < int(layer.stride[0]) <= layer.kernel_size[0]

    def takes(self, gradient: torch.Tensor, shape: torch.Size) -> bool:
        """Whether it can be done for a gradient of an input of a shape."""
        if type(gradient) is not torch.Tensor or not gradient.numel():
            return False
        sizes = zip(gradient.shape[2:], shape[2:], strict=True)
        return all(self._stride * (own + self._gain) - self._skip >= size for own, size in sizes)

    def __call__(
        self, gradient: torch.Tensor, shape: torch.Size, layer: Callable[[], nn.Conv2d]
    ) -> torch.Tensor:
        margin = [self._margin] * 2

        def pack() -> Any:
            with torch.inference_mode(False), torch.no_grad():
                reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
                weight = self._of_phases(layer().weight.detach()).to_mkldnn()
                return reorder(weight, margin, [1, 1], [1, 1], 1, list(gradient.shape))

        packed = self._packed(gradient.shape, pack)
        phases = torch.ops.mkldnn._convolution_pointwise(
            gradient, packed, None, margin, [1, 1], [1, 1], 1, "none", [], ""
        )
        begin, (height, width) = self._skip, shape[2:]
        whole = F.pixel_shuffle(phases, self._stride)
        return whole[:, :, begin : begin + height, begin : begin + width]

    def _of_phases(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights of the convolution that gives every phase as a channel."""
        outputs, channels = weight.shape[:2]
        sides = (self._stride, self._stride, outputs, self._taps, self._taps)
        found = weight.new_zeros((channels, *sides))
        for row, y, own_y in self._places:
            for column, x, own_x in self._places:
                found[:, row, column, :, y, x] = weight[:, :, own_y, own_x].t()
        return found.flatten(0, 2)

    @property
    def bytes(self) -> int:
        """Memory of the packed weights."""
        return len(self._packed) * self._size


def _shifts(stride: int, margin: int, side: int, skip: int) -> range:
    """Return the shifts at which any phase has weights."""
    return range(
        -((margin - skip + stride - 1) // stride), (side - 1 - margin + skip) // stride + 1
    )
