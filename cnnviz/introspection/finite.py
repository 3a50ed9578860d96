"""Refusing numbers that are not finite, which no view can rank, scale or draw."""

from __future__ import annotations

import torch

from cnnviz.errors import NotFiniteError

_REMEDY = (
    "gradient_flow, or cnnviz gradient-flow, names the first layer that gives a NaN or an infinity."
)
_UNMASKED = (
    "Choose what the network does not mask: the layer before the mask, one after the softmax or "
    "the pooling that takes it out again, or another class."
)


def finite(values: torch.Tensor, what: str) -> torch.Tensor:
    """Return values as they are, if they are finite.

    Parameters
    ----------
    values : torch.Tensor
        Of any shape.
    what : str
        What they are, as the subject of a sentence and in the plural.

    Raises
    ------
    NotFiniteError
        If any is a NaN or an infinity.
    """
    # The sum is finite where all are, in one pass and without a tensor of answers.
    if values.is_floating_point() and not bool(values.detach().sum().isfinite()):
        lost = int((~values.detach().isfinite()).sum())
        if lost:
            raise _not_finite(what, values.detach(), lost)
    return values


def _not_finite(what: str, values: torch.Tensor, lost: int) -> NotFiniteError:
    shares = f"{lost} of {values.numel()}"
    if int(values.isneginf().sum()) == lost:
        # No fault: so networks rule out places and classes, and what follows has numbers again.
        return NotFiniteError(
            f"{what} are not finite: {shares} are minus infinity, by which networks mask what is "
            "not to count.",
            _UNMASKED,
        )
    return NotFiniteError(f"{what} are not finite: {shares} are NaN or infinite.", _REMEDY)


def check_rankable(values: torch.Tensor, what: str = "The class scores") -> torch.Tensor:
    """Return values as they are, if they can be put in order.

    Minus infinity rules a class or a position out, and may be among them.

    Raises
    ------
    NotFiniteError
        If any is a NaN, or infinite.
    """
    if values.is_floating_point():
        finite(values.detach().clamp(min=torch.finfo(values.dtype).min), what)
    return values
