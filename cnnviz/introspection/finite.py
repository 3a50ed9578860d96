"""Refusing numbers that are not finite, which no view can rank, scale or draw."""

from __future__ import annotations

import torch

from cnnviz.errors import NotFiniteError

_REMEDY = (
    "gradient_flow, or cnnviz gradient-flow, names the first layer that gives a NaN or an infinity."
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
            raise NotFiniteError(
                f"{what} are not finite: {lost} of {values.numel()} are NaN or infinite.", _REMEDY
            )
    return values


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
