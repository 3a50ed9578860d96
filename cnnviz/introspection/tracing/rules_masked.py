"""Rules where zeros shut something out: masks, kernels and matrices with zeros, masked attention.

Each gives what the rule without zeros gives, less what is multiplied by a zero that neither the
image nor a parameter can change. They are asked before the others, and answer None where nothing
is shut out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from cnnviz.introspection.tracing.fields import (
    Field,
)
from cnnviz.introspection.tracing.kept_values import Known
from cnnviz.introspection.tracing.marks import Flags
from cnnviz.introspection.tracing.masked_products import (
    blanked,
    through_attention,
    through_matrices,
)
from cnnviz.introspection.tracing.masked_windows import through_windows
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import Found, Look, UnknownFieldError, rule
from cnnviz.introspection.tracing.rules_compute import (
    FACTORS,
    combine,
    mix_along,
)


@rule("tril", "triu")
def keep_triangle(operation: Operation, look: Look, gateless: bool) -> Found:
    """One triangle of each matrix, the other zero."""
    field = look(operation["self"])
    if field is None:
        return None
    kept = operation.func(torch.ones(field.shape[-2:]), *operation.args[1:], **operation.kwargs)
    return blanked(field, kept.numpy() == 0, field.shape)


@rule("index_fill")
def fill_some(operation: Operation, look: Look, gateless: bool) -> Found:
    """Some positions of one dimension overwritten by a number."""
    field, value = look(operation["self"]), operation["value"]
    if look(operation["index"]) is not None or look(value) is not None or field is None:
        raise UnknownFieldError("where or what is written depends on the image")
    none = torch.zeros(field.shape)
    filled = operation.func(none, operation["dim"], operation["index"].cpu(), 1) != 0
    return blanked(field, filled.numpy(), field.shape)


def through_masks(operation: Operation, look: Look, gateless: bool, known: Known) -> Found:
    """Return the field of an operation some of whose inputs shut out others; else None."""
    name = operation.name
    if name in FACTORS:
        return through_matrices(operation, look, gateless, known)
    if name in ("convolution", "_convolution"):
        return through_windows(operation, look, gateless, known)
    if name in ("_softmax", "_log_softmax", "_safe_softmax"):
        return _softmax(operation, look, gateless, known)
    if name.startswith("_scaled_dot_product"):
        return through_attention(operation, look, known)
    shuts = _SHUTS.get(name)
    if shuts is None:
        return None
    return _elementwise(operation, look, gateless, shuts(operation, known))


Shut = list[tuple[Any, Flags | None]]
"""Of each operand, where it is shut out."""


def _without(kept: Flags | None) -> Flags | None:
    return None if kept is None else ~kept


def _factors(operation: Operation, known: Known) -> Shut:
    first, second = operation["self"], operation["other"]
    return [(first, _without(known.support(second))), (second, _without(known.support(first)))]


def _numerator(operation: Operation, known: Known) -> Shut:
    return [(operation["other"], _without(known.support(operation["self"])))]


def _product_added(operation: Operation, known: Known) -> Shut:
    first, second = operation["tensor1"], operation["tensor2"]
    shut = [(second, _without(known.support(first)))]
    if operation.name == "addcmul":
        shut.append((first, _without(known.support(second))))
    return shut


def _chosen(operation: Operation, known: Known) -> Shut:
    condition = known.value(operation["condition"])
    if condition is None:
        return []
    return [(operation["self"], condition == 0), (operation["other"], condition != 0)]


def _filled(operation: Operation, known: Known) -> Shut:
    mask = known.value(operation["mask"])
    return [] if mask is None else [(operation["self"], mask != 0), (operation["value"], mask == 0)]


def _between(operation: Operation, known: Known) -> Shut:
    weight = known.value(operation["weight"])
    if weight is None:
        return []
    return [(operation["self"], weight == 1), (operation["end"], weight == 0)]


def _infinite(operation: Operation, known: Known) -> Shut:
    first, second = operation["self"], operation["other"]
    found = [(first, known.value(second)), (second, known.value(first))]
    return [(one, None if other is None else np.isinf(other)) for one, other in found]


_SHUTS: dict[str, Callable[[Operation, Known], Shut]] = {
    "mul": _factors,
    "__and__": _factors,
    "bitwise_and": _factors,
    "logical_and": _factors,
    "div": _numerator,
    "addcmul": _product_added,
    "addcdiv": _product_added,
    "where": _chosen,
    "masked_fill": _filled,
    "lerp": _between,
    "add": _infinite,
    "sub": _infinite,
}


def _elementwise(operation: Operation, look: Look, gateless: bool, shut: Shut) -> Found:
    shape = tuple(operation.outputs[0].shape)
    where = {id(one): flags for one, flags in shut if flags is not None and flags.any()}
    fields = {id(one): look(one) for one, _ in shut if id(one) in where}
    left = {key: blanked(one, where[key], shape) for key, one in fields.items() if one is not None}
    if not left:
        return None
    return combine(operation, lambda one: left.get(id(one)) or look(one), gateless)


def _softmax(operation: Operation, look: Look, gateless: bool, known: Known) -> Found:
    """What is minus infinity whatever the image takes no part: it stays a weight of zero."""
    found, given = look(operation["self"]), known.blank(operation["self"])
    if found is None or given is None:
        return None
    shut, values = given
    shut = shut & np.isneginf(values)
    united = mix_along(operation, look, gateless)
    return blanked(united, shut, united.shape) if isinstance(united, Field) else None
