"""Ctrl-C at every line at which state is noted, changed or put back leaves nothing changed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

from cnnviz.introspection.forward import forward
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.random_draws import RandomDraws
from cnnviz.introspection.turns import one_at_a_time
from cnnviz.results.interrupts import Interrupts
from tests.helpers.ctrl_c import Presses, traced
from tests.helpers.state import state

IMAGE = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Counting(nn.Module):
    """Has a buffer, a flag and a frozen parameter to be put back, and draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.conv.bias.requires_grad_(False)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.conv(x) + torch.rand(1)


pytestmark = pytest.mark.usefixtures("heard")


def look(network: nn.Module) -> None:
    """Look at a network as views do: within contexts, the inner ones many times."""
    with isolated(network, grad=True):
        for _ in range(2):
            with (
                isolated(network, grad=False),
                RandomDraws(),
                module_hooks({"conv": network.conv}, before=lambda *_: None, after=lambda *_: None),
            ):
                forward(network, IMAGE)


def nothing_held() -> bool:
    """Whether another thread may have its turn."""
    free: list[bool] = []

    def ask() -> None:
        turn = one_at_a_time()
        free.append(turn.acquire(blocking=False))
        if free[0]:
            turn.release()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return free == [True]


def test_ctrl_c_at_every_line_that_changes_state_acts_and_leaves_nothing_changed() -> None:
    network = Counting().train()
    look(network)  # What is imported and kept on first use is there from here on.
    before = state(network)
    for line in count(1, 37):
        presses = Presses(line, "look", contexts=True)
        try:
            with traced(presses):
                look(network)
        except KeyboardInterrupt:
            assert presses.met == line
        else:
            assert presses.met < line, "that it was pressed is not forgotten"
            break
        assert state(network) == before, f"at line {line}"
        assert not torch.is_inference_mode_enabled()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert nothing_held()
    assert line > 500


def test_what_waited_acts_at_the_next_pass_and_not_at_the_end_of_all() -> None:
    network, passes = Counting(), []

    def many() -> None:
        with isolated(network, grad=False):
            for _ in range(5):
                with isolated(network, grad=False):
                    forward(network, IMAGE)
                    passes.append(1)

    first = lines_of(many, lambda: bool(passes))
    passes.clear()
    with traced(Presses(first + 5, "many", contexts=True)), pytest.raises(KeyboardInterrupt):
        many()
    assert len(passes) == 1


def lines_of(run: Callable[[], None], until: Callable[[], bool]) -> int:
    """Return how many lines of contexts `run` comes through until something is so."""
    found = [0]

    class Counts(Presses):
        def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
            super().__call__(frame, event, arg)
            if not until():
                found[0] = self.met
            return self

    with traced(Counts(0, "many", contexts=True)):
        run()
    return found[0]


class Slow:
    """A context that takes long to end, and in which Ctrl-C is pressed twice."""

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *raised: object) -> None:
        signal.raise_signal(signal.SIGINT)
        self.came = "past the first"
        Interrupts._current._since -= 2.0  # as if it had waited for two seconds
        signal.raise_signal(signal.SIGINT)
        self.came = "past the second"


def test_a_second_ctrl_c_acts_at_once_where_the_first_has_waited_long() -> None:
    slow, start = Slow(), time.monotonic()
    with pytest.raises(KeyboardInterrupt), isolated(Counting(), grad=False), slow:
        pass
    assert slow.came == "past the first"
    assert time.monotonic() - start < 10.0


def test_sigterm_waits_as_ctrl_c_does_where_it_raises() -> None:
    class StoppedError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StoppedError

    before = signal.signal(signal.SIGTERM, stop)
    reached = []

    class Ends:
        def __enter__(self) -> None:
            pass

        def __exit__(self, *raised: object) -> None:
            signal.raise_signal(signal.SIGTERM)
            reached.append(True)

    try:
        with pytest.raises(StoppedError), isolated(Counting(), grad=False), Ends():
            pass
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)
    assert reached


def test_in_another_thread_no_handler_is_touched() -> None:
    seen = []

    def run() -> None:
        with isolated(Counting(), grad=False):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
