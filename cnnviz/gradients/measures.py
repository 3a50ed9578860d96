"""What is measured of one tensor at one layer: pure functions, for a probe and a monitor alike.

Each returns a tensor on the device of its input and waits for nothing, so that a loop on a GPU can
gather many before it reads any.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

SATURATED_BELOW = 0.05
"""The share of the greatest slope below which a bounded activation counts as saturated."""

HISTOGRAM_EDGES = tuple(half / 2.0 for half in range(-40, 21))
"""Edges of the bins of `log_histogram` in decades: 1e-20 to 1e10 in steps of half a decade."""


def sample_norms(values: torch.Tensor) -> torch.Tensor:
    """Return the L2 norm of each sample, [N] for values [N, ...].

    Right at any size: squares of float32 leave its range from 1e-23 down and 1e19 up, which is
    where gradients vanish and explode. So they are summed in double precision, or, where that is
    slow or absent, scaled first if need be; so are doubles, whose squares leave their range from
    1e-162 down and 1e154 up. The norm of complex numbers is that of their parts.
    """
    held = values.detach()
    held = torch.view_as_real(held.resolve_conj()) if held.is_complex() else held
    held = held[:, None] if held.ndim == 1 else held.reshape(1, 1) if held.ndim == 0 else held
    places = tuple(range(1, held.ndim))
    if not held.numel():
        return _norm(held, places, torch.float64)
    if held.device.type == "mps" or held.dtype == torch.float64:
        return _scaled_norm(held, places)
    if held.device.type != "cpu":
        return _norm(held, places, torch.float64)
    # Fifty times as fast on a CPU; no position that matters is lost for a norm in this range.
    norms = _norm(held, places, torch.float32).double()
    if bool(((norms > 1e-15) & (norms < 1e18) | norms.isnan()).all()):
        return norms
    return _scaled_norm(held, places).double()


def _scaled_norm(values: torch.Tensor, places: tuple[int, ...]) -> torch.Tensor:
    double = values.dtype == torch.float64
    exact = values if double else values.float()
    scale = torch.maximum(exact.amax(places, keepdim=True), -exact.amin(places, keepdim=True))
    scale = scale.clamp(*((1e-300, 1e300) if double else (1e-37, 1e37)))
    norms = _norm(exact / scale, places, exact.dtype)
    wide = torch.float32 if values.device.type == "mps" else torch.float64
    return norms.to(wide) * scale.flatten().to(wide)


def _norm(values: torch.Tensor, places: tuple[int, ...], exact: torch.dtype) -> torch.Tensor:
    norms: torch.Tensor = torch.linalg.vector_norm(values, dim=places, dtype=exact)
    return norms


def rms_norm(values: torch.Tensor, samples: int | None = None) -> torch.Tensor:
    """Return the root mean square over the batch of the samples' L2 norms, a scalar.

    Under Kaiming's initialisation this is kept across strides and widths on the way back; the mean
    of absolute values is not.

    Parameters
    ----------
    values : torch.Tensor
        [N, ...].
    samples : int, optional
        How many samples there are, where the first axis is not that of samples: windows of
        attention, or steps of a sequence.
    """
    norms = sample_norms(values)
    whole = _scaled_norm(norms[None], (1,))[0] if norms.numel() else norms.sum()
    root: torch.Tensor = whole / max(len(norms) if samples is None else samples, 1) ** 0.5
    return root


def nonfinite(values: torch.Tensor) -> torch.Tensor:
    """Return how many values are NaN or infinite, a scalar."""
    return values.numel() - torch.isfinite(values.detach()).sum()


def dead_channels(slope: torch.Tensor, axis: int = 1) -> torch.Tensor:
    """Return which channels have a derivative of zero at every position of every sample, bool [C].

    A healthy ReLU is at rest half of the time, so zeros in its output say nothing; a channel that
    is at rest everywhere passes no gradient at all (Lu et al. 2019).

    Parameters
    ----------
    slope : torch.Tensor
        The derivative of the activation at each position, [N, ...], or where it is not zero.
    axis : int
        The dimension of the channels: 1 for maps and vectors, -1 for tokens.
    """
    held = slope.detach()
    places = tuple(place for place in range(held.ndim) if place != axis % held.ndim)
    if not places:
        return held == 0
    if not held.numel():
        return torch.ones(held.shape[axis], dtype=torch.bool, device=held.device)
    # Twenty times as fast on a CPU as a comparison of every position.
    if held.dtype == torch.bool or not held.is_signed():
        return held.amax(places) == 0
    return (held.amax(places) == 0) & (held.amin(places) == 0)


def saturated_fraction(slope: torch.Tensor, steepest: float) -> torch.Tensor:
    """Return the share of positions whose slope is below 5% of the greatest there is, a scalar.

    Only for bounded activations, such as sigmoid and tanh: the flat side of an ELU is its design.

    Parameters
    ----------
    slope : torch.Tensor
        The derivative of the activation at each position.
    steepest : float
        The activation's greatest slope: 0.25 for sigmoid, 1 for tanh.
    """
    return (slope.detach().abs() < SATURATED_BELOW * steepest).float().mean()


def joint_norm(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the L2 norm of several tensors taken as one vector, a scalar."""
    norms = torch.stack([sample_norms(part[None])[0] for part in parts])
    whole: torch.Tensor = torch.linalg.vector_norm(norms)
    return whole


def weight_figure(
    gradient_norm: torch.Tensor, weight_norm: torch.Tensor, *, scale_invariant: bool
) -> torch.Tensor:
    """Return how strongly a layer's weights are pulled at, free of their scale, a scalar.

    Parameters
    ----------
    gradient_norm, weight_norm : torch.Tensor
        The norms of the gradient of the weights and of the weights.
    scale_invariant : bool
        Whether a normalisation follows the layer, so that its weights W and a multiple c W give the
        same network. The gradient is then 1 / c as large, and only the product ||dW|| ||W|| is the
        same; otherwise the relative gradient ||dW|| / ||W|| is returned, infinite for weights of
        zero with a gradient and zero where both are.
    """
    if scale_invariant:
        return gradient_norm * weight_norm
    return torch.where(gradient_norm == 0, gradient_norm, gradient_norm / weight_norm)


def log_histogram(values: torch.Tensor) -> torch.Tensor:
    """Count values by the decade of their size, int64 [62].

    Returns
    -------
    torch.Tensor
        The first entry counts zeros, the second sizes below the first of `HISTOGRAM_EDGES`, then
        come the 60 bins of half a decade, the last with all that is larger. Values that are not
        finite are in none.
    """
    sizes = values.detach().abs().reshape(-1)
    bins = len(HISTOGRAM_EDGES) + 1
    inner = torch.tensor(HISTOGRAM_EDGES[:-1], device=sizes.device)
    # log10(0) is -inf, which falls below the first edge; zeros are then told apart.
    places = torch.bucketize(sizes.float().log10(), inner, right=True, out_int32=True).add_(1)
    places.masked_fill_(sizes == 0, 0)
    # What is not finite goes into a bin that is cut off.
    places.masked_fill_(~torch.isfinite(sizes), bins)
    return torch.bincount(places, minlength=bins + 1)[:bins]
