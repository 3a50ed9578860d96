"""How far a report has come."""

import pytest

from cnnviz.reports.progress import Steps


def test_steps_count_and_take_their_time():
    told = []
    steps = Steps(lambda *entry: told.append(entry))
    with steps.step("read", "reading"):
        pass
    steps.rest(3)
    with steps.step("draw", "drawing a", 2):
        pass
    with steps.step("draw", "drawing b"):
        pass
    steps.finish()
    assert told == [(0, 1, "reading"), (1, 4, "drawing a"), (3, 4, "drawing b"), (4, 4, "done")]
    assert list(steps.times) == ["read", "draw"]
    assert all(spent >= 0 for spent in steps.times.values())


def test_a_step_that_fails_is_not_behind():
    steps = Steps()
    with pytest.raises(ZeroDivisionError), steps.step("read", "reading"):
        raise ZeroDivisionError
    assert steps.done == 0
    assert "read" in steps.times
