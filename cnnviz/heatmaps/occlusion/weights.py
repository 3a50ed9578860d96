"""The weights of a convolution, laid out once for all the patches that it is applied to.

Patches of other sizes may need others, which oneDNN then lays out in the call: 2% of the time for
ResNet-50. To pack them for each of the hundred sizes of a run would take more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from cnnviz.introspection.fast_copy.packed import convolve_packed, pack


@dataclass(frozen=True, eq=False)
class LaidOutConvolution:
    """A convolution without what differs from call to call: its input, and the border around it.

    Attributes
    ----------
    weight : torch.Tensor
        Packed for this processor, or with the channels last, as the patches are.
    packed : bool
        Which of the two.
    bias, stride, dilation, groups
        As `torch.convolution` takes them.
    """

    weight: Any
    packed: bool
    bias: torch.Tensor | None
    stride: Sequence[int]
    dilation: Sequence[int]
    groups: int

    def __call__(
        self, read: torch.Tensor, margin: Sequence[int], then: Literal["none", "relu"] = "none"
    ) -> torch.Tensor:
        """Return the convolution of [B, C, H, W] with a margin of zeros, rectified where asked."""
        if self.packed:
            place = (self.stride, margin, self.dilation, self.groups)
            found: torch.Tensor = convolve_packed(read, self.weight, self.bias, place, then)
            return found
        none = [0] * len(self.stride)
        given = (read, self.weight, self.bias, self.stride, margin, self.dilation)
        found = torch.convolution(*given, False, none, self.groups)
        return found.relu_() if then == "relu" else found


def laid_out(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    place: tuple[Sequence[int], Sequence[int], int],
    shape: Sequence[int],
    *,
    packs: bool,
) -> LaidOutConvolution:
    """Return a convolution of maps like those of a shape, into which its kernel fits.

    `place` is stride, dilation and groups; `packs` allows weights to be packed, where they are of a
    kind that can be.
    """
    stride, dilation, groups = place
    packable = (
        packs
        and weight.layout is torch.strided
        and weight.dtype is torch.float32
        and weight.device.type == "cpu"
    )
    if packable:
        laid: Any = pack(weight, (stride, [0, 0], dilation, groups), shape)
    else:
        laid = weight.contiguous(memory_format=torch.channels_last)
    return LaidOutConvolution(laid, packable, bias, stride, dilation, groups)
