"""What lists, sets and dictionaries held, compared by identity and put back."""

from __future__ import annotations

import operator
from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Any

KINDS = (list, deque, set, dict)
"""What can hold other things from one pass to the next."""
# A class derived from one of these may do more in its methods than they do, such as write to a
# file, or fail: it is read and written by theirs.
_BASES = (list, deque, set, OrderedDict, dict)


def _base(container: Any) -> Any:
    kind = type(container)
    return kind if kind in _BASES else next(one for one in _BASES if issubclass(kind, one))


def copy_entries(container: Any) -> Any:
    """Return the entries of a container, of a dictionary with their names."""
    base = _base(container)
    if issubclass(base, dict):
        return dict(base.items(container))
    return list(base.__iter__(container))


def values_of(copy: Any) -> Collection[Any]:
    """Return the values among entries."""
    found: Collection[Any] = copy.values() if isinstance(copy, dict) else copy
    return found


def same_entries(container: Any, copy: Any) -> bool:
    """Whether a container holds the very entries that were copied out of it, in their order."""
    base = _base(container)
    if base.__len__(container) != len(copy):
        return False
    if not copy:
        return True
    if issubclass(base, dict):
        return all(map(operator.is_, base.__iter__(container), copy)) and all(
            map(operator.is_, base.values(container), copy.values())
        )
    if base is set:
        return set(set.__iter__(container)) == set(copy)
    return all(map(operator.is_, base.__iter__(container), copy))


def put_back(container: Any, copy: Any) -> None:
    """Have a container hold what was copied out of it."""
    base = _base(container)
    base.clear(container)
    if base in (list, deque):
        base.extend(container, copy)
    elif base is set:
        set.update(container, copy)
    else:
        for name, entry in copy.items():
            base.__setitem__(container, name, entry)


def put_back_dict(now: dict[str, Any], held: dict[str, Any]) -> None:
    """Have a dictionary of attributes hold what it held, without emptying it where it may stay."""
    for name in now.keys() - held.keys():
        del now[name]
    if list(now) == list(held):
        now.update(held)
        return
    now.clear()
    now.update(held)
