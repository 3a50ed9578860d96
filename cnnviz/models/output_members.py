"""What an output is made of, and which of its members is explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from cnnviz.errors import TargetError, did_you_mean
from cnnviz.results.text import kind_of

if TYPE_CHECKING:
    from cnnviz.models.model import Model

_KNOWN_NAMES = ("logits", "out")


def describe(output: Any) -> str:
    """Say in a few words what a network or layer returned."""
    if isinstance(output, torch.Tensor):
        return "a nested tensor" if output.is_nested else f"a tensor {list(output.shape)}"
    named = named_entries(output)
    if named:
        return f"{kind_of(output)} with {', '.join(map(repr, named))}"
    if isinstance(output, (tuple, list)):
        return f"{kind_of(output)} of {len(output)}"
    return kind_of(output)


def named_entries(output: Any) -> dict[str, Any]:
    """Return what an output holds by name: a mapping, a named tuple or a dataclass."""
    if isinstance(output, Mapping):
        return {str(key): value for key, value in output.items()}
    names = getattr(output, "_fields", None) or getattr(output, "__dataclass_fields__", None)
    return {str(name): getattr(output, name) for name in names} if names else {}


def _entries(output: Any) -> dict[str, Any]:
    named = named_entries(output)
    if named or not isinstance(output, (tuple, list)):
        return named
    return {str(place): entry for place, entry in enumerate(output)}


def members(output: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor of floating-point numbers inside an output, with its path."""
    if isinstance(output, torch.Tensor):
        if output.is_floating_point() and output.ndim:
            yield path, output
        return
    for name, entry in _entries(output).items():
        yield from members(entry, f"{path}.{name}" if path else name)


def member_of(output: Any, path: str) -> torch.Tensor:
    """Return the member of an output at a path such as ``logits``, ``1`` or ``heads.age``.

    Raises
    ------
    TargetError
        There is none, or it is no tensor.
    """
    found = output
    for part in path.split("."):
        entries = {} if isinstance(found, torch.Tensor) else _entries(found)
        if part not in entries:
            known = [name for name, _ in members(output) if name]
            choose = f"Choose {', '.join(known)}."
            raise TargetError(
                f"The network returns {describe(output)}, which has no member {path!r}.",
                did_you_mean(path, known, choose if known else "Leave member= out."),
                option=did_you_mean(path, known, choose if known else "Leave --member out."),
            )
        found = entries[part]
    if not isinstance(found, torch.Tensor):
        raise TargetError(
            f"The member {path!r} of what the network returns is {describe(found)}.",
            "Name one tensor in it: member= takes a path such as heads.age.",
            option="Name one tensor in it: --member takes a path such as heads.age.",
        )
    return found


def chosen_member(model: Model, output: Any) -> tuple[str, tuple[str, ...]]:
    """Return which member is taken, and which others could be.

    That is the one declared; one called ``logits`` or ``out``; the only one; the only one that has
    as many columns as there are class names; the only one that all the others are steps towards;
    or in a tuple the first.
    """
    every = dict(members(output))
    found = {name: tensor for name, tensor in every.items() if tensor.ndim > 1} or every
    if model.member is not None:
        member_of(output, model.member)
        return model.member, ()
    best = _called(found) or _best(model, found)
    if best is None and isinstance(output, (tuple, list)):
        # Lists inside a list are one for each image, more likely than not.
        best = next((name for name in found if "." not in name), None)
    if best is not None:
        return best, tuple(name for name in found if name != best)
    remedy = option = "Wrap it in a module that returns the logits, as one tensor [N, classes]."
    if found:
        known = ", ".join(found)
        remedy = f"Say which member is meant, with member=, of {known}."
        option = f"Say which member is meant, with --member, of {known}."
    raise TargetError(
        f"The network returns {describe(output)}, in which no class scores can be told apart.",
        remedy,
        option=option,
    )


def _called(found: Mapping[str, torch.Tensor]) -> str | None:
    for known in _KNOWN_NAMES:
        named = [name for name in found if name.rpartition(".")[2] == known]
        if known in named:
            return known
        if len(named) == 1:
            return named[0]
    return None


def _best(model: Model, found: Mapping[str, torch.Tensor]) -> str | None:
    if len(found) == 1:
        return next(iter(found))
    if model.categories is not None:
        count = len(model.categories)
        fitting = [n for n, one in found.items() if one.ndim > 1 and one.shape[1] == count]
        if len(fitting) == 1:
            return fitting[0]
    last = [name for name in found if not _leads_on(found[name], found, name)]
    return last[0] if len(last) == 1 else None


def _leads_on(tensor: torch.Tensor, found: Mapping[str, torch.Tensor], name: str) -> bool:
    """Whether another member was computed from this one, as far as there is a graph to tell."""
    if tensor.grad_fn is None:
        return False
    return any(
        _comes_from(other.grad_fn, tensor.grad_fn)
        for n, other in found.items()
        if n != name and other.grad_fn is not None and other.grad_fn is not tensor.grad_fn
    )


def _comes_from(later: Any, earlier: Any) -> bool:
    seen, stack = {later}, [later]
    while stack:
        for node, _ in stack.pop().next_functions:
            if node is earlier:
                return True
            if node is not None and node not in seen:
                seen.add(node)
                stack.append(node)
    return False
