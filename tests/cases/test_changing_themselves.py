"""Networks whose own forward changes what they are: seen by what is there, not by a count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ModelChangedError
from cnnviz.introspection.hooks import preserve_state
from cnnviz.introspection.saved_state import SavedState
from tests.helpers.each_case import each_case
from tests.helpers.state import state

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Base(nn.Module):
    """A convolution, a batch norm and a linear layer; `change` is called in its forward."""

    def __init__(self, change: Callable[[Base], None] = lambda _: None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)
        self.change = change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.change(self)
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))


def by_data(net: Base) -> None:
    net.head.weight.data.mul_(1.25)


def one_entry(net: Base) -> None:
    net.conv.weight.data[2, 1, 0, 2] += 1.0


def other_places(net: Base) -> None:
    net.conv.weight.data.copy_(net.conv.weight.detach().flip(0))


def by_numpy(net: Base) -> None:
    view = net.norm.weight.detach().numpy()
    np.multiply(view, 2.0, out=view)


def other_memory(net: Base) -> None:
    net.head.weight.data = net.head.weight.detach() * 1.25


def other_parameter(net: Base) -> None:
    net.conv.weight = nn.Parameter(net.conv.weight.detach() * 1.25)


def other_layer(net: Base) -> None:
    net.conv = nn.Conv2d(3, 4, 3)


def no_parameter(net: Base) -> None:
    weight = net.head.weight
    del net.head.weight
    net.head.weight = weight * 1.0


WRITTEN = "wrote to its parameter"
REPLACED = "put another in the place of its"
CHANGES = [
    (by_data, f"{WRITTEN} 'head.weight'", False),
    (one_entry, f"{WRITTEN} 'conv.weight'", False),
    (other_places, f"{WRITTEN} 'conv.weight'", False),
    (by_numpy, f"{WRITTEN} 'norm.weight'", False),
    (other_memory, f"{WRITTEN} 'head.weight'", True),
    (other_parameter, f"{REPLACED} 'weight'", True),
    (other_layer, f"{REPLACED} 'conv'", True),
    (no_parameter, f"{REPLACED} 'weight'", True),
]


@pytest.mark.parametrize(
    ("change", "told", "undone"), CHANGES, ids=[each[0].__name__ for each in CHANGES]
)
def test_a_change_of_a_parameter_is_noticed_and_undone_where_it_can_be(
    change: Callable[[Base], None], told: str, undone: bool
) -> None:
    network = Base(change).train()
    before = state(network)
    with pytest.raises(ModelChangedError, match=told):
        cnnviz.capture(network, IMAGES, layers="conv", target=1)
    if undone:
        assert state(network) == before
    with pytest.raises(ModelChangedError, match=told):
        cnnviz.architecture(network, 8)


@each_case("layout", [torch.channels_last, torch.contiguous_format])
@each_case("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_of_every_type_and_layout_are_looked_at(
    layout: torch.memory_format, dtype: torch.dtype
) -> None:
    network = Base(one_entry).to(dtype=dtype).to(memory_format=layout)
    with pytest.raises(ModelChangedError, match=r"conv\.weight"), preserve_state(network):
        network(IMAGES.to(dtype))


def counts(net: Base) -> None:
    net.calls += 1.0
    net.kept.data.mul_(2.0)


def makes(net: Base) -> None:
    net.register_buffer(f"made{len(list(net.buffers()))}", torch.ones(2))
    net.part = nn.Dropout()


def chooses(net: Base) -> None:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)


ASKS: dict[str, Callable[[nn.Module], Any]] = {
    "deconvnet": lambda net: cnnviz.deconvnet(net, IMAGES[:1], "conv", channels="0"),
    "receptive_field": lambda net: cnnviz.receptive_field(net, IMAGES[:1], draws=2),
    "top_activations": lambda net: cnnviz.top_activations(net, IMAGES, "conv"),
    "cam": lambda net: cnnviz.cam(cnnviz.capture(net, IMAGES, layers="conv", target=0)),
}


@pytest.mark.parametrize("change", [counts, makes, chooses])
@pytest.mark.parametrize("ask", ASKS)
def test_buffers_parts_and_choices_are_put_back_and_nothing_else_is_written_to(
    ask: str, change: Callable[[Base], None]
) -> None:
    network = Base(change).train()
    network.register_buffer("calls", torch.zeros(1))
    network.register_buffer("kept", torch.ones(3))
    before = state(network), list(network._buffers), list(network._modules)
    versions = [each._version for each in (network.norm.running_mean, network.norm.running_var)]
    try:
        ASKS[ask](network)
        assert (state(network), list(network._buffers), list(network._modules)) == before
        assert torch.get_default_dtype() is torch.float32
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)
    now = [each._version for each in (network.norm.running_mean, network.norm.running_var)]
    assert now == versions, "what was not changed is not written to"


def fills(net: Base) -> None:
    net.seen.append(1)
    net.table["one"] = 1
    net.parts.append("one")
    net.held["two"] = 2


def test_containers_that_a_pass_fills_are_as_empty_or_full_as_before() -> None:
    network = Base(fills)
    network.seen, network.table = list[int](), dict[str, int]()
    network.parts, network.held = ["none"], {"one": 1}
    ASKS["cam"](network)
    assert (network.seen, network.table) == ([], {})
    assert (network.parts, network.held) == (["none"], {"one": 1})


class Functional(Base):
    """Calls its own layers with other parameters, as meta-learning does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        doubled = {name: value * 2.0 for name, value in self.conv.named_parameters()}
        x = torch.func.functional_call(self.conv, doubled, (x,))
        fixed = {name: value.detach().clone() for name, value in self.head.named_parameters()}
        return torch.func.functional_call(self.head, fixed, (self.norm(x).relu().mean((2, 3)),))


def test_a_layer_called_with_other_parameters_is_counted_with_its_own() -> None:
    network = Functional()
    before = state(network)
    found = cnnviz.architecture(network, 8)
    plain = cnnviz.architecture(Base(), 8)
    assert found.trace.parameters == plain.trace.parameters
    sizes = {call.name: call.parameters for call in found.trace.calls}
    assert (sizes["conv"], sizes["head"]) == (3 * 4 * 9 + 4, 4 * 3 + 3)
    cnnviz.occlusion(network, IMAGES[:1], 4, 4, target=0)
    assert state(network) == before


def test_with_no_memory_to_compare_all_at_once_every_entry_is_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Base().train()
    before = state(network)
    from cnnviz.introspection import saved_state

    joined, made = saved_state._joined, []

    def short(group: Any) -> torch.Tensor:
        if made:
            raise MemoryError
        made.append(True)
        return joined(group)

    monkeypatch.setattr(saved_state, "_joined", short)
    with preserve_state(network):
        network.train()
        network(IMAGES)
    assert state(network) == before


def test_where_one_kind_of_state_cannot_be_looked_at_the_others_are_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: SavedState) -> Any:
        raise RuntimeError("no")
        yield

    network = Base().train()
    before = state(network)
    monkeypatch.setattr(SavedState, "_container_steps", fails)

    def run() -> None:
        with preserve_state(network):
            network.norm.train()
            network(IMAGES)

    with pytest.raises(ModelChangedError, match="could not be put back: no"):
        run()
    assert state(network) == before


def test_what_begins_to_change_later_is_found_by_some_of_its_values():
    """All values are added up when a network is met; afterwards a few are compared."""
    net = Base()
    net.eval()
    for _ in range(2):
        with preserve_state(net):
            net(IMAGES)
    for change in (by_data, other_places, by_numpy, other_memory):
        net.change = change
        with pytest.raises(ModelChangedError, match="wrote to its parameter"), preserve_state(net):
            net(IMAGES)


def test_all_values_count_again_when_the_weights_are_others():
    """One entry in a thousand is none of those that are compared of a known network."""
    net = Base()
    net.head = nn.Linear(4, 1000)
    net.eval()

    def far_entry(net: Base) -> None:
        net.head.weight.data[1, 1] += 1.0

    with preserve_state(net):
        net(IMAGES)
    with torch.no_grad():
        net.head.bias.add_(1.0)
    net.change = far_entry
    with pytest.raises(ModelChangedError, match=r"'head.weight'"), preserve_state(net):
        net(IMAGES)
