"""The table of rules: what each operator does to receptive fields.

A rule takes the operation, a function that looks up the field of a tensor argument (None for one
that does not depend on the image), and whether global gates are to be passed over. It returns the
field of the first output, or one field for each output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnviz.introspection.tracing.fields import Field
from cnnviz.introspection.tracing.operation import Operation

Look = Callable[[Any], Field | None]
Found = Field | list[Field] | None
Rule = Callable[[Operation, Look, bool], Found]

RULES: dict[str, Rule] = {}
"""Every rule by the names of the operators it holds for."""


class UnknownFieldError(Exception):
    """Raised by a rule where the field cannot be told."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function in `RULES` under the names of operators."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter
