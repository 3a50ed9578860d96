"""State of unusual kinds is put back entry by entry, and such networks can be copied."""

from __future__ import annotations

import pickle
import signal
import threading
import warnings
from collections import UserDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import CnnvizError, ModelChangedError
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.hooks import isolated, preserve_state
from cnnviz.introspection.saved_state import SavedState
from tests.helpers.each_case import each_case
from tests.helpers.state import rng


class Base(nn.Module):
    """A convolution and a linear layer, with something more in its forward."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)
        self.prepare()

    def prepare(self) -> None:
        """Add what the case is about."""

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.keep(self.conv(x).relu().mean((2, 3))))


class Resized(Base):
    def prepare(self) -> None:
        self.register_buffer("bank", torch.zeros(0))

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.bank.resize_(5).fill_(1.0)
        return x


class Shrunk(Base):
    def prepare(self) -> None:
        self.register_buffer("bank", torch.arange(6.0))

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.bank.resize_(2).fill_(9.0)
        return x


class Swapped(Base):
    """Puts other memory into its buffer, which keeps its address as an object."""

    def prepare(self) -> None:
        self.register_buffer("bank", torch.arange(6.0))

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.bank.data = torch.ones(2, 2, dtype=torch.float64)
        return x


class Late(Base):
    def keep(self, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "late"):
            self.register_buffer("late", torch.ones(1), persistent=False)
            self.added = nn.Identity()
        return x


class Dropped(Base):
    def prepare(self) -> None:
        self.register_buffer("bank", torch.arange(3.0))
        self.mark = "kept"

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        if hasattr(self, "bank"):
            del self.bank, self.mark
        return x


class Expanded(Base):
    def prepare(self) -> None:
        self.register_buffer("one", torch.zeros(1))
        self.register_buffer("many", self.one.expand(5))

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.one += 1.0
        return x


class Views(Base):
    """Two names for one buffer, and a view of it that is written to as well."""

    def prepare(self) -> None:
        self.register_buffer("whole", torch.zeros(6))
        self.register_buffer("part", self.whole[2:4])
        self.register_buffer("again", self.whole)

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.whole += 1.0
        self.part *= 2.0
        return x


class Transposed(Base):
    def prepare(self) -> None:
        self.register_buffer("turned", torch.arange(6.0).reshape(2, 3).t())

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.turned.mul_(-1.0)
        return x


class Sparse(Base):
    def prepare(self) -> None:
        self.register_buffer("table", torch.eye(4).to_sparse())

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.table.mul_(2.0)
        return (self.table @ x.t()).t()


class Complex(Base):
    def prepare(self) -> None:
        self.register_buffer("wave", torch.full((4,), 1j))

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.wave *= 1j
        return (x * self.wave).real


class Counts(Base):
    """Its state is in attributes: a number, a list, a dictionary of tensors, a plain tensor."""

    def prepare(self) -> None:
        self.calls = 0
        self.log: list[Any] = []
        self.held = {"deep": [torch.zeros(2)]}
        self.memory = torch.zeros(3)

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.log.append(x)
        self.held["deep"][0] += 1.0
        self.held["new"] = []
        self.memory.add_(1.0)
        return x


class Apart:
    """No module, with attributes that a pass changes."""

    def __init__(self) -> None:
        self.calls, self.memory, self.log = 0, torch.zeros(2), [1]


class Named(dict[str, Any]):
    """A dictionary of a class of its own."""


class Elsewhere(Base):
    """Its state is in what its attributes hold: objects, tuples, arrays, closures."""

    def prepare(self) -> None:
        self.apart, self.pair = Apart(), ([0], torch.zeros(2))
        self.counts, self.named = np.zeros((4, 3))[::2], Named(calls=0)
        self.others = [np.zeros(0), np.array("a"), np.zeros(2, complex), np.zeros(3)[::-1]]
        self.users = UserDict(calls=0)
        self.register_buffer("nothing", torch.zeros(1).expand(4)[:0])
        seen: list[int] = []
        self.look = lambda: seen.append(1) or seen

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.apart.calls += 1
        self.apart.memory += 1.0
        self.apart.log.append(2)
        self.pair[0][0] += 1
        self.pair[1].sub_(1.0)
        self.counts += 1.0
        self.named["calls"] += 1
        self.users["calls"] += 1
        self.others[2] += 1j
        self.others[3] += 1.0
        self.look()
        return x


class Thaws(Base):
    """Sets requires_grad and the modes of its layers in its own forward."""

    def prepare(self) -> None:
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("scale", torch.ones(4))

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.head.weight.requires_grad_(True)
        self.head.bias.requires_grad_(False)
        self.scale.requires_grad_(True)
        self.norm.train()
        self.conv.train()
        return self.norm(x[:, :, None].expand(-1, -1, 2)).mean(2) * self.scale


class Rebuilds(Base):
    """Computes its weight anew in each forward, as spectral norm once did."""

    def prepare(self) -> None:
        self.raw = nn.Parameter(torch.randn(3, 4))
        self.made = self.raw.detach() * 2.0

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.made = self.raw * 2.0
        return x


KINDS = [
    *(Resized, Shrunk, Swapped, Late, Dropped, Expanded, Views, Transposed, Sparse, Complex),
    *(Counts, Elsewhere, Thaws, Rebuilds),
]


def everything(network: nn.Module) -> list[object]:
    """Return all state as plain data, with the identity of every object that holds it."""

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            dense = value.detach().to_dense() if value.is_sparse else value.detach()
            return id(value), value.dtype, dense.tolist(), value.stride() if dense is value else ()
        if isinstance(value, dict):
            return [(name, plain(entry)) for name, entry in value.items()]
        if isinstance(value, list):
            return id(value), [plain(entry) for entry in value]
        if isinstance(value, tuple):
            return [plain(entry) for entry in value]
        if isinstance(value, np.ndarray):
            return id(value), value.tolist()
        if isinstance(value, (Apart, UserDict)):
            return id(value), plain(vars(value))
        if isinstance(value, FunctionType):
            return id(value), [plain(cell.cell_contents) for cell in value.__closure__ or ()]
        return value if isinstance(value, (int, str, set)) else id(value)

    return [
        *([name, plain(value)] for one in network.modules() for name, value in vars(one).items()),
        [(p.requires_grad, p.grad) for p in network.parameters()],
        [buffer.requires_grad for buffer in network.buffers()],
        rng(),
    ]


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@each_case("training", [True, False])
@each_case("kind", KINDS)
def test_state_of_every_kind_is_put_back(kind: type[Base], training: bool) -> None:
    network = kind().train(training)
    before = everything(network)
    with preserve_state(network):
        network(IMAGES)
        network(IMAGES)
    assert everything(network) == before


@pytest.mark.parametrize("kind", KINDS)
def test_views_leave_such_networks_as_they_are(kind: type[Base]) -> None:
    network = kind().train()
    before = everything(network)
    cnnviz.cam(cnnviz.capture(network, IMAGES, layers="conv", target=1), "conv")
    assert everything(network) == before
    cnnviz.architecture(network, 8)
    cnnviz.occlusion(network, IMAGES[:1], 4, 4)
    assert everything(network) == before


def test_one_entry_that_cannot_be_put_back_leaves_the_others_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Views().train()
    steps = SavedState._steps

    def broken(self: SavedState) -> Any:
        def fails() -> None:
            raise RuntimeError("no")

        yield fails
        yield from steps(self)
        yield fails

    before = everything(network)
    monkeypatch.setattr(SavedState, "_steps", broken)
    with pytest.raises(ModelChangedError, match="could not be put back"), preserve_state(network):
        network(IMAGES)
    assert everything(network) == before


class Fuses(Base):
    """Has a `train` of its own, which folds a scale into the weight, and counts."""

    def prepare(self) -> None:
        self.scale = nn.Parameter(torch.full((3, 1), 0.3))
        self.fused = False

    def train(self, mode: bool = True) -> Fuses:
        super().train(mode)
        if hasattr(self, "fused") and self.fused is mode:
            with torch.no_grad():
                self.head.weight.mul_(self.scale if not mode else 1.0 / self.scale)
            self.fused = not mode
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = super().forward(x)
        return found if self.fused else found * 100.0


class Freezes(Base):
    """Keeps its batch norm in eval mode whatever it is told."""

    def prepare(self) -> None:
        self.norm = nn.BatchNorm1d(4)

    def train(self, mode: bool = True) -> Freezes:
        super().train(mode)
        if hasattr(self, "norm"):
            self.norm.eval()
        return self


class DropsAlways(Base):
    """Keeps its dropout on in eval mode, to sample answers (Gal and Ghahramani 2016)."""

    def prepare(self) -> None:
        self.drop = nn.Dropout(0.5)

    def train(self, mode: bool = True) -> DropsAlways:
        super().train(mode)
        if hasattr(self, "drop"):
            self.drop.train()
        return self

    def keep(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(x)


@pytest.mark.parametrize("kind", [Fuses, Freezes, DropsAlways])
def test_eval_is_called_as_its_owner_wrote_it(kind: type[Base]) -> None:
    right = kind().train()
    right.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        expected = right(IMAGES[:1])
    network = kind().train()
    before = everything(network)
    held = cnnviz.capture(network, IMAGES[:1], layers="conv", target=0)
    assert torch.equal(held.logits, expected)
    assert everything(network) == before
    with isolated(network, grad=False), isolated(network, grad=False):
        torch.manual_seed(0)
        assert torch.equal(network(IMAGES[:1]), expected)
    assert everything(network) == before


def quantised(convert: bool) -> nn.Module:
    quantization = pytest.importorskip("torch.ao.quantization")
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no engine")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = quantization.QuantStub(), quantization.DeQuantStub()
            self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()
            self.head = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu(self.conv(self.into(x)))
            return self.out(self.head(x.mean((2, 3))))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        network = Net().train()
        network.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        network = quantization.prepare_qat(network)
        if convert:
            network(IMAGES)
            network = quantization.convert(network.eval())
    return network


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("convert", [False, True])
def test_networks_that_are_or_become_quantised(convert: bool) -> None:
    network = quantised(convert)
    before = {
        name: value.clone() if isinstance(value, torch.Tensor) else value
        for name, value in network.state_dict().items()
    }
    held = cnnviz.capture(network, IMAGES, layers="conv", gradients=False)
    assert held.logits.shape == (2, 3)
    cnnviz.occlusion(network, IMAGES[:1], 4, 4)
    if convert:
        with pytest.raises(CnnvizError, match="differentiable"):
            cnnviz.capture(network, IMAGES, layers="conv")
    else:
        cnnviz.cam(cnnviz.capture(network, IMAGES, layers="conv"), "conv")
    for name, value in network.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert value.shape == before[name].shape, name
            assert torch.equal(value, before[name]), name


class Interrupted:
    """Sends Ctrl-C while state is put back, as often as asked."""

    def __init__(self, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        steps = SavedState._steps

        def sends(saved: SavedState) -> Any:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            yield from steps(saved)

        monkeypatch.setattr(SavedState, "_steps", sends)


@pytest.mark.usefixtures("heard")
@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main one"
)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("in_the_body", [False, True])
def test_ctrl_c_waits_while_state_is_put_back(
    times: int, in_the_body: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Counts().train()
    before, handler = everything(network), signal.getsignal(signal.SIGINT)
    Interrupted(times, monkeypatch)
    reached = []

    def run() -> None:
        with preserve_state(network):
            network(IMAGES)
            if in_the_body:
                signal.raise_signal(signal.SIGINT)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == ([] if in_the_body else [True]), "in the body it acts at once"
    assert everything(network) == before
    assert signal.getsignal(signal.SIGINT) is handler


class Grows(Base):
    """Builds its head at the first call, when its size is known."""

    def __init__(self) -> None:
        super().__init__()
        self.late: nn.Linear | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = super().forward(x)
        if self.late is None:
            self.late = nn.Linear(found.shape[1], 2)
        return self.late(found)


class Appends(Base):
    """Appends to a list of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.more = nn.ModuleList()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = super().forward(x)
        if not self.more:
            self.more.append(nn.Linear(found.shape[1], 2))
        return self.more[0](found)


class Scales(Base):
    """Makes a parameter at the first call, for which it registered none."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("scale", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = super().forward(x)
        if self.scale is None:
            self.scale = nn.Parameter(torch.rand(found.shape[1]))
        return found * self.scale


@pytest.mark.parametrize(("kind", "built"), [(Grows, "late"), (Appends, "0"), (Scales, "scale")])
@pytest.mark.parametrize(
    "ask",
    [
        lambda m: cnnviz.capture(m, IMAGES),
        lambda m: cnnviz.capture(m, IMAGES, layers=(), gradients=False),
        lambda m: cnnviz.architecture(m, 16),
        lambda m: cnnviz.gradient_flow(m, IMAGES),
    ],
)
def test_what_is_built_at_the_first_call_is_asked_for(
    ask: Callable[[Any], Any], kind: type[Base], built: str
) -> None:
    network = kind().train()
    before = everything(network)
    with pytest.raises(ModelChangedError, match=f"forward built '{built}'"):
        ask(network)
    assert everything(network) == before
    network(IMAGES)
    ask(network)


class Keeps(Base):
    def keep(self, x: torch.Tensor) -> torch.Tensor:
        self.features = x
        self.pair = (x, [x])
        return x


class Refuses(Base):
    def prepare(self) -> None:
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("this network is not to be copied")


class Linked(Base):
    """Has one layer under two names, one weight in two layers, and a lock."""

    def prepare(self) -> None:
        self.again = self.head
        self.tied = nn.Linear(4, 3)
        self.tied.weight = self.head.weight
        self.table = [self.conv, {"lock": threading.Lock()}]


@each_case("kind", [Keeps, Refuses, Linked])
def test_what_deepcopy_refuses_is_copied(kind: type[Base]) -> None:
    network = kind()
    network(IMAGES).sum().backward()
    copied = copy_network(network)
    assert torch.equal(copied(IMAGES), network(IMAGES))
    mine, theirs = set(map(id, network.parameters())), set(map(id, copied.parameters()))
    assert not mine & theirs
    assert len(mine) == len(theirs)
    assert not set(map(id, network.modules())) & set(map(id, copied.modules()))
    with torch.no_grad():
        copied.head.weight.zero_()
    assert network.head.weight.any()
    if isinstance(network, Linked):
        assert copied.again is copied.head
        assert copied.tied.weight is copied.head.weight
        assert copied.table[0] is copied.conv


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: cnnviz.faithfulness(net, IMAGES[:1]),
        lambda net: cnnviz.gradient_flow(net, IMAGES),
        lambda net: cnnviz.explanations(net, IMAGES[:1], ["gradcam", "saliency"]),
    ],
)
def test_a_network_that_keeps_an_activation_works_in_every_view(ask: Callable[[Any], Any]) -> None:
    network = Keeps()
    network(IMAGES).sum().backward()
    kept = network.features
    ask(network)
    assert network.features is kept


def test_a_capture_and_a_report_are_pickled() -> None:
    held = cnnviz.capture(Base(), IMAGES, layers="conv", target=1)
    again = pickle.loads(pickle.dumps(held))
    assert torch.equal(again.gradients["conv"], held.gradients["conv"])
    assert again.targets == held.targets
    assert torch.equal(again.resolved_targets[0].score(held.logits), held.logits[:, 1])
    report = cnnviz.report(Base(), IMAGES[:1], sections="photo,predictions,cam")
    assert pickle.loads(pickle.dumps(report)).notes == report.notes


def test_a_digest_leaves_tensors_that_can_be_resized() -> None:
    network = Resized()
    assert len(cnnviz.Model(network).sha256) == 64
    network.bank.resize_(7)
    assert network.bank.shape == (7,)


def test_an_array_that_can_only_be_read_is_not_copied() -> None:
    """Such as data in a mapped file: its values would not fit into memory."""
    network = nn.Linear(2, 2)
    network.table = np.broadcast_to(np.float32(1.0), (10**7, 10**7))
    SavedState(list(network.modules())).put_back()
    assert network.table.shape == (10**7, 10**7)
