"""What of the process a forward pass may change, noted to be put back."""

from __future__ import annotations

import random

import torch

from cnnviz.introspection.numpy_state import NumpyState


class ProcessState:
    """What of the process a forward pass may change, and what a pass of ours sets itself.

    The first are the global random states of Python, NumPy and torch, the type that torch makes
    tensors of, and whether it insists on algorithms that give the same each time.
    """

    def __init__(self) -> None:
        self._python, self._numpy = random.getstate(), NumpyState()
        self._torch = torch.random.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
        self._dtype, self._determined = torch.get_default_dtype(), _determined()
        # Not by torch.backends, whose setters raise where somebody has locked them.
        self._cudnn = torch._C._get_cudnn_deterministic(), torch._C._get_cudnn_benchmark()

    def repeatable(self) -> None:
        """Have cuDNN take only algorithms that give the same each time, and none for its speed."""
        _set_cudnn(deterministic=True, benchmark=False)

    def put_back(self) -> None:
        """Put all of it back."""
        random.setstate(self._python)
        self._numpy.put_back()
        torch.random.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
        _set_cudnn(deterministic=self._cudnn[0], benchmark=self._cudnn[1])
        if torch.get_default_dtype() is not self._dtype:
            torch.set_default_dtype(self._dtype)
        if _determined() != self._determined:
            torch.use_deterministic_algorithms(self._determined[0], warn_only=self._determined[1])


def _set_cudnn(*, deterministic: bool, benchmark: bool) -> None:
    torch._C._set_cudnn_deterministic(deterministic)
    torch._C._set_cudnn_benchmark(benchmark)


def _determined() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
