"""One test of many small cases, which says of all that fail which they are.

A test of its own costs each case some milliseconds: it is collected by every worker, set up, and
reported from one process to another. Where a case takes less than that, thousands of them took
longer to hand around than to try.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]

_LONGEST = 200


def each_case(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Callable[[Any], object] | None = None
) -> Callable[[Test], Test]:
    """Try a test with each case in turn; for `pytest.mark.parametrize`, and read like it.

    Only for tests that leave nothing behind, as no fixture is made anew between two cases.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    listed = [_values(case, len(wanted)) for case in cases]
    assert listed, "there is no case"

    def decorate(test: Test) -> Test:
        @wraps(test)
        def together(**given: Any) -> None:
            failed: list[BaseException] = []
            for values in listed:
                _seed()
                try:
                    test(**given, **dict(zip(wanted, values, strict=True)))
                except (Exception, BaseExceptionGroup, pytest.fail.Exception) as error:
                    error.add_note(f"In the case {_told(values, ids)}")
                    failed.append(error)
            if len(failed) == 1:
                raise failed[0]
            if failed:
                count = f"{len(failed)} of {len(listed)} cases fail"
                raise BaseExceptionGroup(count, failed)

        read = inspect.signature(test)
        left = [one for name, one in read.parameters.items() if name not in wanted]
        together.__signature__ = read.replace(parameters=left)  # type: ignore[attr-defined]
        return together

    return decorate


def _values(case: Any, count: int) -> tuple[Any, ...]:
    if isinstance(case, type(pytest.param())):
        assert not case.marks, "a mark is of a whole test"
        return tuple(case.values)
    return (case,) if count == 1 else tuple(case)


def _seed() -> None:
    """Let what a case draws not hang on the cases before it, as `drawn_alike` does for tests."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "default_generator"):
        torch.default_generator.manual_seed(0)


def _told(values: tuple[Any, ...], ids: Callable[[Any], object] | None) -> str:
    told = ", ".join(repr(one) if ids is None else str(ids(one)) for one in values)
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"
