"""Functions of many values, written out as sums, products and functions of one value.

DeepLIFT has a rule for each of these, and so for what is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

Written = Callable[[], torch.Tensor]


def written_out(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Written | None:
    """Return what computes a call in single steps, or None where it is not known how."""
    try:
        write = _WRITTEN.get(func)
    except TypeError:  # An object that cannot be hashed is none of torch's.
        return None
    if write is None or named.get("out") is not None:
        return None
    return write(*args, **{key: each for key, each in named.items() if key != "out"})


def _scaled(
    values: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None
) -> torch.Tensor:
    values = values if weight is None else values * weight
    return values if bias is None else values + bias


def _standard(values: torch.Tensor, axes: tuple[int, ...], eps: float) -> torch.Tensor:
    centred = values - values.mean(axes, keepdim=True)
    return centred * (centred.square().mean(axes, keepdim=True) + eps).rsqrt()


def _layer_norm(
    input: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Written:
    axes = tuple(range(-len(normalized_shape), 0))
    return lambda: _scaled(_standard(input, axes, eps), weight, bias)


def _rms_norm(
    input: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: torch.Tensor | None = None,
    eps: float | None = None,
) -> Written:
    axes = tuple(range(-len(normalized_shape), 0))
    least = torch.finfo(input.dtype).eps if eps is None else eps

    def run() -> torch.Tensor:
        return _scaled(
            input * (input.square().mean(axes, keepdim=True) + least).rsqrt(), weight, None
        )

    return run


def _group_norm(
    input: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Written:
    def run() -> torch.Tensor:
        groups = _standard(input.reshape(len(input), num_groups, -1), (-1,), eps)
        each = (1, -1, *(1,) * (input.ndim - 2))
        scale, shift = (None if one is None else one.reshape(each) for one in (weight, bias))
        return _scaled(groups.reshape(input.shape), scale, shift)

    return run


def _instance_norm(
    input: torch.Tensor,
    running_mean: torch.Tensor | None = None,
    running_var: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Written | None:
    # With stored statistics it is a sum and a product with numbers.
    return _group_norm(input, input.shape[1], weight, bias, eps) if use_input_stats else None


def _length(values: torch.Tensor, dim: Any, *, keepdim: bool) -> torch.Tensor:
    axes = tuple(range(values.ndim)) if dim is None else dim
    return values.square().sum(axes, keepdim=keepdim).sqrt()


def _normalize(
    input: torch.Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12
) -> Written | None:
    if p != 2.0:
        return None
    return lambda: input * _length(input, dim, keepdim=True).clamp_min(eps).reciprocal()


def _cosine(x1: torch.Tensor, x2: torch.Tensor, dim: int = 1, eps: float = 1e-8) -> Written:
    def run() -> torch.Tensor:
        one, two = (x * _length(x, dim, keepdim=True).clamp_min(eps).reciprocal() for x in (x1, x2))
        return (one * two).sum(dim)

    return run


def _norm(
    input: torch.Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Written | None:
    if p not in ("fro", 2, None) or dtype is not None:
        return None
    return lambda: _length(input, dim, keepdim=keepdim)


def _vector_norm(
    x: torch.Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Written | None:
    return _norm(x, ord, dim, keepdim, dtype)


def _softmax(
    input: torch.Tensor, dim: Any = None, _stacklevel: int = 3, dtype: Any = None
) -> Written | None:
    if not isinstance(dim, int) or dtype is not None:
        return None

    def run() -> torch.Tensor:
        shares = (input - input.amax(dim, keepdim=True)).exp()
        return shares * shares.sum(dim, keepdim=True).reciprocal()

    return run


def _log_softmax(
    input: torch.Tensor, dim: Any = None, _stacklevel: int = 3, dtype: Any = None
) -> Written | None:
    if not isinstance(dim, int) or dtype is not None:
        return None

    def run() -> torch.Tensor:
        low = input - input.amax(dim, keepdim=True)
        return low - low.exp().sum(dim, keepdim=True).log()

    return run


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Written | None:
    if attn_mask is not None or dropout_p or is_causal or enable_gqa:
        return None
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    return lambda: ((factor * query) @ key.transpose(-2, -1)).softmax(-1) @ value


def _glu(input: torch.Tensor, dim: int = -1) -> Written:
    def run() -> torch.Tensor:
        values, gate = input.chunk(2, dim)
        return values * gate.sigmoid()

    return run


def _quotient(input: Any, other: Any, *, rounding_mode: Any = None) -> Written | None:
    moves = isinstance(other, torch.Tensor) and other.requires_grad
    return partial(_divided, input, other) if moves and rounding_mode is None else None


def _divided(input: Any, other: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = other.reciprocal() * input
    return found


def _quotient_reversed(input: Any, other: Any) -> Written | None:
    return _quotient(other, input)


_FORMS: Sequence[tuple[Callable[..., Written | None], Sequence[Any], str]] = (
    (_layer_norm, (torch, F), "layer_norm"),
    (_rms_norm, (torch, F), "rms_norm"),
    (_group_norm, (torch, F), "group_norm"),
    (_instance_norm, (F,), "instance_norm"),
    (_normalize, (F,), "normalize"),
    (_cosine, (torch, F), "cosine_similarity"),
    (_norm, (torch, torch.Tensor), "norm"),
    (_vector_norm, (torch.linalg,), "vector_norm"),
    (_softmax, (torch, torch.Tensor, F), "softmax"),
    (_log_softmax, (torch, torch.Tensor, F), "log_softmax"),
    (_attention, (F,), "scaled_dot_product_attention"),
    (_glu, (F,), "glu"),
    (_quotient, (torch, torch.Tensor), "div divide true_divide __truediv__"),
    (_quotient_reversed, (torch.Tensor,), "__rtruediv__"),
)


def _table() -> Iterator[tuple[Any, Callable[..., Written | None]]]:
    for write, owners, names in _FORMS:
        for owner in owners:
            for name in names.split():
                if hasattr(owner, name):
                    yield getattr(owner, name), write


_WRITTEN: Mapping[Any, Callable[..., Written | None]] = dict(_table())
