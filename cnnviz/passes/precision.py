"""Passes in bfloat16, which has the range of float32 and 8 bits of its 24: where it is asked for.

Processors with AVX512-BF16 or AMX, and GPUs, multiply such numbers two to four times as fast. The
weights and what layers add up stay in float32 (`torch.autocast`); what layers give is rounded to
three digits. How far that is from float32 is measured on the first images of every run, and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._pytree import tree_leaves, tree_map

from cnnviz.errors import ModelError, UsageError
from cnnviz.introspection.final_activation import mapped_softened
from cnnviz.models import Model

Precision = Literal["float32", "bf16"]
"""What images are computed in: as the network is, or in bfloat16."""
BF16: Precision = "bf16"
MEASURED = 8
"""Images on which it is measured how far bfloat16 is from float32."""


class Bf16Model(Model):
    """A model whose passes run in bfloat16, and build no graph.

    It stands for the model in passes alone, as `cnnviz.passes.fast_model.FastModel` does, of which
    it may be made. What the network returns comes out in float32.
    """

    _inner: Model
    _channels_last: bool

    def __init__(self, model: Model, *, channels_last: bool = True) -> None:
        # Not made like a model: what is known of that one holds for this one.
        vars(self).update(vars(model))
        self._inner, self._channels_last = model, channels_last

    def forward(self, inputs: torch.Tensor) -> Any:
        """Return what the network returns for preprocessed images, to within three digits or so."""
        if self._channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        chosen = self._found.type_chosen()
        with chosen, torch.autocast(inputs.device.type, dtype=torch.bfloat16):
            output = self._inner.forward(inputs)
        return tree_map(_single, output)


@dataclass
class Trials:
    """The many passes over changed images that one result is made of, in a precision.

    Attributes
    ----------
    precision : {"float32", "bf16"}
        In what they are computed.
    error : float or None
        How far their answers were from those in float32, of the largest; None in float32.
    """

    precision: Precision
    error: float | None = None
    _channels_last: bool = True

    def outputs(self, model: Model, images: torch.Tensor) -> Any:
        """Return what the network returns, and measure on the first images how far that is off."""
        if self.error is None:
            few = images[:MEASURED]
            exact = model.forward(few)
            try:
                found = Bf16Model(model).forward(few)
            except ModelError:
                # It may take maps apart in a way that takes them to lie as they do by default.
                self._channels_last = False
                found = Bf16Model(model, channels_last=False).forward(few)
            self.error = furthest(_floats(found), _floats(exact))
        return Bf16Model(model, channels_last=self._channels_last).forward(images)


_TRIALS: ContextVar[Trials | None] = ContextVar("trials", default=None)


@contextmanager
def trials_in(precision: Precision, model: Model) -> Iterator[Trials]:
    """Compute changed images in a precision within the context, where `trials` is asked.

    Raises
    ------
    UsageError
        If the network cannot be computed so here.
    """
    check_precision(precision, model)
    found = Trials(precision)
    token = _TRIALS.set(found if precision == BF16 else None)
    try:
        yield found
    finally:
        _TRIALS.reset(token)


def trials() -> Trials | None:
    """Return in what changed images are computed, or None where it is as the network is."""
    return _TRIALS.get()


def furthest(some: Sequence[NDArray[np.float64]], others: Sequence[NDArray[np.float64]]) -> float:
    """Return the largest difference, of the largest value of the same; infinite where none."""
    if [each.shape for each in some] != [each.shape for each in others]:
        return float("inf")
    return max(map(_apart, some, others), default=0.0)


def check_precision(precision: str, model: Model) -> None:
    """Raise a `UsageError` unless a network can be computed so, here, before any work begins."""
    known = get_args(Precision)
    if precision not in known:
        raise UsageError(f"There is no precision {precision!r}.", f"Choose {' or '.join(known)}.")
    if precision != BF16:
        return
    if model.dtype != torch.float32:
        raise UsageError(
            f"{model.name} computes in {str(model.dtype).removeprefix('torch.')}, not in float32.",
            "Leave the precision as it is: bf16 is for networks in float32.",
        )
    lacking = lacks_bf16(model.device)
    if lacking:
        raise UsageError(
            f"{lacking} computes nothing in bfloat16 by itself.",
            "Leave the precision at float32, or use a processor with AVX512-BF16 or AMX, or a GPU.",
        )


def lacks_bf16(device: torch.device) -> str:
    """Return what cannot multiply numbers in bfloat16, or "" where a device can."""
    if device.type == "cpu":
        can = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        mkldnn = torch._C._has_mkldnn and torch.backends.mkldnn.enabled
        has = mkldnn and any(getattr(torch.cpu, name, bool)() for name in can)
        return "" if has else "This processor"
    if device.type == "cuda":
        with torch.cuda.device(device):
            return "" if torch.cuda.is_bf16_supported(including_emulation=False) else "This GPU"
    if device.type == "mps":
        return "" if torch.backends.mps.is_macos_or_newer(14, 0) else "This release of macOS"
    return f"The device {device.type!r}"


def _single(found: Any) -> Any:
    if isinstance(found, torch.Tensor) and found.dtype == torch.bfloat16:
        return mapped_softened(torch.Tensor.float, found, found.float())
    return found


def _floats(output: Any) -> list[NDArray[np.float64]]:
    leaves = (each for each in tree_leaves(output) if isinstance(each, torch.Tensor))
    return [each.detach().double().cpu().numpy() for each in leaves if each.is_floating_point()]


def _apart(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    # What is no number in either was none before; what is one in one of them alone is another.
    there = np.isfinite(two)
    if not np.array_equal(there, np.isfinite(one)):
        return float("inf")
    if not there.any():
        return 0.0
    far = np.abs(one - two, where=there, out=np.zeros_like(two)).max()
    return float(far / max(np.abs(two[there]).max(), np.finfo(np.float32).tiny))
