"""Which rule holds for an operation."""

from __future__ import annotations

# Importing these files enters their rules in the table.
from cnnviz.introspection.tracing import (  # noqa: F401
    rules_compute,
    rules_layout,
    rules_masked,
)
from cnnviz.introspection.tracing.operation import Operation
from cnnviz.introspection.tracing.registry import RULES, Rule

CONSTANT = frozenset(
    {
        *("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"),
        *("new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided"),
    }
)
"""Operators whose outputs do not depend on the values of their inputs."""


def find_rule(operation: Operation) -> Rule | None:
    """Return the rule of an operation, or None where none is known."""
    found = RULES.get(operation.name)
    return rules_compute.combine if found is None and operation.pointwise else found


def may_gate(operation: Operation, dependent: int) -> bool:
    """Whether one of `dependent` inputs may act as a global gate on another, or on itself."""
    return dependent > 1 or RULES.get(operation.name) in (
        rules_compute.normalise_batch,
        rules_compute.normalise_layer,
        rules_compute.normalise_groups,
    )
