"""A fault at any call of a network or a hook leaves the network and the process as they were.

For every view of the table that looks at a network: it is run once in peace, which tells how often
the network is called; then again, with a fault amid all calls and at the last. The laws
(`cnnviz.testing`) have the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest
import torch
from torch import nn

from cnnviz.introspection import hooks
from cnnviz.results.result import Result
from cnnviz.testing.state import differences, network_state
from cnnviz.testing.trial import images, mixed_network
from cnnviz.views import VIEWS, View
from tests.helpers import brief_views
from tests.helpers.same_json import difference

FAULTS: tuple[Callable[[], BaseException], ...] = (
    lambda: RuntimeError("a fault of its own"),
    lambda: KeyboardInterrupt(),
    lambda: MemoryError(),
    lambda: torch.OutOfMemoryError("CUDA out of memory"),
    lambda: SystemExit(7),
)
BRIEF: dict[str, dict[str, Any]] = {
    **brief_views.BRIEF,
    "explanations": {"methods": ["gradcam", "saliency"], "checks": ["drop"]},
    "faithfulness": {"steps": 2, "stages": 1, "baselines": ["mean"], "random": 1},
    "invariance": {"steps": 3},
    "loss_landscape": {"points": 3},
    "challenges": {"steps": 2},
    "feature_visualization": {"units": "3:0", "steps": 2, "size": 16},
    "receptive_field": {"draws": 1},
    "gradient_whiteness": {"points": 4, "lines": 1},
    "augmentation": {"draws": 2},
}
TRAINS = ("transfer_learning",)
"""Trains for seconds, on copies; the laws try it."""
OF_NETWORKS = [
    view for view in VIEWS if view.needs in ("model", "capture") and view.name not in TRAINS
]


class Fault:
    """Raises at the n-th time that it is asked, and counts."""

    def __init__(self, at: int, make: Callable[[], BaseException]) -> None:
        self.met = 0
        self._at, self._make = at, make
        self.raised: BaseException | None = None

    def __call__(self) -> None:
        self.met += 1
        if self.met == self._at:
            self.raised = self._make()
            raise self.raised


def run(view: View, network: nn.Module) -> Result:
    # How photos are prepared for it is said: a size that is tried, and fails, is passed over.
    return brief_views.BriefTrial(view, BRIEF.get(view.name, {})).run(network, images())


@contextmanager
def in_the_network(fault: Fault) -> Iterator[nn.Module]:
    """Yield a network amid training whose middle layer calls the fault each time."""
    network = mixed_network()
    plain = nn.Conv2d.forward

    def forward(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        fault()
        return plain(layer, x)

    nn.Conv2d.forward = forward  # type: ignore[method-assign]
    try:
        yield network
    finally:
        nn.Conv2d.forward = plain  # type: ignore[method-assign]


@contextmanager
def in_hooks(fault: Fault) -> Iterator[nn.Module]:
    """Yield a network, and let each hook that is called on it call the fault first."""
    before, after = hooks._before_hook, hooks._after_hook

    def faulty(make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any) -> Any:
            hook = make(*given)

            def called(*args: Any) -> Any:
                fault()
                return hook(*args)

            return called

        return made

    hooks._before_hook, hooks._after_hook = faulty(before), faulty(after)
    try:
        yield mixed_network()
    finally:
        hooks._before_hook, hooks._after_hook = before, after


@contextmanager
def in_freezing(fault: Fault) -> Iterator[nn.Module]:
    """Yield a network, and call the fault when a part of its parameters is frozen."""
    freeze = hooks._freeze

    def frozen(parameters: Any) -> None:
        freeze(parameters[:2])
        fault()
        freeze(parameters)

    hooks._freeze = frozen
    try:
        yield mixed_network()
    finally:
        hooks._freeze = freeze


def in_peace(view: View, places: Callable[[Fault], Any]) -> tuple[int, Any]:
    """Return how often a fault could come up, and the JSON of what is found without any."""
    fault = Fault(0, MemoryError)
    with places(fault) as network:
        found = run(view, network)
    return fault.met, found.to_json()


PLACES = (in_the_network, in_hooks, in_freezing)
# Each view has one place and one fault; over all views each pair of them comes up.
TURNS = list(zip(OF_NETWORKS, cycle(PLACES), cycle(FAULTS), strict=False))


@pytest.mark.parametrize(
    ("view", "place", "make"),
    TURNS,
    ids=[f"{view.name} {place.__name__}" for view, place, _ in TURNS],
)
def test_a_fault_at_any_call_leaves_everything_as_it_was(
    view: View, place: Callable[[Fault], Any], make: Callable[[], BaseException]
) -> None:
    calls, whole = in_peace(view, place)
    for at in sorted({calls // 2, calls} - {0}):
        fault = Fault(at, make)
        with place(fault) as network:
            before, ended, found = network_state(network), None, None
            try:
                found = run(view, network).to_json()
            except BaseException as error:
                ended = error
        assert fault.raised is not None
        assert ended is None or fault.raised in causes(ended), f"{ended!r} at call {at}"
        if isinstance(fault.raised, KeyboardInterrupt):
            assert ended is not None, f"it goes on at call {at}"
        # A pass may be made again, in another way or with fewer images; what is left out is told.
        if found is not None and type(fault.raised).__name__ not in json.dumps(found):
            assert not difference(found, whole), f"at call {at} of {calls}, and it is not told"
        changed = differences(before, network_state(network))
        assert not changed, f"at call {at} of {calls}"


def causes(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
