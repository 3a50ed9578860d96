"""Deconvnet and guided rules for every form of ReLU, without touching the model.

The rule is applied where a rectifier is called, so that modules, functions, methods, in-place and
reused rectifiers are all met, and nothing is registered anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import torch
from torch.nn import functional as F

from cnnviz.introspection.activation_nodes import (
    activations_before,
    notes_of,
    say,
    set_aside_between,
)
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import change_gradient
from cnnviz.introspection.mask_marks import is_masked, note_marks, unmark
from cnnviz.introspection.operations import as_written
from cnnviz.introspection.rectifiers import changeable_rectifier
from cnnviz.introspection.two_slopes import note, two_slopes

Rule = Literal["gradient", "deconvnet", "guided"]

_BY_RULE = "cnnviz_rule"
_POOLS = frozenset([F.lp_pool1d, F.lp_pool2d, F.lp_pool3d])
"""Pooling that torch writes with functions that count as activations elsewhere."""


class _Deconvnet(torch.autograd.Function):
    """Rectify the backward signal instead of the mask (Zeiler and Fergus 2013, section 2.1)."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, most: float | None) -> torch.Tensor:
        return values.clamp(0.0, most)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0].clamp(min=0.0), None


class _Guided(torch.autograd.Function):
    """Rectify the backward signal and keep the mask (Springenberg et al. 2014, figure 1)."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, most: float | None) -> torch.Tensor:
        passes = values > 0.0
        ctx.save_for_backward(passes if most is None else passes & (values < most))
        return values.clamp(0.0, most)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (passes,) = ctx.saved_tensors
        return gradients[0].clamp(min=0.0) * passes, None


def _guide(output: torch.Tensor) -> torch.Tensor:
    """Rectify the signal that reaches a rectifier's output; its own derivative does the rest.

    Only where that is zero at zero, as the mask of the rule is.

    Cheaper than a function of its own, which keeps a mask and, in place, copies. An in-place call
    on a view has no one output that every signal passes through.
    """
    if output.grad_fn is not None:
        change_gradient(output, _positive)
        notes_of(output.grad_fn)[_BY_RULE] = True
    return output


def _follows(node: Any) -> bool:
    """Whether a node of the graph is a rectifier that a rule was put to."""
    by_function = isinstance(node, (_Deconvnet._backward_cls, _Guided._backward_cls))
    return by_function or bool(notes_of(node).get(_BY_RULE))


def _positive(gradient: torch.Tensor | None) -> torch.Tensor | None:
    # There is none behind an operator that passes none on, of which autograd tells itself.
    return None if gradient is None else gradient.clamp(min=0.0)


@dataclass(frozen=True)
class RuleCoverage:
    """Which of the activations on the way back followed a rule. As text it is a sentence's worth.

    Attributes
    ----------
    met : int
        How many rectifiers did.
    others : tuple of (str, int)
        How many there were of each other activation, which did not.
    own : tuple of (str, int)
        How many calls there were of functions whose derivative the network brings itself. What
        they do inside follows no rule.
    """

    met: int
    others: tuple[tuple[str, int], ...] = ()
    own: tuple[tuple[str, int], ...] = ()

    @property
    def activations(self) -> int:
        """How many activations there were."""
        return self.met + self._other

    @property
    def _other(self) -> int:
        return sum(count for _, count in self.others)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {name}" for name, count in self.others)
        said = f"The rule was applied at {self.met} of {self.activations} activation functions"
        if self._other:
            rest = "other is" if self._other == 1 else f"other {self._other} are"
            said += f", and the {rest} of another kind ({kinds})"
        if self.own:
            own = ", ".join(f"{count} {name}" for name, count in self.own)
            said += f", and not inside functions with a derivative of their own ({own})"
        return said if self.met else f"{said}, so that it changed nothing: plain gradients"


class backward_rule(FunctionMode):  # noqa: N801
    """Let every rectifier called inside the context send gradients back by another rule.

    Values do not change; only what `torch.autograd` does with them. The rule holds for ReLU and
    ReLU6 in every form, also where they are written with clamp, maximum, where, a mask, or a sum
    with the absolute value. Any other activation keeps its own derivative, for which neither paper
    has a rule, and is counted as one of the others.

    Parameters
    ----------
    rule : {"gradient", "deconvnet", "guided"}
        "gradient" leaves everything as it is.

    Examples
    --------
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    >>> images = torch.ones(1, 1, 5, 5, requires_grad=True)
    >>> with backward_rule("guided") as rule:
    ...     score = network(images)[:, 1].sum()
    >>> print(rule_coverage(score))
    The rule was applied at 1 of 1 activation functions
    >>> (saliency,) = torch.autograd.grad(score, images)
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self._marked: list[torch.Tensor] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the pass, and no mark on what was there before it."""
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        while self._marked:
            unmark(self._marked[-1])
            self._marked.pop()

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Take the calls of rectifiers; pass every other call on."""
        if self.rule == "gradient":
            return func(*args, **named)
        call = changeable_rectifier(func, args, named)
        if call is None:
            return self._other(func, args, named)
        if self.rule == "guided" and call.strict and call.output_is_whole:
            return _guide(func(*args, **named))
        return call.through(self._function)

    @property
    def _function(self) -> type[torch.autograd.Function]:
        return _Deconvnet if self.rule == "deconvnet" else _Guided

    def _other(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Make a call that is no rectifier by itself, though it may be the last step of one."""
        known, given = as_written(func, named)
        slopes = two_slopes(known, args, given)
        found = func(*args, **named)
        self._marked += note_marks(known, args, given, found)
        written = found if found is not None else args[0]
        if isinstance(written, torch.Tensor) and is_masked(args, given, written):
            say(written, "mask or index of its own values")
        if known in _POOLS:
            set_aside_between(found, args[0] if args else given["input"])
        if slopes is None or not isinstance(found, torch.Tensor) or not slopes.tells_of(found):
            return found
        if not slopes.rectifies:
            note(found, slopes)
            return found
        rectified = slopes.through(lambda values: self._function.apply(values, None), found)
        if not args or found is not args[0]:
            return rectified
        # What made it in other steps is on no way back any more.
        return (found if found._is_view() else found.detach_()).copy_(rectified)


def rule_coverage(outputs: torch.Tensor) -> RuleCoverage:
    """Return how many of the activations before a tensor follow a rule, and which do not.

    Parameters
    ----------
    outputs : torch.Tensor
        What was computed inside of `backward_rule`, and where the gradient starts.
    """
    met, others, own = activations_before(outputs, _follows)
    return RuleCoverage(met, tuple(sorted(others.items())), tuple(sorted(own.items())))
