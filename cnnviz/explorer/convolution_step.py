"""The first convolution as numbers: kernel, bias, and what is done to its sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.passes.call_order import call_order
from cnnviz.passes.captured import Capture
from cnnviz.passes.stages import CallOrder, OrderedCall


@dataclass(frozen=True, eq=False)
class ConvolutionStep:
    """A convolution of the image whose every sum can be worked out on the page.

    Attributes
    ----------
    name : str
        The layer.
    kernels : ndarray of float32
        [C, channels of the image, kh, kw].
    bias : ndarray of float32
        [C], zero where there is none.
    stride, padding, dilation : (int, int)
        Rows and columns.
    scale, shift : ndarray of float32
        [C], what the batch norm behind it multiplies by and adds; ones and zeros without.
    normalised : str
        The batch norm's name, or nothing.
    layers : tuple of str
        The layers that have these channels: the convolution, its batch norm and activation.
    activation : str
        The class of the activation that follows, or nothing; only ReLU is worked out.
    """

    name: str
    kernels: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    normalised: str
    layers: tuple[str, ...]
    activation: str


def first_convolution(seen: Capture) -> ConvolutionStep | None:
    """Return the convolution that reads the image, or None where it is no plain one."""
    model, inputs = seen.model, seen.batch.tensor
    order = call_order(model, inputs)
    shape = tuple(inputs.shape[1:])
    for call in order.calls:
        layer = model.module.get_submodule(call.name)
        if not isinstance(layer, nn.Conv2d) or type(layer).forward is not nn.Conv2d.forward:
            continue
        reads_image = any(tuple(read.shape[-3:]) == shape for read in call.reads)
        plain = layer.groups == 1 and layer.padding_mode == "zeros"
        if not reads_image or not plain or isinstance(layer.padding, str):
            return None
        return _step(model.module, order, call, layer)
    return None


def _step(
    module: nn.Module, order: CallOrder, call: OrderedCall, layer: nn.Conv2d
) -> ConvolutionStep:
    channels = layer.out_channels
    scale, shift, normalised = torch.ones(channels), torch.zeros(channels), ""
    follower = _reader(module, order, call)
    if follower is not None and isinstance(follower[1], nn.BatchNorm2d):
        norm = follower[1]
        if norm.running_mean is not None and norm.running_var is not None:
            normalised = follower[0].name
            scale = (norm.running_var.double() + norm.eps).rsqrt()
            scale = scale * (1.0 if norm.weight is None else norm.weight.double())
            shift = -norm.running_mean.double() * scale
            shift = shift + (0.0 if norm.bias is None else norm.bias.double())
            follower = _reader(module, order, follower[0])
    acts = follower is not None and follower[0].kind == "activation"
    return ConvolutionStep(
        name=call.name,
        kernels=_numbers(layer.weight),
        bias=_numbers(torch.zeros(channels) if layer.bias is None else layer.bias),
        stride=_pair(layer.stride),
        padding=_pair(layer.padding),
        dilation=_pair(layer.dilation),
        scale=_numbers(scale),
        shift=_numbers(shift),
        normalised=normalised,
        layers=tuple(
            filter(None, (call.name, normalised, follower[0].name if acts and follower else ""))
        ),
        activation=type(follower[1]).__name__ if acts and follower is not None else "",
    )


def _reader(
    module: nn.Module, order: CallOrder, call: OrderedCall
) -> tuple[OrderedCall, nn.Module] | None:
    """Return the one leaf layer that reads what a call gives; None where there are several."""
    found = [
        (later, module.get_submodule(later.name))
        for later in order.calls
        # Of one that works in place the version that it leaves is noted.
        if any(read.produced[0] == call.produced[0] for read in later.reads)
        and (later.name, later.index) != (call.name, call.index)
    ]
    leaves = [(later, layer) for later, layer in found if not [*layer.children()]]
    in_place = bool(leaves) and leaves[0][0].produced[0] == call.produced[0]
    return leaves[0] if in_place or len(leaves) == 1 else None


def _numbers(values: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = values.detach().float().cpu().numpy()
    return found


def _pair(values: str | tuple[int, ...]) -> tuple[int, int]:
    first, second = map(int, values)
    return first, second
