"""Findings are kept for a network that stays as it is, and for no other."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.network_cache import NetworkCache, fingerprint
from cnnviz.introspection.tracing import Trace, trace

SHAPE = (3, 12, 12)


class Net(nn.Module):
    """Has of everything that a path may depend on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.gate = nn.Parameter(torch.ones(()))
        self.register_buffer("on", torch.ones(()))
        self.act: Any = F.relu
        self.plan: Any = [1, {"deep": (2, 3)}]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found = self.act(self.norm(self.first(inputs)))
        # Data decide the path.
        if float(self.gate.detach()) > 0.0 and float(self.on) > 0.0:
            found = found + self.second(found)
        for _ in range(self.plan[0]):
            found = F.max_pool2d(found, 2)
        output: torch.Tensor = found
        return output


@pytest.fixture
def network() -> Net:
    return Net().eval()


def plain(found: Trace) -> str:
    return repr(found)


def test_a_trace_is_made_once_and_is_the_same_as_one_of_a_copy(network: Net) -> None:
    first = trace(network, SHAPE)
    assert trace(network, SHAPE) is first
    # A network in training mode runs in evaluation all the same.
    assert trace(network.train(), SHAPE) is first
    assert plain(trace(copy.deepcopy(network), SHAPE)) == plain(first)
    assert trace(network, (3, 16, 16)).input_shape == (1, 3, 16, 16)
    assert trace(network, SHAPE) is first


def swap_layer(network: Net) -> None:
    network.second = nn.Conv2d(4, 4, 5, padding=2)


def swap_layer_of_the_same_form(network: Net) -> None:
    network.second = nn.Conv2d(4, 4, 3, padding=1)


def swap_weight(network: Net) -> None:
    network.second.weight = nn.Parameter(torch.zeros(4, 4, 3, 3))


def close_the_gate(network: Net) -> None:
    with torch.no_grad():
        network.gate.fill_(-1.0)


def close_the_buffer(network: Net) -> None:
    network.on.zero_()


def change_the_stride(network: Net) -> None:
    network.first.stride = (2, 2)


def change_the_function(network: Net) -> None:
    network.act = torch.tanh


def change_the_options_of_a_function(network: Net) -> None:
    network.act = partial(F.leaky_relu, negative_slope=0.2)


def change_inside_a_list(network: Net) -> None:
    network.plan[0] = 2


def change_the_class(network: Net) -> None:
    class Other(Net):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.first(inputs)
            return output

    network.__class__ = Other


def parametrise(network: Net) -> None:
    parametrizations.weight_norm(network.first)


def widen(network: Net) -> None:
    network.double()


def lay_out_otherwise(network: Net) -> None:
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def add_a_layer(network: Net) -> None:
    network.third = nn.Conv2d(4, 2, 1)


def hook(network: Net) -> None:
    network.first.register_forward_hook(lambda *given: given[2] * 2.0)


CHANGES: list[Callable[[Net], None]] = [
    swap_layer,
    swap_layer_of_the_same_form,
    swap_weight,
    close_the_gate,
    close_the_buffer,
    change_the_stride,
    change_the_function,
    change_the_options_of_a_function,
    change_inside_a_list,
    change_the_class,
    parametrise,
    widen,
    lay_out_otherwise,
    add_a_layer,
    hook,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_network_is_traced_anew(network: Net, change: Callable[[Net], None]) -> None:
    before = trace(network, SHAPE)
    change(network)
    found = trace(network, SHAPE)
    assert found is not before
    # What a network says that was never traced before.
    assert plain(found) == plain(trace(copy.deepcopy(network), SHAPE))


def test_what_is_put_in_the_place_of_something_gone_is_not_taken_for_it(network: Net) -> None:
    seen = set()
    before = fingerprint(network)
    for tried in range(1, 501):
        # The same form each time, and sooner or later at the address of one that is gone.
        network.second = nn.Conv2d(4, 4, 3, padding=1)
        seen.add(id(network.second))
        assert fingerprint(network) != before
        before = fingerprint(network)
        if len(seen) < tried > 20:
            break
    assert len(seen) < tried, "no address came again, so that nothing was tried"


def test_training_a_step_counts_for_values_and_not_for_the_form(network: Net) -> None:
    form, whole = fingerprint(network, values=False), fingerprint(network)
    assert (form, whole) == (fingerprint(network, values=False), fingerprint(network))
    network.train()(torch.randn(2, *SHAPE)).sum().backward()
    torch.optim.SGD(network.parameters(), 0.1).step()
    assert fingerprint(network, values=False) == form
    assert fingerprint(network) != whole


def test_a_network_that_counted_a_call_is_found_anew() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)
            self.calls = 0

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            found = self.conv(inputs)
            return found if self.calls % 2 else self.conv(found[:, :1].expand(-1, 3, -1, -1))

    network = Counting()
    assert len(trace(network, SHAPE).calls) == 1
    assert network.calls == 0, "a trace is no call"
    network(torch.randn(1, *SHAPE))
    assert len(trace(network, SHAPE).calls) == 2


def test_hooks_make_another_form_and_leave_nothing_to_say_of_values(network: Net) -> None:
    before = fingerprint(network, values=False)
    handle = network.first.register_forward_hook(lambda *_: None)
    hooked = fingerprint(network, values=False)
    assert hooked is not None
    assert hooked != before
    assert hooked == fingerprint(network, values=False)
    assert fingerprint(network) is None
    handle.remove()
    assert fingerprint(network, values=False) == before


def opaque(network: Net) -> None:
    network.plan.append(object())


def closed_over(network: Net) -> None:
    slope = iter([0.1])
    network.act = lambda values: F.leaky_relu(values, next(slope, 0.1))


def hidden_module(network: Net) -> None:
    network.plan.append(nn.Linear(2, 2))


def around_itself(network: Net) -> None:
    network.plan.append(network.plan)


@pytest.mark.parametrize("change", [opaque, closed_over, hidden_module, around_itself, hook])
def test_what_cannot_be_compared_is_never_kept(network: Net, change: Callable[[Net], None]) -> None:
    change(network)
    assert fingerprint(network) is None
    assert trace(network, SHAPE) is not trace(network, SHAPE)


class Coder:
    """What a network may hold beside its modules, as detectors hold the coder of their boxes."""

    slope = 0.1

    def __init__(self) -> None:
        self.weights = [1.0, 2.0]


def test_what_a_plain_object_holds_is_compared(
    network: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.coder = Coder()
    before = fingerprint(network)
    assert before is not None
    assert fingerprint(network) == before
    network.coder.weights[1] = 3.0
    changed = fingerprint(network)
    assert changed != before
    monkeypatch.setattr(Coder, "slope", 0.2)
    assert fingerprint(network) not in (changed, before)
    network.coder.hidden = nn.Linear(2, 2)
    assert fingerprint(network) is None


def test_what_a_closure_holds_is_compared(network: Net) -> None:
    times = [1]

    def act(values: torch.Tensor) -> torch.Tensor:
        for _ in range(times[0]):
            values = network.norm(values)
        return values

    network.act = act
    before = trace(network, SHAPE)
    assert trace(network, SHAPE) is before
    times[0] = 2
    found = trace(network, SHAPE)
    assert len(found.calls) == len(before.calls) + 1


def test_nothing_is_kept_under_a_mode_or_hooks_of_the_whole_process(network: Net) -> None:
    with FunctionMode():
        assert fingerprint(network) is None
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        assert fingerprint(network) is None
    finally:
        handle.remove()
    assert fingerprint(network) is not None


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_does_not_tell_what_it_computes() -> None:
    assert fingerprint(nn.Sequential(torch.jit.script(nn.Linear(2, 2)))) is None


def test_autocast_and_the_image_itself_are_traced_by_themselves(network: Net) -> None:
    by_shape = trace(network, SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        half = trace(network, SHAPE)
    assert half.activation_bytes < by_shape.activation_bytes
    assert trace(network, SHAPE) is by_shape
    assert trace(network, torch.zeros(1, *SHAPE)) is not by_shape


@pytest.mark.usefixtures("only_new_garbage")
def test_memory_is_released_with_the_network() -> None:
    cache: NetworkCache[Any] = NetworkCache(values=True)
    network = Net()
    network.extra = nn.Conv2d(1, 1, 1)
    found = cache.get(network, "question", lambda: nn.Linear(1, 1))
    watched = [ref(network), ref(network.extra), ref(network.gate), ref(found)]
    assert cache.get(network, "question", lambda: None) is found
    # What was taken out of the network goes as well, before the network does.
    del network.extra
    gc.collect()
    assert watched[1]() is None
    del network, found
    gc.collect()
    assert [one() for one in watched] == [None] * 4


def test_only_the_latest_findings_are_kept(network: Net) -> None:
    cache: NetworkCache[int] = NetworkCache(values=True)
    asked: list[int] = []

    def find(question: int) -> int:
        asked.append(question)
        return question

    for question in [*range(10), 9, 0]:
        assert cache.get(network, question, partial(find, question)) == question
    assert asked == [*range(10), 0]
