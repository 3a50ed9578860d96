"""The residual additions of a network, and the gradient that comes back through each of their ways.

They are found where they happen: in the additions of the forward pass and the graph that torch
builds of it, so that modules, functions and in-place additions are all met.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.utils.weak import WeakTensorKeyDictionary

from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.operations import STACK, Addends, operation, weighted_sum

_OVER: Mapping[Any, float] = {
    torch.sum: 1.0,
    torch.Tensor.sum: 1.0,
    torch.mean: 0.5,
    torch.Tensor.mean: 0.5,
}
"""What the calls that sum up a stack of two make of each."""

Kind = Literal["identity", "projection"]
_WEIGHTY = ("Convolution", "Addmm", "Addmv", "Mm", "Bmm", "Baddbmm", "Linear", "Einsum")
"""Nodes that stand for weights: an addition around none of them is plain arithmetic."""


@dataclass(frozen=True, eq=False)
class Addition:
    """One addition of two tensors that both depend on the input, in any form.

    Attributes
    ----------
    name : str
        The innermost module that was being called, with a count where it adds more than once.
    first, second, total : GradientEdge
        Where the gradients of the two terms and of their sum can be asked for.
    shape : tuple of int
        The shape of the sum, [N, ...].
    weight, first_weight : float
        What the second term and the first are multiplied by.
    """

    name: str
    first: GradientEdge
    second: GradientEdge
    total: GradientEdge
    shape: tuple[int, ...]
    weight: float
    first_weight: float = 1.0


class additions(FunctionMode):  # noqa: N801
    """Note every addition of two tensors that gradients flow through, however it is written.

    Attributes
    ----------
    found : list of Addition
        In the order of execution.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.found: list[Addition] = []
        self._calls: list[str] = []
        self._counts: dict[str, int] = {}
        self._stacks: Any = WeakTensorKeyDictionary()
        self._scope = module_hooks(
            dict(module.named_modules()), before=self._enter, after=self._leave
        )

    def _enter(self, name: str, module: nn.Module, inputs: Any) -> None:
        self._calls.append(name)

    def _leave(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        # A call that raised, and whose caller went on regardless, was never left.
        while self._calls and self._calls.pop() != name:
            pass

    def __enter__(self) -> additions:
        self._scope.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self._scope.__exit__(*raised)

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Run the call, and note it where it is such an addition."""
        terms = weighted_sum(func, args, named) or self._of_stack(func, args, named)
        if terms is None or not terms.differentiable:
            return self._stacked(func, args, named)
        # Before the call: an addition in place makes its first term the sum.
        first, second = get_gradient_edge(terms.first), get_gradient_edge(terms.second)
        shape = tuple(terms.first.shape)
        output = func(*args, **named)
        if output.requires_grad:
            total = get_gradient_edge(output)
            weights = (terms.weight, terms.first_weight)
            self.found.append(Addition(self._name(), first, second, total, shape, *weights))
        return output

    def _stacked(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        output = func(*args, **named)
        if operation(func) == STACK:
            parts = tuple(args[0] if args else named["tensors"])
            axis = args[1] if len(args) > 1 else named.get("dim", 0)
            if len(parts) == 2:
                self._stacks[output] = (*parts, axis % output.ndim)
        return output

    def _of_stack(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Addends | None:
        """Return the two tensors that were stacked, where a call sums or averages over them."""
        if func not in _OVER or not args or args[0] not in self._stacks:
            return None
        first, second, axis = self._stacks[args[0]]
        given = args[1] if len(args) > 1 else named.get("dim", named.get("axis"))
        axes = [given] if isinstance(given, int) else list(given or ())
        if [one % args[0].ndim for one in axes] != [axis] or named.get("keepdim") or len(args) > 2:
            return None
        return Addends(first, second, _OVER[func], _OVER[func])

    def _name(self) -> str:
        name = self._calls[-1] if self._calls else ""
        self._counts[name] = self._counts.get(name, 0) + 1
        count = self._counts[name]
        return (name or "(network)") + (f" ({count})" if count > 1 else "")


@dataclass(frozen=True, eq=False)
class Residual:
    """An addition whose two terms come from one tensor: a skip, and a branch around which it leads.

    Attributes
    ----------
    name : str
        As of the addition.
    kind : {"identity", "projection"}
        Whether the skip hands its tensor on as it is, or computes something of its own.
    fork : GradientEdge
        Where the two ways part: x in G = S(x) + F(x).
    skip, branch : GradientEdge
        Where they end: S(x) and F(x).
    total : GradientEdge
        Their sum, G.
    skip_weight, branch_weight : float
        What the terms are multiplied by in the addition.
    """

    name: str
    kind: Kind
    fork: GradientEdge
    skip: GradientEdge
    branch: GradientEdge
    total: GradientEdge
    skip_weight: float = 1.0
    branch_weight: float = 1.0


def residual(addition: Addition) -> Residual | None:
    """Return the residual that an addition closes, or None where it closes none.

    It closes one where both terms come from one tensor, and at least one of the two ways between
    has a convolution or a matrix product. The shorter way is the skip.
    """
    edges = (addition.first, addition.second)
    # What both terms share may be a gate of theirs: the fork lies further down then.
    passed: set[Node] = set()
    while (node := _meeting(edges, passed)) is not None:
        if any(_weighty(_between(edge.node, node, passed)) for edge in edges):
            break
        passed.add(node)
    if node is None:
        return None
    ways = [_between(edge.node, node) for edge in edges]
    lengths = [len(way) for way in ways]
    skip = 0 if lengths[0] < lengths[1] else 1
    fork = _fork(edges, ways, node)
    if fork is None:
        return None
    same = edges[skip].node is fork.node and edges[skip].output_nr == fork.output_nr
    weights = (addition.first_weight, addition.weight)
    return Residual(
        addition.name,
        "identity" if same else "projection",
        fork,
        edges[skip],
        edges[1 - skip],
        addition.total,
        weights[skip],
        weights[1 - skip],
    )


def _place(node: Node) -> int:
    # Leaves have the largest number there is, though they come first.
    return -1 if "AccumulateGrad" in node.name() else int(node._sequence_nr())


def _meeting(edges: Sequence[GradientEdge], passed: Collection[Node]) -> Node | None:
    """Return the last node that both edges were computed from, on ways past none of `passed`."""
    reached: dict[Node, set[int]] = {}
    waiting: list[tuple[int, int, Node]] = []

    def reach(node: Node, sides: set[int]) -> None:
        if node in passed:
            return
        if node not in reached:
            # The second number keeps nodes themselves from being compared.
            heapq.heappush(waiting, (-_place(node), len(reached), node))
        reached.setdefault(node, set()).update(sides)

    for side, edge in enumerate(edges):
        reach(edge.node, {side})
    while waiting:
        # Later nodes first: all that leads to this one has been seen.
        _, _, node = heapq.heappop(waiting)
        if len(reached[node]) == len(edges):
            return node
        for below, _ in node.next_functions:
            if below is not None:
                reach(below, reached[node])
    return None


def _between(node: Node, fork: Node, passed: Collection[Node] = ()) -> list[Node]:
    """Return the nodes on the ways from `node` down to `fork`, that one left out.

    Those of `passed`, and what leads through them only, are left out as well.
    """
    limit = _place(fork)
    # What was computed before the fork cannot come from it.
    seen = [node for node in _later(node, limit, passed) if node is not fork]
    leads = {fork}
    for here in sorted(seen, key=_place):
        if any(below in leads for below, _ in here.next_functions):
            leads.add(here)
    return [here for here in seen if here in leads]


def _later(node: Node, limit: int, passed: Collection[Node]) -> dict[Node, None]:
    found: dict[Node, None] = {}
    open_nodes = [node]
    while open_nodes:
        here = open_nodes.pop()
        if here not in found and here not in passed and _place(here) >= limit:
            found[here] = None
            open_nodes += [below for below, _ in here.next_functions if below is not None]
    return found


def _weighty(way: Sequence[Node]) -> bool:
    return any(weighty(node) for node in way)


def weighty(node: Node) -> bool:
    """Tell whether a node of the graph stands for a convolution or a matrix product."""
    return node.name().startswith(_WEIGHTY)


def _fork(
    edges: Sequence[GradientEdge], ways: Sequence[Sequence[Node]], node: Node
) -> GradientEdge | None:
    """Return the output of the forking node that both ways read; None where they read several."""
    outputs = {edge.output_nr for edge in edges if edge.node is node}
    for way in ways:
        for here in way:
            outputs |= {number for below, number in here.next_functions if below is node}
    return GradientEdge(node, outputs.pop()) if len(outputs) == 1 else None


@dataclass(frozen=True, eq=False)
class Shares:
    """The gradient of a score at the fork of a residual, by the way on which it came.

    Attributes
    ----------
    skip, branch : torch.Tensor
        What came through each way, in the shape of the tensor at the fork.
    whole : torch.Tensor
        The whole gradient there; more than the sum of the two where the tensor is also read
        elsewhere.
    at_sum : torch.Tensor
        The gradient at the sum, dL/dG.
    """

    skip: torch.Tensor
    branch: torch.Tensor
    whole: torch.Tensor
    at_sum: torch.Tensor


def shares(scores: torch.Tensor, residuals: Sequence[Residual]) -> list[Shares | None]:
    """Return the gradient of the summed scores at each fork, split by the ways.

    For G = x + F(x) this is dL/dx = dL/dG + dL/dG dF/dx, each term by itself. One backward pass
    through the whole network gives dL/dG everywhere, and one through each branch its own part.

    Parameters
    ----------
    scores : torch.Tensor
        [N], with its graph, which is kept.
    residuals : sequence of Residual
        Of the same graph.

    Returns
    -------
    list of Shares or None
        None where the scores do not depend on the sum.
    """
    if not residuals:
        return []
    asked = [edge for one in residuals for edge in (one.total, one.fork)]
    gradients = torch.autograd.grad(scores.sum(), asked, retain_graph=True, allow_unused=True)
    found: list[Shares | None] = []
    for one, at_sum, whole in zip(residuals, gradients[::2], gradients[1::2], strict=True):
        if at_sum is None or whole is None:
            found.append(None)
            continue
        parts = [
            _through(end, weight * at_sum, one.fork)
            for end, weight in ((one.skip, one.skip_weight), (one.branch, one.branch_weight))
        ]
        found.append(Shares(parts[0], parts[1], whole, at_sum))
    return found


def _through(end: GradientEdge, gradient: torch.Tensor, fork: GradientEdge) -> torch.Tensor:
    if end.node is fork.node and end.output_nr == fork.output_nr:
        return gradient
    (found,) = torch.autograd.grad([end], [fork], [gradient], retain_graph=True)
    return found
