"""A softmax, sigmoid or normalisation at the end of a network, and what went into it.

A gradient hardly comes back through a softmax that is sure of itself, and nothing through one that
is saturated; nor through an embedding of length 1 along itself. What is explained is therefore the
score before it, which is noted as the network computes it: on the returned tensor itself, so that
it goes wherever that goes. So is whether it comes out of a normalisation, as features do, with no
layer after it that could make scores of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional as F

from cnnviz.introspection import operations
from cnnviz.introspection.function_calls import FunctionMode, unwatched
from cnnviz.introspection.tolerance import COARSE

Softening = Literal["softmax", "log_softmax", "sigmoid", "normalisation"]

_SOFTENINGS: dict[Any, Softening] = {
    F.softmax: "softmax",
    torch.softmax: "softmax",
    torch._softmax: "softmax",
    torch.Tensor.softmax: "softmax",
    F.log_softmax: "log_softmax",
    torch.log_softmax: "log_softmax",
    torch._log_softmax: "log_softmax",
    torch.Tensor.log_softmax: "log_softmax",
    F.sigmoid: "sigmoid",
    torch.sigmoid: "sigmoid",
    torch.sigmoid_: "sigmoid",
    torch.special.expit: "sigmoid",
    torch.Tensor.sigmoid: "sigmoid",
    torch.Tensor.sigmoid_: "sigmoid",
    F.logsigmoid: "sigmoid",
}
_SCALINGS = frozenset(
    (
        *(torch.div, torch.true_divide, torch.mul, torch.multiply),
        *(torch.Tensor.div, torch.Tensor.true_divide, torch.Tensor.mul, torch.Tensor.multiply),
    )
)
_LOGARITHMS = frozenset((torch.log, torch.Tensor.log))
_IN_PLACE = frozenset((torch.sigmoid_, torch.Tensor.sigmoid_))
# What may follow without a change of any value.
_LAYOUTS = frozenset(
    (
        *(torch.squeeze, torch.Tensor.squeeze, torch.unsqueeze, torch.Tensor.unsqueeze),
        *(torch.flatten, torch.Tensor.flatten, torch.reshape, torch.Tensor.reshape),
        *(torch.Tensor.view, torch.Tensor.contiguous, torch.Tensor.clone, torch.clone),
        *(torch.Tensor.float, torch.Tensor.double, torch.Tensor.half, torch.Tensor.bfloat16),
        *(torch.Tensor.to, torch.Tensor.type, torch.Tensor.cpu, torch.Tensor.__getitem__),
        # What an exported program calls for an index.
        *(torch.select, torch.ops.aten.slice.Tensor, torch.ops.aten.alias.default),
    )
)
# What may follow only to keep a probability off 0 and 1.
_LIMITS = frozenset(
    (
        *(torch.clamp, torch.clip, torch.Tensor.clamp, torch.Tensor.clip),
        *(torch.clamp_min, torch.clamp_max, torch.Tensor.clamp_min, torch.Tensor.clamp_max),
        *(torch.nan_to_num, torch.Tensor.nan_to_num),
    )
)
_MARK = "_cnnviz_softened"
_FEATURES = "_cnnviz_features"
# What makes new numbers of features by weights or by references: scores, where it comes last.
_COMPUTING = frozenset(
    (
        *(operations.CONVOLUTION, operations.LINEAR, operations.PRODUCT),
        *(operations.RECURRENT, operations.ATTENTION),
    )
)
_DISTANCES = frozenset((torch.cdist, F.pairwise_distance, F.cosine_similarity))
_FOLLOWED = _LAYOUTS | _LIMITS | _LOGARITHMS


@dataclass(frozen=True, eq=False)
class Softened:
    """What a softmax or sigmoid made a tensor of.

    Attributes
    ----------
    kind : {"softmax", "log_softmax", "sigmoid", "normalisation"}
        Which function it was, or the logarithm of it. What was multiplied or divided by one number
        for each image is called a normalisation; only its result tells whether it was one.
    before : torch.Tensor
        What went into it, in the shape of the tensor.
    """

    kind: Softening
    before: torch.Tensor


def softened(tensor: torch.Tensor) -> Softened | None:
    """Return what a softmax or sigmoid made this very tensor of; None where none did."""
    found: Softened | None = getattr(tensor, _MARK, None)
    return found


def mark_softened(tensor: torch.Tensor, found: Softened) -> None:
    """Note on a tensor what it was made of."""
    setattr(tensor, _MARK, found)


def are_features(tensor: torch.Tensor) -> bool:
    """Whether this very tensor comes out of a normalisation, and of no layer with weights since.

    Activations, pooling, sums, gates and changes of the layout may lie between.
    """
    return bool(getattr(tensor, _FEATURES, False))


def mapped_softened(
    function: Callable[[torch.Tensor], torch.Tensor], tensor: torch.Tensor, found: torch.Tensor
) -> torch.Tensor:
    """Return `found`, which `function` made of `tensor`, with the notes that `tensor` has."""
    note = softened(tensor)
    if are_features(tensor) and isinstance(found, torch.Tensor):
        setattr(found, _FEATURES, True)
    if note is not None and isinstance(found, torch.Tensor):
        mark_softened(found, Softened(note.kind, function(note.before)))
    return found


class FinalActivation(FunctionMode):
    """A context in which what ends a network notes on its results what went in.

    Attributes
    ----------
    coarse : torch.dtype or None
        What layers returned that is coarser than single precision, as they do under autocast.
    """

    def __init__(self) -> None:
        super().__init__()
        self.coarse: torch.dtype | None = None

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Pass every call on, and note those that soften or only change the layout."""
        known, given = operations.as_written(func, named)
        if known in _SOFTENINGS:
            return self._soften(func, known, args, named)
        result = func(*args, **named)
        what = operations.operation(func)
        if isinstance(result, torch.Tensor):
            self._note(what, result)
            if _passes_features(what, func, args):
                setattr(result, _FEATURES, True)
        if (before := _normalised(known, args, given)) is not None:
            earlier = softened(before)
            if earlier is not None and earlier.kind == "normalisation":
                before = earlier.before
            mark_softened(result, Softened("normalisation", before))
            return result
        note = softened(args[0]) if args and known in _FOLLOWED else None
        if note is not None and "softmax" in note.kind and _chooses(args[0], result):
            return result
        if note is not None and known in _LIMITS:
            mark_softened(result, note)
        elif note is not None and known in _LOGARITHMS:
            kind: Softening = "log_softmax" if note.kind == "softmax" else note.kind
            mark_softened(result, Softened(kind, note.before))
        elif note is not None:
            mapped_softened(lambda before: func(before, *args[1:], **named), args[0], result)
        return result

    def _note(self, what: str | None, result: torch.Tensor) -> None:
        if self.coarse is None and what in _COMPUTING:
            with unwatched():
                self.coarse = result.dtype if result.dtype in COARSE else None

    def _soften(self, func: Any, known: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        kind = _SOFTENINGS[known]
        before = args[0] if args else named.get("input", named.get("self"))
        noted = kind == "sigmoid" or _over_classes(before, func, args, named)
        kept = before.clone() if noted and known in _IN_PLACE else before
        result = func(*args, **named)
        if noted and isinstance(result, torch.Tensor):
            mark_softened(result, Softened(kind, kept))
        return result


def _passes_features(what: str | None, func: Any, args: Sequence[Any]) -> bool:
    if what == operations.NORMALISATION:
        return True
    if what in _COMPUTING or func in _DISTANCES:
        return False
    given = args[0] if args and isinstance(args[0], (list, tuple)) else args
    return any(isinstance(one, torch.Tensor) and are_features(one) for one in given)


def _over_classes(
    before: torch.Tensor, func: Any, args: Sequence[Any], named: Mapping[str, Any]
) -> bool:
    """Tell a softmax over classes from one of attention, over the last of several axes."""
    axis = args[1] if len(args) > 1 else named.get("dim")
    if not isinstance(axis, int):
        return before.ndim == 2
    return axis % max(before.ndim, 1) == (1 if before.ndim > 1 else 0)


def _chooses(given: torch.Tensor, result: torch.Tensor) -> bool:
    """Whether a result holds some of the classes alone, whose shares are of all of them."""
    return result.ndim == given.ndim and result.shape[1:2] != given.shape[1:2]


def _normalised(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> torch.Tensor | None:
    """Return the vectors that a call scales by one number each, as a norm does; or None."""
    if func is not F.normalize and func not in _SCALINGS:
        return None  # Before anything of a tensor is read, which other modes are told of.
    before = args[0] if args else named.get("input")
    if not isinstance(before, torch.Tensor) or before.ndim < 2:
        return None
    if func is F.normalize:
        return before
    factor = args[1] if len(args) > 1 else None
    if not isinstance(factor, torch.Tensor) or factor.ndim != before.ndim:
        return None
    # A number for each image along the axis of the vector, which is another than that of images.
    return before if _alike_along(factor) and not _alike_along(before) else None


def _alike_along(tensor: torch.Tensor) -> bool:
    axes = range(1, tensor.ndim)
    return any(tensor.shape[axis] == 1 or tensor.stride(axis) == 0 for axis in axes)
