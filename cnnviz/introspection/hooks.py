"""The only file that registers a hook; a context manager owns every handle.

Two contexts carry law 1, "the model is never changed": `preserve_state` puts the state of a module
back whatever happens inside it, and `module_hooks` removes its hooks the same way. `isolated` keeps
away besides what surrounds a call.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from cnnviz.errors import ModelChangedError
from cnnviz.introspection.layers import check_seen

Before = Callable[[str, nn.Module, tuple[Any, ...]], None]
After = Callable[[str, nn.Module, tuple[Any, ...], Any], Any]


class StopForward(Exception):  # noqa: N818
    """Raised by a hook to end a forward pass at the last layer that is needed."""


@contextmanager
def module_hooks(
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

    Raises
    ------
    LayerError
        If one of them is TorchScript, which calls no hook inside.
    """
    with ExitStack() as handles:
        for name, module in modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                check_seen(module, name)
            if before is not None:
                call = _before_hook(name, before)
                handles.callback(module.register_forward_pre_hook(call).remove)
            if after is not None:
                handles.callback(module.register_forward_hook(_after_hook(name, after)).remove)
        yield


@contextmanager
def global_hooks(
    modules: Mapping[str, nn.Module],
    *,
    before: Before | None = None,
    after: After | None = None,
) -> Iterator[None]:
    """Do what `module_hooks` does without attaching anything to the modules.

    For a network that somebody else works with meanwhile: it may be copied and pickled at any
    time, and neither keeps a hook. torch calls these hooks for every module of the process, which
    are told apart here. `after` is called when a forward ends with an exception as well, with None
    for its output; what it returns is of no effect.
    """
    names: dict[int, list[str]] = {}
    for name, module in modules.items():
        names.setdefault(id(module), []).append(name)

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if before is not None:
            for name in names.get(id(module), ()):
                before(name, module, inputs)

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if after is not None:
            for name in reversed(names.get(id(module), ())):
                after(name, module, inputs, output)

    with ExitStack() as handles:
        handles.callback(register_module_forward_pre_hook(enter).remove)
        handles.callback(register_module_forward_hook(leave, always_call=True).remove)
        yield


@contextmanager
def step_hooks(
    optimizer: torch.optim.Optimizer,
    *,
    before: Callable[[bool], None],
    after: Callable[[bool], None],
) -> Iterator[None]:
    """Call `before` and `after` around every step of an optimizer, for the body's duration.

    Each is told whether the step was given a closure, which goes forward and backward within it.
    """

    def enter(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        before(_has_closure(args, kwargs))

    def leave(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        after(_has_closure(args, kwargs))

    with ExitStack() as handles:
        handles.callback(optimizer.register_step_pre_hook(enter).remove)
        handles.callback(optimizer.register_step_post_hook(leave).remove)
        yield


def _has_closure(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    # The first argument is the optimizer itself, which may be callable for all we know.
    return any(callable(value) for value in (*args[1:], *kwargs.values()))


def change_gradient(
    output: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor | None]
) -> None:
    """Let `change` replace the gradient that reaches a tensor, or only look at it.

    The hook belongs to the tensor and ends with it, so there is nothing to remove from a network.
    """
    output.register_hook(change)  # type: ignore[no-untyped-call]


def _before_hook(name: str, before: Before) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        before(name, module, inputs)

    return hook


def _after_hook(name: str, after: After) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return after(name, module, inputs, output)

    return hook


@contextmanager
def preserve_state(module: nn.Module) -> Iterator[None]:
    """Run the body with `module` in eval mode and frozen, then put everything back.

    Put back are the training flag of every submodule, `requires_grad` and `.grad` of every
    parameter, every buffer (bit for bit, and as the same tensor object) and the global random
    states of Python, NumPy and torch. Gradient mode inside is the caller's to set. Parameters are
    frozen inside so that no weight gradient is ever computed, and what torch.compile compiled runs
    as it was written, for it would be compiled anew with every hook.

    Raises
    ------
    ModelChangedError
        If the network's own forward wrote to a parameter, which cannot be undone.
    """
    # Walking through a deep network takes as long as one of its layers: once is enough.
    modules = list(module.modules())
    with ExitStack() as restored:
        restored.enter_context(_uncompiled())
        restored.enter_context(_random_states())
        restored.enter_context(_modes(modules))
        restored.enter_context(_buffers(modules))
        restored.enter_context(_parameters(module, modules))
        yield


@contextmanager
def isolated(module: nn.Module, *, grad: bool) -> Iterator[None]:
    """Run the body as `preserve_state` does, whatever gradient mode the caller is in.

    A surrounding no_grad would leave nothing to differentiate. A surrounding inference_mode would
    besides make a network that keeps a tensor for later keep one that can never take part in
    training again, so the body never runs under one either.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    grad : bool
        Whether the body builds a graph.
    """
    with torch.inference_mode(False), torch.set_grad_enabled(grad), preserve_state(module):
        yield


def _uncompiled() -> AbstractContextManager[Any]:
    # Only what has compiled something has imported this, and it takes seconds to import.
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    as_written: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return as_written


@contextmanager
def _modes(modules: Sequence[nn.Module]) -> Iterator[None]:
    modes = [(child, child.training) for child in modules]
    try:
        for child, mode in modes:
            if mode:
                child.training = False
        yield
    finally:
        for child, mode in modes:
            if child.training is not mode:
                child.training = mode


@contextmanager
def _buffers(modules: Sequence[nn.Module]) -> Iterator[None]:
    saved = [(child, name, buffer) for child in modules for name, buffer in child._buffers.items()]
    copies = _Copies(buffer for _, _, buffer in saved if buffer is not None)
    try:
        yield
    finally:
        copies.put_back()
        for child, name, buffer in saved:
            if isinstance(child, torch.jit.ScriptModule):
                continue  # It hands out another object for the same tensor each time.
            if child._buffers.get(name) is not buffer:
                child._buffers[name] = buffer


class _Copies:
    """Tensors and what they held, copied and compared many at once: there may be hundreds."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        groups: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
        for tensor in tensors:
            groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        self._groups = [(group, _joined(group)) for group in groups.values()]

    def put_back(self) -> None:
        """Write back to each tensor what it held, if it holds anything else."""
        for group, copy in self._groups:
            # Comparing bytes: a NaN equals itself and -0.0 differs from 0.0.
            if not torch.equal(_joined(group).view(torch.uint8), copy.view(torch.uint8)):
                sizes = [tensor.numel() for tensor in group]
                with torch.no_grad():
                    for tensor, held in zip(group, torch.split(copy, sizes), strict=True):
                        tensor.copy_(held.view_as(tensor))


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


@contextmanager
def _parameters(module: nn.Module, modules: Sequence[nn.Module]) -> Iterator[None]:
    # Cloning every weight would double the memory of a call; the version counter tells as surely
    # whether one was written to.
    every = (p for child in modules for p in child._parameters.values() if p is not None)
    saved = [
        (parameter, parameter.requires_grad, parameter.grad, _version(parameter))
        for parameter in dict.fromkeys(every)
    ]
    try:
        for parameter, requires_grad, _, _ in saved:
            if requires_grad:
                parameter.requires_grad_(False)
        yield
    finally:
        for parameter, requires_grad, grad, _ in saved:
            if parameter.requires_grad is not requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not grad:
                parameter.grad = grad
    changed = {id(parameter) for parameter, *_, held in saved if _version(parameter) != held}
    if changed:
        name = next(name for name, entry in module.named_parameters() if id(entry) in changed)
        raise ModelChangedError(
            f"The network's own forward wrote to its parameter {name!r}.",
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
