"""Deconvnet and guided rules for every form of ReLU, without touching the model.

The rule is applied where a rectifier is called, so that modules, functions, methods, in-place and
reused rectifiers are all met, and nothing is registered anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional as F

from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import change_gradient
from cnnviz.introspection.operations import as_written
from cnnviz.introspection.rectifiers import note_signs, read_rectifier

Rule = Literal["gradient", "deconvnet", "guided"]

_OTHERS: dict[Any, str] = {
    F.leaky_relu: "leaky ReLU",
    F.leaky_relu_: "leaky ReLU",
    F.prelu: "PReLU",
    torch.prelu: "PReLU",
    F.rrelu: "RReLU",
    F.elu: "ELU",
    F.elu_: "ELU",
    F.selu: "SELU",
    torch.selu: "SELU",
    F.celu: "CELU",
    F.gelu: "GELU",
    F.silu: "SiLU",
    F.mish: "Mish",
    F.softplus: "softplus",
    F.hardswish: "hardswish",
    F.hardsigmoid: "hardsigmoid",
    F.hardtanh: "hardtanh",
    F.hardtanh_: "hardtanh",
    F.sigmoid: "sigmoid",
    torch.sigmoid: "sigmoid",
    torch.Tensor.sigmoid: "sigmoid",
    torch.Tensor.sigmoid_: "sigmoid",
    F.tanh: "tanh",
    torch.tanh: "tanh",
    torch.Tensor.tanh: "tanh",
    torch.Tensor.tanh_: "tanh",
}


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
    if output.requires_grad:
        change_gradient(output, _positive)
    return output


def _positive(gradient: torch.Tensor | None) -> torch.Tensor | None:
    # There is none behind an operator that passes none on, of which autograd tells itself.
    return None if gradient is None else gradient.clamp(min=0.0)


@dataclass(frozen=True)
class RuleCoverage:
    """Which of the activations of a pass followed a rule. As text it is a sentence's worth.

    Attributes
    ----------
    met : int
        How many calls of rectifiers did.
    others : tuple of (str, int)
        How many calls there were of each other activation, which did not.
    """

    met: int
    others: tuple[tuple[str, int], ...] = ()

    @property
    def activations(self) -> int:
        """How many calls of activations there were."""
        return self.met + self._other

    @property
    def _other(self) -> int:
        return sum(count for _, count in self.others)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {name}" for name, count in self.others)
        said = f"The rule was applied at {self.met} of {self.activations} activation functions"
        if self._other:
            said += f", and the other {self._other} are of another kind ({kinds})"
        return said if self.met else f"{said}, so that it changed nothing"


class backward_rule(FunctionMode):  # noqa: N801
    """Let every rectifier called inside the context send gradients back by another rule.

    Values do not change; only what `torch.autograd` does with them. The rule holds for ReLU and
    ReLU6 in every form, also where they are written with clamp, maximum, where or a mask. Any other
    activation keeps its own derivative, for which neither paper has a rule, and is counted in
    `others`.

    Parameters
    ----------
    rule : {"gradient", "deconvnet", "guided"}
        "gradient" leaves everything as it is, and counts.

    Attributes
    ----------
    met : int
        How many calls of rectifiers followed the rule.
    others : Counter of str
        How many calls there were of each other activation.

    Examples
    --------
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    >>> images = torch.ones(1, 1, 5, 5, requires_grad=True)
    >>> with backward_rule("guided") as rule:
    ...     score = network(images)[:, 1].sum()
    >>> (saliency,) = torch.autograd.grad(score, images)
    >>> print(rule.coverage())
    The rule was applied at 1 of 1 activation functions
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.met = 0
        self.others: Counter[str] = Counter()

    def coverage(self) -> RuleCoverage:
        """Return how many of the activations followed the rule so far, and which did not."""
        return RuleCoverage(self.met, tuple(sorted(self.others.items())))

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Take the calls of rectifiers; pass every other call on."""
        call = read_rectifier(func, args, named)
        if call is None:
            known, _ = as_written(func, named)
            if known in _OTHERS:
                self.others[_OTHERS[known]] += 1
            found = func(*args, **named)
            note_signs(known, args, found)
            return found
        self.met += 1
        if self.rule == "gradient":
            return func(*args, **named)
        if self.rule == "guided" and call.strict and call.output_is_whole:
            return _guide(func(*args, **named))
        function = _Deconvnet if self.rule == "deconvnet" else _Guided
        return call.through(function)
