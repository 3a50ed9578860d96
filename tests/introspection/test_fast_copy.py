"""A fast copy gives what the network gives, or is not made."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from cnnviz.introspection.fast_copy import (
    Checked,
    FastCopy,
    NoFastCopyError,
    UnsoundFoldError,
    weight_digest,
)
from cnnviz.introspection.fast_copy.folding import can_fold
from cnnviz.introspection.fast_copy.layers import Computed
from cnnviz.introspection.fast_copy.packed import packs
from cnnviz.introspection.hooks import isolated, module_hooks
from tests.helpers.each_case import each_case
from tests.helpers.foldable_networks import RandomGraph, trained
from tests.helpers.state import state

SIDE = 12


def call(network: nn.Module, images: torch.Tensor) -> Any:
    return network(images)


def images(count: int = 2, dtype: torch.dtype = torch.float32, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, SIDE, SIDE, generator=generator).to(dtype)


def made(network: nn.Module, inputs: torch.Tensor) -> tuple[FastCopy, Checked]:
    copy = FastCopy(network)
    return copy, copy.check(network, inputs, call)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-30))


def answers(
    network: nn.Module, copy: FastCopy, inputs: torch.Tensor, keeps: tuple[str, ...] = ()
) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        expected = network(inputs.clone())
    with isolated(copy.module, grad=False), copy.folding(inputs, keeps):
        return expected, copy.module(inputs.clone())


def gradients(run: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    leaf = inputs.clone().requires_grad_()
    output = run(leaf.clone())
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad((output * weights).sum(), leaf)[0]


@settings(max_examples=36, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_copy_of_any_graph_computes_the_same_in_double_precision(seed: int) -> None:
    network = RandomGraph(seed).double()
    inputs = images(dtype=torch.float64)
    copy, checked = made(network, inputs)
    other = torch.randn(3, 3, SIDE, SIDE, dtype=torch.float64)
    expected, found = answers(network, copy, other)
    assert checked.pairs["head"] == "last"
    assert apart(expected, found) < 1e-12
    with isolated(copy.module, grad=True), copy.folding(other):
        slope = gradients(copy.module, other)
    assert apart(gradients(network.requires_grad_(False), other), slope) < 1e-11


@settings(max_examples=16, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_copy_of_any_graph_computes_the_same_in_single_precision(seed: int) -> None:
    network = RandomGraph(seed)
    copy, _ = made(network, images())
    for count in (1, 3):
        expected, found = answers(network, copy, torch.randn(count, 3, SIDE, SIDE))
        assert apart(expected, found) < 1e-5


def block(*further: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), *further)


@each_case(
    ("layer", "norm", "shape"),
    [
        (nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6), (3, 12)),
        (nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d(6), (4, 12, 12)),
        (nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4, affine=False), (2, 6, 6, 6)),
        (nn.ConvTranspose1d(4, 6, 3, groups=2), nn.BatchNorm1d(6), (4, 12)),
        (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), nn.BatchNorm2d(6), (4, 8, 8)),
        (nn.ConvTranspose3d(2, 4, 3, bias=False), nn.BatchNorm3d(4), (2, 6, 6, 6)),
        (nn.Linear(7, 5), nn.BatchNorm1d(5), (7,)),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_kind_of_layer_takes_its_norm_in(
    layer: nn.Module, norm: nn.Module, shape: tuple[int, ...]
) -> None:
    network = trained(nn.Sequential(layer, norm)).double()
    inputs = torch.randn(2, *shape, dtype=torch.float64)
    copy, checked = made(network, inputs)
    assert checked.pairs == {"0": "1"}
    assert apart(*answers(network, copy, inputs)) < 1e-12


class Read(nn.Module):
    """A convolution whose output is read by its norm, and by something else as well."""

    def __init__(self, how: Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.other, self.own = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.how = how
        trained(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.conv(x)
        after = self.norm(before)
        return self.own(self.other(self.how(self, before, after)))


READERS: dict[str, Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "a sum": lambda n, before, after: before + after,
    "a view": lambda n, before, after: (
        before.view(len(before), 4, -1).mean(2)[..., None, None] + after
    ),
    "the module": lambda n, before, after: n.norm(before) + functional.relu(before),
    "another norm": lambda n, before, after: n.own(before) + after,
    "in place": lambda n, before, after: before.mul_(2.0) + after,
    "its data": lambda n, before, after: before.detach() * 0.1 + after,
    "the answer": lambda n, before, after: torch.stack([before, after]).amax(0),
    "called again": lambda n, before, after: (
        after[:, :3].mean() + n.conv(after[:, :3]).mean() + after
    ),
}


@each_case("how", READERS)
def test_nothing_is_folded_into_what_something_else_reads(how: str) -> None:
    network = Read(READERS[how]).double()
    inputs = images(dtype=torch.float64)
    copy, checked = made(network, inputs)
    assert checked.pairs == {"other": "own"} or how == "another norm"
    assert "conv" not in checked.pairs
    assert apart(*answers(network, copy, inputs)) < 1e-12


def test_an_answer_that_is_the_convolution_itself_is_not_folded() -> None:
    class Both(Read):
        def forward(self, x: torch.Tensor) -> Any:
            before = self.conv(x)
            return before, self.own(self.other(self.norm(before)))

    network = Both(READERS["a sum"]).double()
    _, checked = made(network, images(dtype=torch.float64))
    assert dict(checked.pairs) == {"other": "own"}


def test_a_weight_that_is_used_as_such_is_the_network_s() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.same = (
                nn.Conv2d(3, 3, 3, padding=1),
                nn.BatchNorm2d(3),
                nn.Conv2d(3, 3, 3, padding=1),
            )
            self.same.weight = self.conv.weight
            trained(self)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm(self.conv(x))
            return (
                self.same(functional.conv2d(y, self.conv.weight, padding=1)) + self.norm.weight[0]
            )

    network = Tied().double()
    inputs = images(dtype=torch.float64)
    copy, checked = made(network, inputs)
    assert dict(checked.pairs) == {"conv": "norm"}
    assert apart(*answers(network, copy, inputs)) < 1e-12


def test_shared_layers_and_layers_in_lists_and_bound_methods_are_the_copy_s() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
            self.again = self.norm
            self.steps = [self.body, (self.norm, {"last": self.body})]
            self.run = self.once
            trained(self)

        def once(self, x: torch.Tensor) -> torch.Tensor:
            return self.steps[1][0](self.steps[0](x))  # type: ignore[index,operator]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.again(self.steps[1][1]["last"](self.run(x)))  # type: ignore[index]

    network = Held().double()
    inputs = images(dtype=torch.float64)
    copy, checked = made(network, inputs)
    assert dict(checked.pairs) == {"body": "norm"}
    assert copy.module.steps[0] is copy.module.body  # type: ignore[index]
    assert copy.module.run.__self__ is copy.module  # type: ignore[union-attr]
    assert apart(*answers(network, copy, inputs)) < 1e-12


def heard(network: nn.Module, names: list[str], inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        found[name] = output.clone()

    modules = {name: network.get_submodule(name) for name in names}
    with isolated(network, grad=False), module_hooks(modules, after=keep):
        network(inputs)
    return found


@pytest.mark.parametrize("keeps", [(), ("0",), ("0", "3")])
def test_layers_give_under_their_names_what_those_of_the_network_give(
    keeps: tuple[str, ...],
) -> None:
    network = trained(block(nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6))).double()
    inputs = images(dtype=torch.float64)
    copy, checked = made(network, inputs)
    assert dict(checked.pairs) == {"0": "1", "3": "4"}
    names = ["1", "2", "4", *keeps]
    expected = heard(network, names, inputs)
    with copy.folding(inputs, keeps):
        found = heard(copy.module, names, inputs)
    assert all(apart(expected[name], found[name]) < 1e-12 for name in names)


def test_what_is_read_against_expectation_is_nan_and_told() -> None:
    class Turns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x)
            return y if len(x) > 2 else self.norm(y)

    network = trained(Turns()).double()
    copy, _ = made(network, images(dtype=torch.float64))
    with pytest.raises(UnsoundFoldError):
        answers(network, copy, images(3, torch.float64))


def _by_values(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.body(x) if float(x.mean()) > -10 else n.body(-x)


def _random(n: Any, x: torch.Tensor) -> torch.Tensor:
    return n.body(x + torch.randn_like(x))


class Fuses(nn.Sequential):
    """Changes its weights for eval mode, in place."""

    def train(self, mode: bool = True) -> Fuses:
        if self.training and not mode:
            with torch.no_grad():
                self[0].weight.mul_(2.0)  # type: ignore[union-attr,operator]
        super().train(mode)
        return self


def _fusing() -> nn.Module:
    return Fuses(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


OUTSIDE = trained(block())


class Odd(nn.Module):
    def __init__(self, how: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.body, self.how = block(), how
        trained(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.how(self, x)


def _in_a_closure() -> nn.Module:
    network = Odd(_random)
    body = network.body
    network.how = lambda n, x: body(x)
    return network


def _hooked() -> nn.Module:
    network = block()
    network[0].register_forward_hook(lambda *_: None)
    return network.eval()


@each_case(
    ("network", "why"),
    [
        (Odd(_by_values), "goes by values"),
        (Odd(_random), "draws random"),
        (_in_a_closure(), "holds something of its own"),
        (_hooked(), "hooks"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3)), "nothing in it"),
        (block().half(), "float16"),
        (_fusing(), "set a flag"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_network_of_which_it_cannot_be_told_has_no_copy(network: nn.Module, why: str) -> None:
    inputs = images().to(next(network.parameters()).dtype)
    with pytest.raises(NoFastCopyError, match=why):
        made(network, inputs)


@pytest.mark.filterwarnings(
    "ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning"
)
def test_torchscript_has_no_copy() -> None:
    network = nn.Sequential(torch.jit.script(block().eval()))
    with pytest.raises(NoFastCopyError, match="TorchScript"):
        FastCopy(network)


def test_a_network_that_calls_its_own_layers_from_outside_has_no_copy() -> None:
    network = Odd(lambda n, x: OUTSIDE(x))
    network.body = OUTSIDE
    with pytest.raises(NoFastCopyError, match="reached in another way"):
        made(network, images())


def test_a_view_that_packed_maps_do_not_allow_leaves_the_folds() -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = block(nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 3))
            self.head = nn.Linear(6 * (SIDE - 4) ** 2, 3)
            trained(self)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(x).view(len(x), -1))

    network = Viewed()
    copy, checked = made(network, images())
    assert dict(checked.pairs) == {"body.0": "body.1"}
    assert not checked.packs
    assert apart(*answers(network, copy, images(3))) < 1e-5


def test_the_network_comes_out_as_it_went_in_and_its_memory_is_shared() -> None:
    network = block(nn.Dropout(), nn.Conv2d(6, 4, 1))
    network.train()
    network[0].weight.requires_grad_(False)
    before = state(network)
    copy, _ = made(network, images())
    with isolated(copy.module, grad=True), copy.folding(images()):
        gradients(copy.module, images())
    assert state(network) == before
    assert copy.module[3] is not network[3]  # type: ignore[index]
    owned = zip(network.parameters(), copy.module.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in owned)
    assert not any(parameter.requires_grad for parameter in copy.module.parameters())


@pytest.mark.usefixtures("only_new_garbage")
def test_its_memory_is_told_and_freed_with_it() -> None:
    network = trained(block()).double()
    copy, _ = made(network, images(dtype=torch.float64))
    assert copy.bytes == (6 * 3 * 9 + 6) * 8
    module = weakref.ref(copy.module)
    del copy
    gc.collect()
    assert module() is None


@pytest.mark.skipif(not packs(), reason="this machine packs no weights")
def test_what_was_packed_is_not_kept_twice_and_made_anew_where_it_is_needed() -> None:
    network = trained(nn.Sequential(*block(), nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)))
    inputs = images()
    copy, checked = made(network, inputs)
    assert checked.packs
    assert dict(checked.pairs) == {"0": "1", "3": "4"}
    assert copy.bytes == (6 * 3 * 9 + 6 * 6) * 4
    with isolated(copy.module, grad=True), copy.folding(inputs):
        slope = gradients(copy.module, inputs)
    assert copy.bytes > (6 * 3 * 9 + 6 * 6) * 4
    assert apart(gradients(network.requires_grad_(False), inputs), slope) < 1e-5


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a network of a test count as a large one, whose weights are not all read each time."""
    monkeypatch.setattr(weight_digest, "_FEW", 0)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("place", [(2,), (slice(None), 1), (slice(None), slice(None), 1, 1)])
def test_a_filter_or_channel_that_was_written_to_through_data_is_noticed(
    thorough: bool, place: tuple[Any, ...]
) -> None:
    network = trained(block())
    copy, _ = made(network, images())
    assert copy.same_weights(thorough=thorough)
    network[0].weight.data[place] = 0.0
    assert not copy.same_weights(thorough=thorough)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
def test_a_norm_that_was_written_to_through_data_is_noticed(name: str) -> None:
    network = trained(block())
    copy, _ = made(network, images())
    getattr(network[1], name).data[3] += 0.01
    assert not copy.same_weights(thorough=False)


@pytest.mark.parametrize("few", [0, 1 << 20])
def test_one_weight_that_was_written_to_is_noticed_by_the_thorough_check(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_digest, "_FEW", few)
    network = trained(block(nn.Conv2d(6, 64, 3)))
    copy, _ = made(network, images())
    network[3].weight.data[13, 2, 0, 2] += 0.01
    assert not copy.same_weights(thorough=not few)


class _OwnConv(nn.Conv2d):
    pass


class _OwnNorm(nn.BatchNorm2d):
    pass


@pytest.mark.parametrize(("conv", "norm"), [(_OwnConv, nn.BatchNorm2d), (nn.Conv2d, _OwnNorm)])
def test_neither_of_a_pair_may_be_of_a_class_of_its_own(conv: Any, norm: Any) -> None:
    assert can_fold(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))
    assert not can_fold(conv(3, 6, 3), norm(6))
    network = trained(nn.Sequential(conv(3, 6, 3), norm(6), nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)))
    _, checked = made(network, images())
    assert dict(checked.pairs) == {"2": "3"}


def test_weights_that_are_the_networks_take_no_memory_of_the_copy() -> None:
    layer = nn.Linear(5, 3)
    assert Computed(layer).bytes == 0
    assert Computed(layer, again=lambda: nn.Linear(5, 3)).bytes == (5 * 3 + 3) * 4


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_done_is_told_and_nothing_else(packed: bool) -> None:
    told = Checked({"0": "1"}, packed, 1e-7, 1e-9).describe()
    assert "1 batch norm folded" in told
    assert "differs by 1e-07 of the largest value" in told
    assert ("packed" in told) is packed
