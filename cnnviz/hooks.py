"""The only file that registers a hook; a context manager owns every handle.

Two contexts carry law 1, "the model is never changed": `untouched` puts the state of a module back
whatever happens inside it, and `listening` removes its hooks the same way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from cnnviz.errors import ModelChangedError

Before = Callable[[str, nn.Module, tuple[Any, ...]], None]
After = Callable[[str, nn.Module, tuple[Any, ...], Any], Any]


class StopForward(Exception):  # noqa: N818
    """Raised by a hook to end a forward pass at the last layer that is needed."""


@contextmanager
def listening(
    modules: Mapping[str, nn.Module],
    *,
    before: Before | None = None,
    after: After | None = None,
) -> Iterator[None]:
    """Call `before` and `after` around every call of the named modules, for the body's duration.

    Parameters
    ----------
    modules : mapping of str to torch.nn.Module
        The modules to listen to, by the name handed to the callbacks.
    before : callable, optional
        ``before(name, module, inputs)``, called ahead of the module's forward.
    after : callable, optional
        ``after(name, module, inputs, output)``; what it returns, unless None, replaces the output.
    """
    with ExitStack() as handles:
        for name, module in modules.items():
            if before is not None:
                call = _before_hook(name, before)
                handles.callback(module.register_forward_pre_hook(call).remove)
            if after is not None:
                handles.callback(module.register_forward_hook(_after_hook(name, after)).remove)
        yield


def _before_hook(name: str, before: Before) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        before(name, module, inputs)

    return hook


def _after_hook(name: str, after: After) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return after(name, module, inputs, output)

    return hook


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Run the body with `module` in eval mode and frozen, then put everything back.

    Put back are the training flag of every submodule, `requires_grad` and `.grad` of every
    parameter, every buffer (bit for bit, and as the same tensor object) and the global random
    states of Python, NumPy and torch. Gradient mode inside is the caller's to set. Parameters are
    frozen inside so that no weight gradient is ever computed.

    Raises
    ------
    ModelChangedError
        If the network's own forward wrote to a parameter, which cannot be undone.
    """
    with ExitStack() as restored:
        restored.enter_context(_random_states())
        restored.enter_context(_modes(module))
        restored.enter_context(_buffers(module))
        restored.enter_context(_parameters(module))
        yield


@contextmanager
def _modes(module: nn.Module) -> Iterator[None]:
    modes = [(child, child.training) for child in module.modules()]
    try:
        for child, _ in modes:
            child.training = False
        yield
    finally:
        for child, mode in modes:
            child.training = mode


@contextmanager
def _buffers(module: nn.Module) -> Iterator[None]:
    saved = [
        (child, name, buffer, None if buffer is None else buffer.detach().clone())
        for child in module.modules()
        for name, buffer in child._buffers.items()
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for child, name, buffer, copy in saved:
                if buffer is not None and copy is not None and not _identical(buffer, copy):
                    buffer.copy_(copy)
                child._buffers[name] = buffer


def _identical(first: torch.Tensor, second: torch.Tensor) -> bool:
    # Comparing bytes: a NaN equals itself and -0.0 differs from 0.0.
    same = torch.equal(
        first.detach().contiguous().view(-1).view(torch.uint8),
        second.contiguous().view(-1).view(torch.uint8),
    )
    return bool(same)


@contextmanager
def _parameters(module: nn.Module) -> Iterator[None]:
    # Cloning every weight would double the memory of a call; the version counter tells as surely
    # whether one was written to.
    saved = [
        (name, parameter, parameter.requires_grad, parameter.grad, _version(parameter))
        for name, parameter in module.named_parameters()
    ]
    try:
        for _, parameter, _, _, _ in saved:
            parameter.requires_grad_(False)
        yield
    finally:
        for _, parameter, requires_grad, grad, _ in saved:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
    changed = [name for name, parameter, *_, version in saved if _version(parameter) != version]
    if changed:
        raise ModelChangedError(
            f"The network's own forward wrote to its parameter {changed[0]!r}.",
            "Keep such a value in a buffer: buffers are put back after every call.",
        )


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else int(tensor._version)


@contextmanager
def _random_states() -> Iterator[None]:
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch_state = torch.random.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.random.set_rng_state(torch_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)
