"""The only file that registers a hook; a context manager owns every handle.

Two contexts carry law 1, "the model is never changed": `preserve_state` puts the state of a module
back whatever happens inside it, and `module_hooks` removes its hooks the same way. `isolated` keeps
away besides what surrounds a call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from cnnviz.errors import LayerError, ModelError
from cnnviz.introspection.changes import Changes
from cnnviz.introspection.layers import check_seen
from cnnviz.introspection.parameter_evidence import ParameterEvidence, Values
from cnnviz.introspection.passes_apart import depth_of_trials
from cnnviz.introspection.process_state import ProcessState
from cnnviz.introspection.recomputation import backward_pass, without_checkpoints
from cnnviz.introspection.saved_state import SavedState
from cnnviz.introspection.turns import one_at_a_time
from cnnviz.results.interrupts import Interrupts

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
    and is none of the forward pass's: it is not told of. Nor are `trial_passes`.
    """
    within = backward_pass(), depth_of_trials()
    with ExitStack() as handles:
        for name, module in modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                check_seen(module, name)
            if before is not None:
                call = _before_hook(name, before, within)
                handles.callback(_registered(name, module.register_forward_pre_hook, call).remove)
            if after is not None:
                hook = _after_hook(name, after, within)
                handles.callback(_registered(name, module.register_forward_hook, hook).remove)
        yield


def _registered(name: str, register: Callable[..., Any], hook: Callable[..., Any]) -> Any:
    try:
        return register(hook)
    except Exception as error:
        place = f"layer {name!r}" if name else "the network"
        raise LayerError(
            f"No hook can be registered on {place}: {type(error).__name__}: {error}.",
            "Leave the registration of hooks to torch.nn.Module.",
        ) from error


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
    name: str, before: Before, within: tuple[int, int]
) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if (backward_pass(), depth_of_trials()) == within:
            before(name, module, inputs)

    return hook


def _after_hook(
    name: str, after: After, within: tuple[int, int]
) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        heard = (backward_pass(), depth_of_trials()) == within
        return after(name, module, inputs, output) if heard else None

    return hook


@contextmanager
def preserve_state(module: nn.Module) -> Iterator[None]:
    """Run the body with `module` in eval mode and frozen, then put everything back.

    Put back are the attributes of every submodule, its training flag and parts among them,
    `requires_grad` and `.grad` of every parameter, every buffer (bit for bit, and as the same
    tensor object), the global random states of Python, NumPy and torch, and torch's default type.
    On a GPU cuDNN computes the same each time inside, even where the caller has not asked for that.
    Gradient mode inside is the caller's to set. Parameters are frozen inside so that no weight
    gradient is ever computed, and what torch.compile compiled runs as it was written, for it would
    be compiled anew with every hook; nor is anything checkpointed. Other threads wait meanwhile,
    and so does Ctrl-C while state is put back.

    Raises
    ------
    ModelChangedError
        If the network's own forward wrote to a parameter, which cannot be undone, or built or
        replaced a layer or parameter, or an entry of its state cannot be put back.
    ModelError
        If its own `eval` raises.
    """
    # Walking through a deep network takes as long as one of its layers: once is enough.
    modules = list(module.modules())
    with (
        one_at_a_time(),
        Interrupts.held() as interrupts,
        _uncompiled(),
        without_checkpoints(),
    ):
        process = ProcessState()
        evaluates = _evaluates_itself(modules)
        saved = SavedState(modules, values=evaluates)
        outermost = modules[0] not in _NOTED
        evidence: ParameterEvidence | None = None
        found = Changes()
        try:
            process.repeatable()
            _evaluate(modules, by_itself=evaluates)
            _freeze(saved.parameters)
            evidence = _evidence(modules[0], saved.parameters, outermost=outermost)
            _NOTED.update(modules[:1] if outermost else ())
            yield
        finally:
            with interrupts.waiting():
                if evidence is not None:
                    found.look(saved, evidence)
                    found.attempt(evidence.put_back)
                    if outermost and found.none:
                        _KNOWN[modules[0]] = evidence.marks
                found.failed += saved.put_back()
                found.attempt(process.put_back)
                _EVALUATED.difference_update(modules if evaluates else ())
                _NOTED.difference_update(modules[:1] if outermost else ())
    found.check(module)


_EVALUATED: WeakSet[nn.Module] = WeakSet()
"""Modules that are in eval mode by a `train` of their own right now."""
_NOTED: WeakSet[nn.Module] = WeakSet()
"""Networks whose parameters are noted right now, and need not be again."""
_KNOWN: WeakKeyDictionary[nn.Module, tuple[tuple[int, int], ...]] = WeakKeyDictionary()
"""Networks that were seen to leave all their values alone, by the marks of these weights."""


def _evidence(
    root: nn.Module, parameters: Sequence[nn.Parameter], *, outermost: bool
) -> ParameterEvidence:
    """Note all values of a network that is met, and a few of one that is known."""
    if not outermost:
        return ParameterEvidence(parameters, values=Values.NONE)
    some = ParameterEvidence(parameters, values=Values.SOME)
    if _KNOWN.get(root) == some.marks:
        return some
    return ParameterEvidence(parameters, values=Values.ALL)


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
        put_into_eval_mode(root)
        _EVALUATED.update(modules)
    elif root not in _EVALUATED:
        for child in modules:
            if child.training:
                child.training = False


def put_into_eval_mode(root: nn.Module) -> nn.Module:
    """Do as `torch.nn.Module.eval` and return the module.

    That of an exported program has no modes: it computes what it did when it was exported.

    Raises
    ------
    ModelError
        Its own eval or train fails.
    """
    try:
        return root.eval()
    except Exception as error:
        if isinstance(root, torch.fx.GraphModule) and isinstance(error, NotImplementedError):
            return root
        raise ModelError(
            f"{type(root).__name__} cannot be put into eval mode: {type(error).__name__}: {error}.",
            "Mend its eval and train, or put it into eval mode yourself before.",
        ) from error


def _freeze(parameters: Sequence[nn.Parameter]) -> None:
    for parameter in parameters:
        if parameter.requires_grad and parameter.is_leaf and not parameter.is_inference():
            parameter.requires_grad_(False)


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
    with (
        one_at_a_time(),
        Interrupts.held(),
        torch.inference_mode(False),
        torch.set_grad_enabled(grad),
        preserve_state(module),
    ):
        yield


def _uncompiled() -> AbstractContextManager[Any]:
    # Only what has compiled something has imported this, and it takes seconds to import.
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    as_written: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return as_written
