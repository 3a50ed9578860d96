"""DeepLIFT's rules for whatever calls an activation, takes a maximum or multiplies two maps.

The rule is applied where the function is called, so that modules, functions, methods, in-place and
reused activations are all met, and nothing is registered anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch.nn import functional as F

from cnnviz.introspection import operations
from cnnviz.introspection.activation_nodes import activations_before
from cnnviz.introspection.compositions import written_out
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.maxima import Maximum, read_maximum
from cnnviz.introspection.operations import as_written, operation
from cnnviz.introspection.rectifiers import changeable_rectifier

_ROUNDING = 64
"""Units in the last place of two values that a quotient of differences is not taken below."""

_OF_ONE_VALUE = (
    "abs absolute arcsinh asinh atan arctan celu celu_ clamp clamp_ clamp_max clamp_max_ clamp_min "
    "clamp_min_ clip clip_ cos cosh elu elu_ erf erfc exp exp_ exp2 expit expm1 gelu hardshrink "
    "hardsigmoid hardswish hardtanh hardtanh_ leaky_relu leaky_relu_ log log10 log1p log2 "
    "logsigmoid mish pow prelu reciprocal relu6 rrelu rrelu_ rsqrt selu selu_ sigmoid sigmoid_ "
    "silu sin sinh softplus softshrink softsign sqrt sqrt_ square tanh tanh_ tanhshrink threshold "
    "threshold_ __abs__ __pow__"
)
"""Functions that make of each value another one, by no value beside it."""


def _functions() -> Iterator[Any]:
    for owner in (torch, torch.Tensor, F, torch.special):
        yield from (getattr(owner, name) for name in _OF_ONE_VALUE.split() if hasattr(owner, name))


_UNIVARIATE = frozenset(_functions())
_BILINEAR = (operations.MULTIPLY, operations.PRODUCT)
_IN_PLACE = (torch.Tensor.__imul__, torch.Tensor.mul_, torch.Tensor.multiply_)
_PLAIN = dict.fromkeys(_IN_PLACE, torch.mul)
"""Products that write to their first factor, and what returns the same."""


@dataclass(frozen=True, eq=False)
class _Met:
    """What a call was given, what it returned, and chose; of a product, its two factors."""

    values: torch.Tensor
    found: torch.Tensor
    sources: torch.Tensor | None = None


class _Rescale(torch.autograd.Function):
    """Send back the quotient of differences (Shrikumar et al. 2017, section 3.5.1)."""

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, function: Callable[..., Any], start: _Met | None
    ) -> torch.Tensor:
        given = values.detach().requires_grad_()
        with torch.enable_grad():
            # A copy, since the call may write to what it is given.
            output = function(given.clone())
            (slope,) = torch.autograd.grad(output.sum(), given)
        found: torch.Tensor = output.detach()
        if start is not None:
            slope = _quotient(found - start.found, given.detach(), start, slope)
        ctx.save_for_backward(slope)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (multiplier,) = ctx.saved_tensors
        return gradients[0] * multiplier, None, None


class _CrossMaximum(torch.autograd.Function):
    """Give the change of a maximum to the value that is the larger of the two maxima.

    A value that is the largest of several windows gets the change of each.
    """

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, sources: torch.Tensor, start: _Met | None
    ) -> torch.Tensor:
        found = values.flatten()[sources.flatten()].reshape(sources.shape)
        ctx.save_for_backward(values, sources, found)
        ctx.start = start
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        values, sources, found = ctx.saved_tensors
        (signal,), start = gradients, ctx.start

        def sent(what: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
            zeros, places, added = torch.zeros_like(values).flatten(), to.flatten(), what.flatten()
            # Each is the one that adds in the same order every time on its device.
            if zeros.is_cuda:
                zeros = zeros.index_put((places,), added, accumulate=True)
            else:
                zeros = zeros.scatter_add(0, places, added)
            return zeros.reshape(values.shape)

        slope = sent(signal, sources)
        if start is not None:
            rise = found - start.found
            of_image = sent(signal * rise.clamp(min=0.0), sources)
            of_start = sent(signal * rise.clamp(max=0.0), start.sources)
            slope = _quotient(of_image + of_start, values, start, slope)
        return slope, None, None


def _quotient(
    change: torch.Tensor, values: torch.Tensor, start: _Met, slope: torch.Tensor
) -> torch.Tensor:
    """Return a change divided by that of the values, or the slope where these hardly change."""
    least = _ROUNDING * torch.finfo(values.dtype).eps
    by = values - start.values
    moves = by.abs() > least * torch.maximum(values.abs(), start.values.abs())
    return torch.where(moves, change / by.where(moves, torch.ones_like(by)), slope)


class rescale_rule(FunctionMode):  # noqa: N801
    """Let each activation and maximum called inside the context send back DeepLIFT's multiplier.

    Values do not change but for rounding; only what `torch.autograd` does with them. The rule holds
    for functions of one value, in whatever form they are called, and for the largest of several, as
    in max pooling. Of a product, each factor gets its change times the mean of the other (the
    Shapley value of the two, Lundberg and Lee 2017). A softmax or a layer norm is computed in such
    steps. All else keeps its own derivative; `without_rule` counts the activations among it.

    Parameters
    ----------
    baseline : rescale_rule, optional
        The context in which the baseline has gone through the network; without it, nothing is
        compared, and derivatives are those of the functions.

    Attributes
    ----------
    alike : bool
        Whether so far each call has met one of the same kind and shape in the baseline's pass.

    References
    ----------
    Shrikumar, Greenside and Kundaje 2017, "Learning Important Features Through Propagating
    Activation Differences": the rescale rule. Lundberg and Lee 2017, "A Unified Approach to
    Interpreting Model Predictions".

    Examples
    --------
    >>> image, start = torch.tensor([3.0], requires_grad=True), torch.tensor([-1.0])
    >>> with rescale_rule() as baseline:
    ...     _ = start.requires_grad_().relu()
    >>> with rescale_rule(baseline):
    ...     score = image.relu().sum()
    >>> torch.autograd.grad(score, image)[0].item()
    0.75
    """

    def __init__(self, baseline: rescale_rule | None = None) -> None:
        super().__init__()
        self.alike = True
        self._met: list[_Met] = []
        self._baseline = baseline

    @property
    def ended_alike(self) -> bool:
        """Whether the two passes have made the same calls, now that both are over."""
        return self._baseline is not None and self.alike and len(self._met) == self._baseline.calls

    @property
    def calls(self) -> int:
        """How many calls have followed the rule."""
        return len(self._met)

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Take the calls that there is a rule for; pass every other call on."""
        rectifier = changeable_rectifier(func, args, named)
        if rectifier is not None and rectifier.values.requires_grad:
            most = rectifier.most
            found = self._rescaled(rectifier.values, lambda values: values.clamp(0.0, most))
            return rectifier.values.copy_(found) if rectifier.in_place else found
        known, given = as_written(func, named)
        if operation(known) in _BILINEAR and "out" not in named:
            return self._product(func, args, named)
        composed = written_out(known, args, given)
        if composed is not None:
            # Its steps are met in their turn.
            with self:
                return composed()
        values = args[0] if args else given.get("input")
        if not _is_differentiated(values) or "out" in named:
            return func(*args, **named)
        maximum = read_maximum(known, args, given)
        if maximum is not None:
            return maximum.returned(self._chosen(maximum))
        if not _is_univariate(known, args, named):
            return func(*args, **named)
        return self._of_one_value(func, args, named, values)

    def _of_one_value(
        self, func: Any, args: Sequence[Any], named: Mapping[str, Any], values: torch.Tensor
    ) -> torch.Tensor:
        rest, others = args[1:], {key: each for key, each in named.items() if each is not values}
        writes = False

        def function(copied: torch.Tensor) -> Any:
            nonlocal writes
            found = func(copied, *rest, **others)
            writes = found is copied
            return found

        output = self._rescaled(values, function)
        # The caller of an in-place activation may go on with the tensor it handed in.
        return values.copy_(output) if writes else output

    def _product(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        factors = (*args, *named.values())
        if len(factors) != 2 or not all(map(_is_differentiated, factors)):
            return func(*args, **named)
        one, two = factors
        start, met = self._start(one), _Met(one.detach().clone(), two.detach().clone())
        self._met.append(met)
        if start is None or start.found.shape != two.shape:
            return func(*args, **named)
        mean_one, mean_two = (start.values + met.values) / 2, (start.found + met.found) / 2
        # Of the mean of both, so that the values are those of the product.
        plain = _PLAIN.get(func, func)
        slopes = plain(one, mean_two) + plain(mean_one, two)
        output = slopes + (plain(met.values, met.found) - slopes).detach()
        return one.copy_(output) if func in _PLAIN else output

    def _rescaled(self, values: torch.Tensor, function: Callable[..., Any]) -> torch.Tensor:
        start, given = self._start(values), values.detach().clone()
        output: torch.Tensor = _Rescale.apply(values, function, start)
        self._met.append(_Met(given, output.detach().clone()))
        return output

    def _chosen(self, maximum: Maximum) -> torch.Tensor:
        start = self._start(maximum.values, maximum.sources)
        output: torch.Tensor = _CrossMaximum.apply(maximum.values, maximum.sources, start)
        copied = output.detach().clone()
        self._met.append(_Met(maximum.values.detach().clone(), copied, maximum.sources))
        return output

    def _start(self, values: torch.Tensor, sources: torch.Tensor | None = None) -> _Met | None:
        """Return the baseline's call that stands where this one does."""
        if self._baseline is None:
            return None
        place = len(self._met)
        found = self._baseline._met[place] if place < self._baseline.calls else None
        if found is None or found.values.shape != values.shape:
            self.alike = False
            return None
        if (found.sources is None) != (sources is None):
            self.alike = False
            return None
        return found


def _is_differentiated(values: Any) -> TypeGuard[torch.Tensor]:
    return (
        isinstance(values, torch.Tensor)
        and values.requires_grad
        and values.is_floating_point()
        and not torch._C._functorch.is_functorch_wrapped_tensor(values)
    )


def _is_univariate(known: Any, args: Sequence[Any], named: Mapping[str, Any]) -> bool:
    try:
        if known not in _UNIVARIATE:
            return False
    except TypeError:  # An object that cannot be hashed is none of torch's.
        return False
    # Limits, exponents and slopes that come from the image are values beside it.
    beside = (*args[1:], *(each for key, each in named.items() if key not in ("input", "self")))
    return not any(isinstance(each, torch.Tensor) and each.grad_fn is not None for each in beside)


def without_rule(outputs: torch.Tensor) -> Mapping[str, int]:
    """Return how many activations before a tensor sent back no multiplier of a rule, by name.

    Parameters
    ----------
    outputs : torch.Tensor
        What was computed inside of `rescale_rule`, and where the gradient starts.
    """
    ours = (_Rescale._backward_cls, _CrossMaximum._backward_cls)
    _, others, own = activations_before(outputs, lambda node: isinstance(node, ours))
    return Counter(others) + Counter(own)
