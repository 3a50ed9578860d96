"""Modules that answer otherwise than torch's, and outputs with which nothing can be computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import CnnvizError, ModelError, TargetError
from tests.helpers.each_case import each_case
from tests.helpers.state import state

IMAGES = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)
        self.prepare()

    def prepare(self) -> None:
        """Add what the case is about."""

    def give(self, logits: torch.Tensor) -> Any:
        return logits

    def forward(self, x: torch.Tensor) -> Any:
        return self.give(self.head(self.conv(x).relu().mean((2, 3))))


def raising(name: str, error: BaseException, **more: Any) -> type[Base]:
    """Return a class one of whose methods raises."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise error

    return type(f"Raises_{name}", (Base,), {name: method, **more})


class RaisesOfAnyName(Base):
    def __getattr__(self, name: str) -> Any:
        if name in ("conv", "head"):
            return super().__getattr__(name)
        raise ValueError("there is nothing here")


class NoFlag(Base):
    def __getattribute__(self, name: str) -> Any:
        if name == "training":
            raise OSError("no flag")
        return super().__getattribute__(name)


class Inside(Base):
    """Holds a layer that answers otherwise, deep inside."""

    def prepare(self) -> None:
        self.block = nn.Sequential(nn.Identity(), NoFlag())


class WithoutTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text either")


class Cyclic(Base):
    def prepare(self) -> None:
        self._modules["me"] = self


class CyclicDeep(Base):
    def prepare(self) -> None:
        self.block = nn.Sequential(nn.Identity())
        self.block._modules["up"] = self


class NumberForAName(Base):
    def prepare(self) -> None:
        self._modules[3] = nn.Identity()


class NoModule(Base):
    def prepare(self) -> None:
        self._modules["word"] = "no module"


class NotInitialised(nn.Module):
    def __init__(self) -> None:
        pass


ODD: list[tuple[Callable[[], nn.Module], str]] = [
    *(
        (raising(name, error), f"'{name}' raises {type(error).__name__}")
        for name, error in (
            ("parameters", RuntimeError("no")),
            ("named_parameters", KeyError("no")),
            ("modules", LookupError("no")),
            ("named_modules", LookupError("no")),
            ("children", LookupError("no")),
            ("buffers", LookupError("no")),
            ("named_buffers", WithoutTextError("no")),
            ("__hash__", TypeError("no")),
        )
    ),
    (raising("__eq__", RuntimeError("no"), __hash__=nn.Module.__hash__), "'__eq__' raises"),
    (RaisesOfAnyName, "'__getattr__' raises ValueError: there is nothing here"),
    (NoFlag, "'training' raises OSError: no flag"),
    (Inside, r"'training' of its layer 'block\.1' raises OSError"),
    (Cyclic, "The layer 'me' of Cyclic holds itself"),
    (CyclicDeep, r"The layer 'block\.up' of CyclicDeep holds itself"),
    (NumberForAName, "The name of a layer of NumberForAName is 3, and no text"),
    (NoModule, "holds as its layer 'word' is no torch.nn.Module but of the type str"),
    (NotInitialised, "NotInitialised was not initialised as a torch.nn.Module is"),
    (raising("state_dict", LookupError("no")), "its state_dict raises LookupError: no"),
    (raising("eval", RuntimeError("never")), "put into eval mode: RuntimeError: never"),
    (raising("train", ZeroDivisionError("never")), "put into eval mode: ZeroDivisionError: never"),
    (raising("register_forward_hook", RuntimeError("no")), "can be registered on .*: RuntimeError"),
]


@each_case(("make", "told"), ODD)
def test_a_module_that_answers_otherwise_is_refused_in_a_sentence(
    make: Callable[[], nn.Module], told: str
) -> None:
    network = make()

    def look() -> None:
        held = cnnviz.capture(network, IMAGES, layers="conv", gradients=False)
        cnnviz.predictions(held).summary()
        cnnviz.architecture(network, 8)

    with pytest.raises(CnnvizError, match=told):
        look()


def test_a_layer_reached_on_two_ways_is_no_cycle_and_a_long_chain_no_recursion() -> None:
    class Diamond(Base):
        def prepare(self) -> None:
            shared = nn.Sequential(nn.Identity())
            self.one, self.two = nn.Sequential(shared), nn.Sequential(shared, shared)

    assert cnnviz.Model(Diamond()).name == "Diamond"


def test_a_repr_that_raises_is_not_needed() -> None:
    network = raising("__repr__", RuntimeError("no"))()
    assert cnnviz.top_activations(network, IMAGES, "conv").summary()


SPARSE = "a sparse tensor.*to_dense"
OUTPUTS: list[tuple[str, Callable[[torch.Tensor], Any], str]] = [
    ("sparse", lambda out: out.to_sparse(), SPARSE),
    ("in rows", lambda out: out.to_sparse_csr(), SPARSE),
    ("nested", lambda out: torch.nested.nested_tensor([out[0], out[0, :2]]), "a nested tensor"),
    (
        "jagged",
        lambda out: torch.nested.nested_tensor([out[0], out[0, :2]], layout=torch.jagged),
        "a nested tensor",
    ),
    ("quantised", lambda out: torch.quantize_per_tensor(out, 0.1, 0, torch.qint8), "quantised"),
    ("meta", lambda out: out.to("meta"), "on the meta device"),
    ("eight bits", lambda out: out.to(torch.float8_e4m3fn), "numbers of 8 bits"),
    ("complex", lambda out: torch.complex(out, out), "complex numbers"),
    ("no classes", lambda out: out[:, :0], "scores of no class at all"),
    ("a member", lambda out: {"logits": out.to_sparse()}, SPARSE),
]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Torch says that such tensors are new.
@pytest.mark.parametrize(
    ("give", "told"), [each[1:] for each in OUTPUTS], ids=[each[0] for each in OUTPUTS]
)
def test_an_output_with_which_nothing_can_be_computed_is_refused_in_a_sentence(
    give: Callable[[torch.Tensor], Any], told: str
) -> None:
    class Gives(Base):
        def give(self, logits: torch.Tensor) -> Any:
            return give(logits)

    network = Gives().train()
    before = state(network)
    asks: list[Callable[[], Any]] = [
        lambda: cnnviz.cam(cnnviz.capture(network, IMAGES, layers="conv")),
        lambda: cnnviz.predictions(cnnviz.capture(network, IMAGES, gradients=False)),
        lambda: cnnviz.occlusion(network, IMAGES, 4, 4),
        lambda: cnnviz.attribute(network, IMAGES, "saliency"),
    ]
    for ask in asks:
        with pytest.raises((ModelError, TargetError), match=told):
            ask()
    assert state(network) == before


def quantised(kind: torch.dtype) -> torch.Tensor:
    scales, zeros = torch.full((4,), 0.1), torch.zeros(4)
    return torch.quantize_per_channel(torch.ones(4, 2), scales, zeros, 0, kind)


BUFFERS: dict[str, Callable[[], torch.Tensor]] = {
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
    "quantised by channel": lambda: quantised(torch.quint8),
    "of four bits": lambda: quantised(torch.quint4x2),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "sparse in rows": lambda: torch.eye(3).to_sparse_csr(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "jagged": lambda: torch.nested.nested_tensor(
        [torch.ones(2), torch.ones(3)], layout=torch.jagged
    ),
    "overlapping": lambda: torch.arange(6.0).as_strided((3, 4), (1, 1)),
    "complex": lambda: torch.full((3,), 1j),
    "shared": lambda: torch.ones(3).share_memory_(),
    "empty": lambda: torch.zeros(0, 3),
    "of eight bits": lambda: torch.ones(3).to(torch.float8_e5m2),
}


@cache
def _plain_map() -> Any:
    return cnnviz.cam(cnnviz.capture(Base(), IMAGES, layers="conv", target=0)).maps[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", BUFFERS)
def test_a_buffer_of_any_kind_hinders_no_view(kind: str) -> None:
    class Holds(Base):
        def prepare(self) -> None:
            self.register_buffer("odd", BUFFERS[kind]())

    network = Holds().train()
    held = network.odd
    cam = cnnviz.cam(cnnviz.capture(network, IMAGES, layers="conv", target=0))
    assert (cam.maps[0] == _plain_map()).all()
    assert cnnviz.occlusion(network, IMAGES, 4, 4, target=0).summary()
    assert cnnviz.top_activations(network, IMAGES, "conv").summary()
    assert cnnviz.receptive_field(network, IMAGES, draws=2).summary()
    assert network.odd is held


def test_maps_that_are_nested_on_the_way_are_said_to_be_unknown() -> None:
    class Nests(Base):
        def forward(self, x: torch.Tensor) -> Any:
            nested = torch.nested.as_nested_tensor(list(self.conv(x)))
            return self.head(nested.to_padded_tensor(0.0).mean((2, 3)))

    found = cnnviz.architecture(Nests(), 8)
    assert {call.name for call in found.trace.calls} >= {"conv", "head"}


def test_weights_made_for_inference_alone_are_looked_at_and_left_so() -> None:
    with torch.inference_mode():
        network = Base()
    flags = [each.requires_grad for each in network.parameters()]
    held = cnnviz.capture(network, IMAGES, layers="conv", gradients=False)
    assert held.logits.shape == (1, 3)
    assert [each.requires_grad for each in network.parameters()] == flags
    with pytest.raises(CnnvizError, match="Inference tensors"):
        cnnviz.capture(network, IMAGES, layers="conv")
    assert [each.requires_grad for each in network.parameters()] == flags


class SparseWeight(nn.Module):
    """Keeps a weight in sparse form, which has no memory in one place, and no norm by filters."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.mix = nn.Parameter(torch.eye(4).to_sparse())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ij,njhw->nihw", self.mix.to_dense(), self.conv(x)).relu().mean((2, 3))


def test_a_sparse_weight_is_computed_with_and_refused_where_its_gradient_is_looked_at() -> None:
    network, image = SparseWeight(), torch.rand(1, 3, 8, 8)
    held = cnnviz.capture(network, image, layers="conv", target=1)
    assert torch.equal(held.logits, network(image))
    assert cnnviz.cam(held, "conv").on_photo().shape[-2:] == (8, 8)
    for refused in (cnnviz.gradient_flow, cnnviz.loss_landscape):
        with pytest.raises(ModelError, match="The weight 'mix' of SparseWeight is sparse"):
            refused(network, image)


def test_weights_that_keep_gradients_from_passing_are_not_taken_for_a_wrong_size() -> None:
    with torch.inference_mode():
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        answer = network(image)
    assert torch.equal(cnnviz.capture(network, image, layers=(), gradients=False).logits, answer)
    with pytest.raises(ModelError) as refused:
        cnnviz.attribute(network, image, "saliency")
    assert refused.value.remedy.startswith("Without gradients it runs")


class Marked(torch.Tensor):
    """A class of tensors of somebody's own."""


def test_what_is_behind_a_tensor_of_another_class_is_not_said_to_lack_the_image() -> None:
    class Marks(Base):
        def prepare(self) -> None:
            self.next = nn.Conv2d(4, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.next(self.conv(x).as_subclass(Marked)).relu().mean((2, 3)))

    with pytest.raises(CnnvizError, match="positions are not known"):
        cnnviz.deconvnet(Marks(), IMAGES, "next")
