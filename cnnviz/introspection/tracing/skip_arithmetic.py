"""Outputs of the costly operators without computing them, for a trace that needs shapes only."""

from __future__ import annotations

from typing import Any

import torch

from cnnviz.introspection.operation_mode import OperationMode

_ATEN = torch.ops.aten
_CONVOLUTION, _MATRIX_PRODUCT = _ATEN.convolution.default, _ATEN.mm.default
_BATCH_PRODUCT, _PRODUCT_AND_SUM = _ATEN.bmm.default, _ATEN.addmm.default
_SKIPPED = frozenset((_CONVOLUTION, _MATRIX_PRODUCT, _BATCH_PRODUCT, _PRODUCT_AND_SUM))


class SkippedArithmetic(OperationMode):  # type: ignore[no-untyped-call]
    """A context in which convolutions and matrix products give zeros, of the shape they have.

    Attributes
    ----------
    matters : bool
        Whether what failed within may be for the zeros: some were given, and it is no product
        whose factors do not fit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matters = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute an operation, unless it is one of these."""
        keywords = kwargs or {}
        result = skip_arithmetic(func, args, keywords)
        if result is not None:
            self.matters = True
            return result
        try:
            return func(*args, **keywords)
        except Exception:
            self.matters &= func not in _SKIPPED
            raise


def skip_arithmetic(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> torch.Tensor | None:
    """Return zeros in place of a convolution or matrix product.

    Returns None for any other operator, and where the arguments do not fit together: the operator
    itself says best what is wrong.
    """
    if kwargs or func not in _SKIPPED:
        return None
    if func is _CONVOLUTION:
        return _convolution(*args)
    return _product(*(args[1:] if func is _PRODUCT_AND_SUM else args))


def _product(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor | None:
    fits = first.shape[-1] == second.shape[-2] and first.shape[:-2] == second.shape[:-2]
    fits = fits and first.dtype == second.dtype
    return first.new_zeros((*first.shape[:-1], second.shape[-1])) if fits else None


def _convolution(
    source: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    is_transposed: bool,
    output_padding: list[int],
    groups: int,
) -> torch.Tensor | None:
    kernel = weight.shape[2:]
    if is_transposed or source.ndim != weight.ndim or source.dtype != weight.dtype:
        return None
    if source.shape[1] != weight.shape[1] * groups or source.device != weight.device:
        return None
    shape = [
        (size + 2 * pad - dil * (width - 1) - 1) // step + 1
        for size, width, step, pad, dil in zip(
            source.shape[2:],
            kernel,
            stride * (len(kernel) // len(stride)),
            padding * (len(kernel) // len(padding)),
            dilation * (len(kernel) // len(dilation)),
            strict=True,
        )
    ]
    if min(shape) < 1:
        return None
    output = source.new_zeros((source.shape[0], weight.shape[0], *shape))
    # Views of the output depend on its layout, which is the one of the inputs.
    last = torch.channels_last
    if source.ndim == 4 and (_strictly(source, last) or _strictly(weight, last)):
        output = output.contiguous(memory_format=last)
    return output


def _strictly(tensor: torch.Tensor, layout: torch.memory_format) -> bool:
    return tensor.is_contiguous(memory_format=layout) and not tensor.is_contiguous()
