"""One operation of a forward pass as the dispatcher sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from cnnviz.introspection.operator_kinds import is_pointwise

_REPLACING = frozenset({"copy", "fill", "zero"})
_DRAWING = frozenset(
    {
        *("bernoulli", "normal", "uniform", "random"),
        *("exponential", "cauchy", "log_normal", "geometric"),
    }
)


@dataclass(frozen=True, eq=False)
class Operation:
    """A call of an operator with its arguments and what it returned.

    Attributes
    ----------
    func : torch._ops.OpOverload
        The operator.
    args, kwargs
        What it was called with.
    result
        What it returned.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    @cached_property
    def name(self) -> str:
        """The operator's name, without the underscore that marks an in-place one."""
        name: str = self.func.overloadpacket.__name__
        if self.func.namespace != "aten":
            return f"{self.func.namespace}::{name}"
        return name[:-1] if name.endswith("_") and not name.startswith("__") else name

    @cached_property
    def values(self) -> dict[str, Any]:
        """Every argument by its name in the schema, defaults included."""
        found = dict(self.kwargs)
        for position, argument in enumerate(self.func._schema.arguments):
            if position < len(self.args):
                found[argument.name] = self.args[position]
            elif argument.name not in found:
                found[argument.name] = (
                    argument.default_value if argument.has_default_value() else None
                )
        return found

    @cached_property
    def outputs(self) -> list[torch.Tensor]:
        """The tensors returned, in order."""
        return list(tensors(self.result))

    @cached_property
    def inputs(self) -> list[torch.Tensor]:
        """The tensors read, in order; an `out=` tensor is none of them."""
        written = self.kwargs.get("out")
        return [tensor for tensor in tensors((self.args, self.kwargs)) if tensor is not written]

    @property
    def writes(self) -> bool:
        """Whether it writes to one of its arguments."""
        return bool(self.func._schema.is_mutable)

    @property
    def overwritten(self) -> torch.Tensor | None:
        """What it writes to without having read it, if there is such a tensor."""
        whole = self.name in _REPLACING or (self.writes and self.name in _DRAWING)
        found = self.args[0] if whole and self.args else None
        return found if isinstance(found, torch.Tensor) else None

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers."""
        return torch.Tag.nondeterministic_seeded in self.func.tags

    @property
    def pointwise(self) -> bool:
        """Whether every element of the output depends on the same element of the inputs."""
        return is_pointwise(self.func)

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def pair(self, name: str, count: int) -> tuple[int, ...]:
        """Return an argument that holds one number for each spatial dimension, or one for all."""
        value = self[name]
        if isinstance(value, int):
            return (value,) * count
        found = tuple(int(entry) for entry in value or ())
        return found * count if len(found) == 1 else found


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors inside nested tuples, lists, mappings and dataclass-like outputs."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from tensors(entry)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for entry in value:
            yield from tensors(entry)
    elif hasattr(value, "__dict__") and hasattr(value, "__dataclass_fields__"):
        yield from tensors(vars(value))
