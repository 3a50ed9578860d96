"""Call a network, and turn what torch says of a misfit into a sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from cnnviz.default_device import made_as_the_caller_has_set
from cnnviz.errors import ModelError, lacks_memory
from cnnviz.foreign_code import RAISED, Foreign, first_line
from cnnviz.introspection.final_activation import FinalActivation
from cnnviz.introspection.passes_apart import trial_passes
from cnnviz.introspection.signatures import needed_besides_image, signature_of
from cnnviz.results.interrupts import Interrupts
from cnnviz.results.space import IMAGE, space_of
from cnnviz.results.text import plural

_NO_DERIVATIVE = "an autograd kernel was not registered"
_UNUSED = "appears to not have been used in the graph"
# Vision transformers check the size of their input with assertions.
_MISFITS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, MemoryError)

_NOT_PLAIN: tuple[tuple[str, str, Callable[[torch.Tensor], bool]], ...] = (
    (
        "a nested tensor, whose images differ in shape",
        "one of one shape: torch.nested.to_padded_tensor(output, 0.0)",
        lambda output: output.is_nested,
    ),
    (
        "a sparse tensor",
        "a dense one: output.to_dense()",
        lambda output: output.layout is not torch.strided,
    ),
    ("a quantised tensor", "numbers: output.dequantize()", lambda output: output.is_quantized),
    (
        "a tensor on the meta device, which holds no numbers",
        "its numbers",
        lambda output: output.is_meta,
    ),
    (
        "numbers of 8 bits, with which torch does not compute",
        "larger ones: output.float()",
        lambda output: output.is_floating_point() and output.element_size() == 1,
    ),
)
"""Kinds of output with which nothing can be computed: what each is, what to return in its place."""


def forward(
    module: nn.Module,
    inputs: torch.Tensor,
    name: str = "",
    expected: Callable[[], Iterable[tuple[int, ...]]] = tuple,
    searched: Callable[[], str] = str,
    computed: Callable[[torch.dtype | None], object] = bool,
) -> Any:
    """Return what the network returns, with a note of what went into a softmax or sigmoid in it.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    inputs : torch.Tensor
        Preprocessed images, [N, C, H, W].
    name : str
        What the network is called; its class by default.
    expected : callable
        Returns shapes of one image that the network may run on, the likeliest first; asked only
        where the pass fails, since finding them may take passes of its own.
    searched : callable
        Returns what is to be said of how these were found, where it runs on none of them.
    computed : callable
        Told at the end of the pass what layers returned, where that is coarser than single
        precision, and None otherwise.

    Raises
    ------
    ModelError
        If the forward pass fails.
    """
    check_takes_image(module, name)
    Interrupts.deliver()
    name = name or type(module).__name__
    given, noting = list(inputs.shape), FinalActivation()
    try:
        with (
            noting,
            Foreign(partial(_fails, name, given), besides=_MISFITS),
            made_as_the_caller_has_set(),
        ):
            return module(inputs)
    except _MISFITS as error:
        if lacks_memory(error):
            raise ModelError(
                f"There is too little memory to run {name} on an input {given}.",
                "Give fewer or smaller images.",
            ) from error
        raise ModelError(
            f"{name} cannot run on an input {given}: {first_line(error)}.",
            _what_to_do(module, inputs, expected, searched),
        ) from error
    finally:
        computed(noting.coarse)


def check_plain(output: torch.Tensor, name: str) -> None:
    """Raise `ModelError` if what a network returns is no plain tensor, of which all is known."""
    for what, remedy, holds in _NOT_PLAIN:
        if holds(output):
            raise ModelError(
                f"{name} returns {what}.", f"Wrap it in a module that returns {remedy}."
            )


def _fails(name: str, given: Sequence[int], what: str) -> ModelError:
    return ModelError(
        f"{name} fails on an input {given}: {what}.",
        "The fault is in the code of the network, which cannot run by itself either.",
    )


def check_takes_image(module: nn.Module, name: str = "") -> None:
    """Raise `ModelError` if a network cannot be called with an image and nothing else."""
    needed = needed_besides_image(module)
    if needed:
        several = "arguments" if len(needed) > 1 else "argument"
        raise ModelError(
            f"{name or type(module).__name__} takes {signature_of(module)}: besides one image it "
            f"needs the {several} {', '.join(needed)}.",
            "Say what goes there: cnnviz.Model(network, inputs=(cnnviz.IMAGE, ...)) or call=; a "
            "file with the network may define forward_args(images).",
            option="Say what goes there in the file of the network: "
            "forward_args = (cnnviz.IMAGE, ...), or a function forward_args(images) that returns "
            "it.",
        )


def backward_pass(name: str = "the network") -> Foreign:
    """Return a context that raises `ModelError` where no gradient can be sent through a network.

    Autograd refuses, or what the network has of its own on the way back, such as a hook, fails.
    """
    return _BackwardPass(partial(_fails_backward, name), besides=(MemoryError,))


class _BackwardPass(Foreign):
    def __enter__(self) -> Foreign:
        # Torch only warns where an operator passes no gradient on, and goes on without it.
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.filterwarnings("error", message=f".*{_NO_DERIVATIVE}")
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._warnings.__exit__(kind, error, trace)
        if isinstance(error, torch.OutOfMemoryError):
            return
        if isinstance(error, UserWarning) and _NO_DERIVATIVE in str(error):
            operator = first_line(error).partition(": ")[0]
            raise self._explain(f"{operator} has no derivative") from error
        if isinstance(error, RuntimeError) and _UNUSED in str(error):
            what = "an operator has no derivative, or the answer does not depend on the input"
            raise self._explain(what) from error
        if isinstance(error, RuntimeError):
            # Autograd itself, which raises nothing else.
            raise self._explain(first_line(error).partition(": [")[0]) from error
        super().__exit__(kind, error, trace)


def _fails_backward(name: str, what: str) -> ModelError:
    return ModelError(
        f"No gradient can be sent through {name}: {what}.",
        "Its forward pass breaks the rules of autograd, or a hook in it fails, so it could not be "
        "trained either; of a quantised network take the one that was quantised.",
    )


def check_differentiable(output: torch.Tensor, name: str) -> None:
    """Raise `ModelError` if no gradient can come back from what a network made of an input."""
    if not output.requires_grad:
        raise ModelError(
            f"The output of {name} does not depend on its input in a differentiable way.",
            "Check that its forward does not detach, round or run under no_grad.",
        )


def _without_gradients(module: nn.Module, inputs: torch.Tensor) -> str:
    """Say so where a network runs on an input as long as nothing is kept for gradients."""
    if not torch.is_grad_enabled():
        return ""
    if not _runs(module, inputs):
        return ""
    return (
        "Without gradients it runs: make or load its weights outside torch.inference_mode(), and "
        "leave out what else keeps gradients from passing."
    )


@trial_passes()
def _what_to_do(
    module: nn.Module,
    inputs: torch.Tensor,
    expected: Callable[[], Iterable[tuple[int, ...]]],
    searched: Callable[[], str],
) -> str:
    """Say what may help a network that cannot run on an input, by passes of its own."""
    return (
        _channels_last(module, inputs)
        or _without_gradients(module, inputs)
        or _remedy(module, inputs, expected(), searched)
    )


def _channels_last(module: nn.Module, inputs: torch.Tensor) -> str:
    """Say so where a network that cannot run on an input can with the channels as its last axis."""
    axes = space_of(inputs.ndim - 2).letters if inputs.ndim in (3, 4, 5) else ()
    if not axes or not _runs(module, inputs.movedim(1, -1)):
        return ""
    order, last = ", ".join(("N", "C", *axes)), ", ".join(("N", *axes, "C"))
    return (
        f"It takes the axes in the order {last}, and is given {order}: wrap it in a module whose "
        "forward calls it with x.movedim(1, -1)."
    )


def _remedy(
    module: nn.Module,
    inputs: torch.Tensor,
    expected: Iterable[tuple[int, ...]],
    searched: Callable[[], str],
) -> str:
    convolutions = [child for child in module.modules() if isinstance(child, _ConvNd)]
    spaces = dict.fromkeys(space_of(len(child.kernel_size)) for child in convolutions)
    if spaces and IMAGE not in spaces:
        found = " and ".join(sorted({type(child).__name__ for child in convolutions}))
        given = " or ".join(f"{space.noun}s {space.shape()}" for space in spaces)
        return f"It convolves with {found} only: give {given}."
    tried = 0
    for shape in _others(inputs, expected):
        if _runs(module, inputs.new_zeros(shape)):
            alone = shape == (1, *inputs.shape[1:])
            return f"It runs on an input {list(shape)}: give {'one' if alone else 'such an'} image."
        tried += 1
    network = next(module.modules())  # which is another where a module stands for it
    own = not type(network).__module__.startswith("torch.")
    takes = f" It takes {signature_of(network)}." if own else ""
    other = f"It does not run on {plural(tried, 'other shape')} either. " if tried else ""
    return (
        f"{other}{searched()}Call it by itself, on zeros of the shape that it expects, to see "
        f"whether it runs at all.{takes}"
    )


def _others(inputs: torch.Tensor, expected: Iterable[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Go through shapes that are worth a try where that of the inputs does not fit."""
    seen = {tuple(inputs.shape)}
    for shape in chain([tuple(inputs.shape[1:])], expected):
        if (1, *shape) not in seen:
            seen.add((1, *shape))
            yield (1, *shape)


def _runs(module: nn.Module, inputs: torch.Tensor) -> bool:
    try:
        with torch.no_grad():
            module(inputs)
    except RAISED:
        return False
    return True
