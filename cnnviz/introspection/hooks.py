"""The only file that registers a hook; a context manager owns every handle.

Two contexts carry law 1, "the model is never changed": `preserve_state` puts the state of a module
back whatever happens inside it, and `module_hooks` removes its hooks the same way. `isolated` keeps
away besides what surrounds a call.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from cnnviz.errors import ModelChangedError
from cnnviz.introspection.layers import check_seen
from cnnviz.introspection.recomputation import backward_pass, without_checkpoints
from cnnviz.introspection.saved_state import SavedState, version
from cnnviz.introspection.turns import Interrupts, one_at_a_time

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

    Notes
    -----
    A call in the midst of a backward pass computes again what was computed before, to save memory,
    and is none of the forward pass's: it is not told of.
    """
    within = backward_pass()
    with ExitStack() as handles:
        for name, module in modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                check_seen(module, name)
            if before is not None:
                call = _before_hook(name, before, within)
                handles.callback(module.register_forward_pre_hook(call).remove)
            if after is not None:
                handles.callback(
                    module.register_forward_hook(_after_hook(name, after, within)).remove
                )
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


def _before_hook(
    name: str, before: Before, within: int
) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if backward_pass() == within:
            before(name, module, inputs)

    return hook


def _after_hook(
    name: str, after: After, within: int
) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return after(name, module, inputs, output) if backward_pass() == within else None

    return hook


@contextmanager
def preserve_state(module: nn.Module) -> Iterator[None]:
    """Run the body with `module` in eval mode and frozen, then put everything back.

    Put back are the attributes of every submodule, its training flag and parts among them,
    `requires_grad` and `.grad` of every parameter, every buffer (bit for bit, and as the same
    tensor object) and the global random states of Python, NumPy and torch. Gradient mode inside is
    the caller's to set. Parameters are frozen inside so that no weight gradient is ever computed,
    and what torch.compile compiled runs as it was written, for it would be compiled anew with every
    hook; nor is anything checkpointed. Other threads wait meanwhile, and so does Ctrl-C while state
    is put back.

    Raises
    ------
    ModelChangedError
        If the network's own forward wrote to a parameter, which cannot be undone, or built a layer
        or parameter of its own, or an entry of its state cannot be put back.
    """
    # Walking through a deep network takes as long as one of its layers: once is enough.
    modules = list(module.modules())
    with (
        one_at_a_time(),
        Interrupts.held() as interrupts,
        _uncompiled(),
        without_checkpoints(),
    ):
        random_states = _RandomStates()
        evaluates = _evaluates_itself(modules)
        saved = SavedState(modules, values=evaluates)
        failed: list[BaseException] = []
        built: list[str] = []
        written: list[nn.Parameter] = []
        versions: list[int] | None = None
        try:
            _evaluate(modules, by_itself=evaluates)
            _freeze(saved.parameters)
            versions = [version(parameter) for parameter in saved.parameters]
            yield
        finally:
            interrupts.putting_back += 1
            if versions is not None:
                entries = zip(saved.parameters, versions, strict=True)
                written = [parameter for parameter, held in entries if version(parameter) != held]
                built = saved.built()
            failed = saved.put_back()
            random_states.put_back()
            _EVALUATED.difference_update(modules if evaluates else ())
            interrupts.putting_back -= 1
    _check_unchanged(module, written, built, failed)


_EVALUATED: WeakSet[nn.Module] = WeakSet()
"""Modules that are in eval mode by a `train` of their own right now."""


def _evaluates_itself(modules: Sequence[nn.Module]) -> bool:
    """Whether eval mode has to be entered, and is more than a flag to one of the modules."""
    if modules[0] in _EVALUATED or not any(child.training for child in modules):
        return False
    return any(
        type(child).train is not nn.Module.train or type(child).eval is not nn.Module.eval
        for child in modules
        if not isinstance(child, torch.jit.ScriptModule)
    )


def _evaluate(modules: Sequence[nn.Module], *, by_itself: bool) -> None:
    root = modules[0]
    if by_itself:
        # What its owner leaves in training mode has a reason to be.
        root.eval()
        _EVALUATED.update(modules)
    elif root not in _EVALUATED:
        for child in modules:
            if child.training:
                child.training = False


def _freeze(parameters: Sequence[nn.Parameter]) -> None:
    for parameter in parameters:
        if parameter.requires_grad and parameter.is_leaf:
            parameter.requires_grad_(False)


def _check_unchanged(
    module: nn.Module,
    written: Sequence[nn.Parameter],
    built: Sequence[str],
    failed: Sequence[BaseException],
) -> None:
    if written:
        changed = {id(parameter) for parameter in written}
        names = (name for name, entry in module.named_parameters() if id(entry) in changed)
        raise ModelChangedError(
            f"The network's own forward wrote to its parameter {next(names, '?')!r}.",
            "Keep such a value in a buffer: buffers are put back after every call.",
        )
    if built:
        raise ModelChangedError(
            f"The network's own forward built {built[0]!r}, which it did not have before.",
            "Run it once on an input of the right shape before handing it over: what is built at "
            "the first call would be built anew, with random weights, for every view.",
        )
    if failed:
        raise ModelChangedError(
            f"A part of the network's state could not be put back: {failed[0]}",
            "Give a copy of the network; what its forward keeps is of an unusual kind.",
        ) from failed[0]


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


class _RandomStates:
    """The global random states of Python, NumPy and torch."""

    def __init__(self) -> None:
        self._python, self._numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        self._torch = torch.random.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]

    def put_back(self) -> None:
        """Put all of them back."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.random.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
