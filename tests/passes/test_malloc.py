"""A process that keeps its freed memory does not ask the system for it again."""

import os
import sys

import pytest

from cnnviz.passes import malloc
from cnnviz.passes.malloc import freed_memory_kept
from tests.helpers.processes import run_code

FAULTS = """
import resource
from contextlib import nullcontext
from pathlib import Path
from cnnviz.passes.malloc import freed_memory_kept
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
with {around}:
    for _ in range(2):
        before = faults()
        for _ in range(2):
            b"1" * (64 * 2**20)
    asked, inside = faults() - before, held()
print(asked, inside - held())
"""


def _faults(around: str, **environment: str) -> list[int]:
    cleared = {name: text for name, text in os.environ.items() if not name.startswith("MALLOC_")}
    found = run_code(FAULTS.format(around=around), environment={**cleared, **environment})
    assert found.returncode == 0, found.stderr
    return [int(number) for number in found.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone hands blocks back at once")
def test_large_blocks_are_used_again_and_given_back_at_the_end():
    plain, _ = _faults("nullcontext()")
    if plain < 4000:
        pytest.skip("this C library does not hand blocks back at once")
    asked, given_back = _faults("freed_memory_kept()")
    assert asked < plain / 20
    assert given_back > 60 * 2**20
    asked, _ = _faults("freed_memory_kept()", MALLOC_ARENA_MAX="8")
    assert asked > plain / 2


@pytest.fixture
def told(monkeypatch):
    """What glibc is told, in order."""
    told = []

    class Library:
        def mallopt(self, option, value):
            told.append((option, value))

        def malloc_trim(self, pad):
            told.append("trim")

    monkeypatch.setattr(malloc, "_glibc", Library)
    return told


def test_one_inside_another_changes_nothing(told, monkeypatch):
    held = iter([10 << 20, 42 << 20])
    monkeypatch.setattr(malloc, "_held", lambda: next(held))
    with freed_memory_kept():
        begun = list(told)
        with freed_memory_kept():
            pass
        assert told == begun
    assert told[-1] == "trim"
    assert dict(told[len(begun) : -1]) == {-1: 64 << 20, -3: 32 << 20, -4: 65536}


@pytest.mark.parametrize(
    ("before", "after", "trimmed"),
    [(90, 91, False), (90, 110, True), (90, 80, False), (0, 0, True)],
)
def test_memory_goes_back_where_there_is_much_of_it_or_nobody_knows(
    told, monkeypatch, before, after, trimmed
):
    held = iter([before << 20, after << 20])
    monkeypatch.setattr(malloc, "_held", lambda: next(held))
    with freed_memory_kept():
        pass
    assert ("trim" in told) == trimmed


def test_another_system_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with freed_memory_kept():
        assert malloc._inside == 0
