"""Fold a batch norm into the convolution or linear layer before it.

In eval mode a batch norm multiplies each channel by one number and adds another; so does a change
of the weights and of the bias before it: with s = gamma / sqrt(variance + eps),

    gamma (W x + b - mean) / sqrt(variance + eps) + beta  =  (s W) x + (s (b - mean) + beta).
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_PRECISE = (torch.float32, torch.float64)


def stand_in(module: _Module) -> _Module:
    """Return a module with the attributes and tensors of another, to compute in its place.

    It is in eval mode, as everything that runs on a copy.
    """
    made = type(module).__new__(type(module))
    vars(made).update(vars(module))
    vars(made)["training"] = False
    vars(made).pop("forward", None)
    return made


def can_fold(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether a batch norm in eval mode can be folded into a layer: both of the very classes."""
    # A subclass may do anything, as may a forward of its own.
    if type(layer) not in LAYERS or type(norm) not in NORMS:
        return False
    if "forward" in vars(layer) or "forward" in vars(norm):
        return False
    weight, mean, variance = layer.weight, norm.running_mean, norm.running_var
    return (
        isinstance(weight, torch.Tensor)
        and isinstance(mean, torch.Tensor)
        and isinstance(variance, torch.Tensor)
        and weight.dtype in _PRECISE
        and mean.numel() == _channels(layer)
        and weight.device == mean.device
    )


def _channels(layer: nn.Module) -> int:
    found = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    return int(found)  # type: ignore[arg-type]


def folds_on(layer: nn.Module, shape: torch.Size) -> bool:
    """Whether the axis that the batch norm goes by is that of the channels in such an output."""
    return len(shape) == (2 if isinstance(layer, nn.Linear) else len(layer.kernel_size) + 2)  # type: ignore[arg-type]


def fold(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Return a layer that gives what the norm makes of the layer's output.

    None where its weights would not be finite, as with a variance of zero and no epsilon.
    """
    with torch.inference_mode(False), torch.no_grad():
        weight, bias = layer.weight, layer.bias
        mean, variance = norm.running_mean.double(), norm.running_var.double()
        scale = (variance + norm.eps).rsqrt()  # type: ignore[operator]
        if norm.weight is not None:
            scale = scale * norm.weight.double()  # type: ignore[operator]
        added = -mean if bias is None else bias.double() - mean  # type: ignore[operator]
        shift = added * scale
        if norm.bias is not None:
            shift = shift + norm.bias.double()  # type: ignore[operator]
        scaled = _scaled(layer, weight, scale.to(weight.dtype))  # type: ignore[arg-type]
        shift = shift.to(weight.dtype)  # type: ignore[arg-type]
        if not bool(torch.isfinite(scale).all() & torch.isfinite(shift).all()):
            return None
    made = stand_in(layer)
    vars(made)["_parameters"] = {
        "weight": nn.Parameter(scaled, requires_grad=False),
        "bias": nn.Parameter(shift, requires_grad=False),
    }
    return made


def _scaled(layer: nn.Module, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return the weights with those of each output channel multiplied by one number."""
    if not isinstance(layer, TRANSPOSED):
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    # [in, out / groups, ...]: the rows of a group lead to the channels of this group alone.
    groups = layer.groups
    apart = weight.reshape(groups, -1, *weight.shape[1:])
    factors = scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
    return (apart * factors).reshape(weight.shape)
