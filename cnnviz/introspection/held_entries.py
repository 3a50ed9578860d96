"""What lists, sets and dictionaries held, compared by identity and put back."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Collection
from typing import Any

KINDS = (list, deque, set, dict)
"""What can hold other things from one pass to the next."""


def copy_entries(container: Any) -> Any:
    """Return the entries of a container, of a dictionary with their names."""
    return dict(container) if isinstance(container, dict) else list(container)


def values_of(copy: Any) -> Collection[Any]:
    """Return the values among entries."""
    found: Collection[Any] = copy.values() if isinstance(copy, dict) else copy
    return found


def same_entries(container: Any, copy: Any) -> bool:
    """Whether a container holds the very entries that were copied out of it, in their order."""
    if len(container) != len(copy):
        return False
    if not copy:
        return True
    if isinstance(container, dict):
        return all(map(operator.is_, container, copy)) and all(
            map(operator.is_, container.values(), copy.values())
        )
    if isinstance(container, set):
        return container == set(copy)
    return all(map(operator.is_, container, copy))


def put_back(container: Any, copy: Any) -> None:
    """Have a container hold what was copied out of it."""
    container.clear()
    if isinstance(container, (list, deque)):
        container.extend(copy)
    else:
        container.update(copy)


def put_back_dict(now: dict[str, Any], held: dict[str, Any]) -> None:
    """Have a dictionary of attributes hold what it held, without emptying it where it may stay."""
    for name in now.keys() - held.keys():
        del now[name]
    if list(now) == list(held):
        now.update(held)
        return
    now.clear()
    now.update(held)
