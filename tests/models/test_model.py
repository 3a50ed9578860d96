"""A model knows its input, its classes and its origin, and is never changed."""

import copy
import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import ModelError, TargetError, UsageError
from cnnviz.images import IMAGENET, Preprocessing
from cnnviz.models import Model, as_model
from cnnviz.models.categories import classes_called
from cnnviz.models.state_digest import digest_of
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case

SMALL = Preprocessing(8, (8, 8), (0.5,) * 3, (0.25,) * 3)


def expected_digest(module: nn.Module) -> str:
    text = b""
    for name, value in module.state_dict().items():
        text += f"{name} {value.dtype} {tuple(value.shape)}\n".encode() + value.numpy().tobytes()
    return hashlib.sha256(text).hexdigest()


def test_as_model_wraps_and_passes_through() -> None:
    network = tiny_network()
    model = as_model(network)
    assert model.module is network
    assert (model.name, model.weights, model.categories) == ("Sequential", "as given", None)
    assert as_model(model) is model
    assert repr(model) == "<Model: Sequential, weights as given, input 3 x 224 x 224>"


def test_wrapping_changes_nothing() -> None:
    network = tiny_network().train()
    network[4].eval()
    before = copy.deepcopy(network.state_dict())
    state = torch.random.get_rng_state()
    model = Model(network)
    model.prepare(np.zeros((8, 8, 3), np.uint8))
    assert model.sha256
    assert [child.training for child in network] == [True] * 4 + [False] + [True] * 4
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(torch.random.get_rng_state(), state)


@each_case("thing", ["resnet18", 3, None, torch.zeros(2)])
def test_only_modules_are_networks(thing: object) -> None:
    with pytest.raises(UsageError, match=r"must be a torch.nn.Module, not"):
        as_model(thing)


def test_lazy_and_meta_networks() -> None:
    with pytest.raises(ModelError, match=r"lazy layers that have never seen an input \(0.weight\)"):
        as_model(nn.Sequential(nn.LazyConv2d(4, 3)))
    with torch.device("meta"), pytest.raises(ModelError, match=r"on the meta device \(weight\)"):
        as_model(nn.Linear(2, 2))


@each_case("channels", [1, 2, 4, 7])
def test_the_guess_follows_the_first_convolution(channels: int) -> None:
    model = as_model(tiny_network(channels))
    assert model.channels == channels
    assert model.input_shape == (channels, 224, 224)
    plural = "channel" if channels == 1 else "channels"
    assert model.preprocessing.describe().endswith(f"(a guess for {channels} {plural})")
    assert set(model.preprocessing.mean) == {0.0}


def test_the_guess_for_three_channels_and_for_none() -> None:
    for network in (tiny_network(), nn.Sequential(nn.Embedding(5, 2))):
        preprocessing = as_model(network).preprocessing
        assert (preprocessing.mean, preprocessing.std) == (IMAGENET.mean, IMAGENET.std)
        assert preprocessing.describe().endswith("(a guess, ImageNet's)")


def test_the_guess_reads_timms_configuration() -> None:
    network = tiny_network()
    network.pretrained_cfg = {
        "input_size": (3, 32, 32),
        "crop_pct": 1.0,
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.5, 0.6),
    }
    assert as_model(network).preprocessing == Preprocessing(
        32, (32, 32), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    )
    network.pretrained_cfg = {"input_size": "large"}
    assert as_model(network).preprocessing.origin == "a guess, ImageNet's"


@each_case(
    ("preprocessing", "shape"),
    [
        (SMALL, (3, 8, 8)),
        (Preprocessing((10, 12), None, (0.0,), (1.0,)), (1, 10, 12)),
        (Preprocessing(96, None, (0.0,), (1.0,)), (1, 96, 96)),
        (Preprocessing(None, None, (0.0,), (1.0,)), (1, 224, 224)),
    ],
)
def test_input_shape(preprocessing: Preprocessing, shape: tuple[int, int, int]) -> None:
    assert Model(tiny_network(), preprocessing=preprocessing).input_shape == shape


def test_prepare_follows_the_network() -> None:
    model = Model(tiny_network().double(), preprocessing=SMALL)
    batch = model.prepare([np.zeros((9, 9, 3), np.uint8)] * 2)
    assert batch.tensor.dtype == model.dtype == torch.float64
    assert batch.tensor.device == model.device
    assert model.module(batch.tensor).shape == (2, 4)


def test_a_network_without_parameters() -> None:
    model = as_model(nn.Sequential(nn.ReLU()))
    assert (model.device.type, model.dtype) == ("cpu", torch.float32)
    assert model.sha256 == hashlib.sha256().hexdigest()


def test_sha256_is_over_names_types_shapes_and_bytes() -> None:
    network = tiny_network()
    assert as_model(network).sha256 == expected_digest(network)
    assert as_model(network.half()).sha256 == expected_digest(network)
    assert as_model(tiny_network(seed=0)).sha256 == as_model(tiny_network(seed=0)).sha256
    assert as_model(tiny_network(seed=0)).sha256 != as_model(tiny_network(seed=1)).sha256
    one, other = nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False)
    other.weight.data = one.weight.data.reshape(2, 3)
    assert as_model(one).sha256 != as_model(other).sha256


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
@pytest.mark.parametrize(
    "written",
    [
        lambda held: held.t().contiguous().t(),
        lambda held: held.repeat(1, 2)[:, ::2],
        lambda held: held.expand(3, *held.shape),
        lambda held: held.to_sparse(),
        lambda held: torch.complex(held, -held).conj(),
        lambda held: torch.quantize_per_tensor(held, 0.1, 3, torch.qint8),
        lambda held: held.reshape(-1, 8, 4, 2).to(memory_format=torch.channels_last),
    ],
    ids=["transposed", "steps", "expanded", "sparse", "conjugate", "quantised", "channels last"],
)
def test_sha256_is_of_what_a_tensor_holds_however_it_lies_in_memory(written) -> None:
    # Large blocks go back to the system when nobody holds them, and small ones are written over.
    for size in (512 * 256, 64):
        held = torch.randn(size, generator=torch.Generator().manual_seed(0))
        value = written(held.reshape(-1, 64))
        plain = value.to_dense() if value.is_sparse else value
        plain = plain.int_repr() if plain.is_quantized else plain.resolve_conj()
        stands_for = b"0.1 3\n" if value.is_quantized else b""
        content = f"w {value.dtype} {tuple(value.shape)}\n".encode() + stands_for
        content += plain.numpy().tobytes()
        assert digest_of({"w": value}) == hashlib.sha256(content).hexdigest()


def test_sha256_tells_apart_what_whole_numbers_and_extra_state_stand_for() -> None:
    def quantised(scale: float) -> torch.Tensor:
        return torch._make_per_tensor_quantized_tensor(torch.ones(3, dtype=torch.int8), scale, 0)

    def by_channel(zero: int) -> torch.Tensor:
        whole, scales = torch.ones(3, dtype=torch.int8), torch.ones(3, dtype=torch.double)
        zeros = torch.tensor([0, 0, zero])
        return torch._make_per_channel_quantized_tensor(whole, scales, zeros, 0)

    pairs = (
        (quantised(0.1), quantised(0.2)),
        (by_channel(0), by_channel(1)),
        # Of this size a tensor is written with its ends alone.
        ({"kept": [torch.zeros(3000)]}, {"kept": [torch.eye(3000)[1500]]}),
    )
    for one, other in pairs:
        assert digest_of({"w": one}) == digest_of({"w": one})
        assert digest_of({"w": one}) != digest_of({"w": other})


def test_sha256_follows_training_and_is_kept_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnviz.models import state_digest as module

    calls = []
    digest = module.digest_of
    monkeypatch.setattr(module, "digest_of", lambda state: calls.append(1) or digest(state))
    model = as_model(tiny_network())
    first = model.sha256
    assert model.sha256 == first
    assert len(calls) == 1
    with torch.no_grad():
        model.module[8].bias.add_(1)
    assert model.sha256 == expected_digest(model.module) != first
    assert len(calls) == 2


def test_sha256_of_extra_state_and_inference_tensors() -> None:
    class Extra(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.inference_mode():
                self.register_buffer("steps", torch.ones(2))

        def get_extra_state(self) -> dict[str, int]:
            return {"calls": 3}

    assert len(as_model(Extra()).sha256) == 64


def test_category_and_class_index() -> None:
    names = ["Koala", "crane", "goldfish, Carassius auratus", "crane", "maillot, tank suit"]
    model = Model(tiny_network(classes=5), categories=names)
    assert [model.category(index) for index in (0, 4, 5, -1)] == [
        "Koala",
        "maillot, tank suit",
        "class 5",
        "class -1",
    ]
    assert model.class_index("Koala") == model.class_index(" koala ") == 0
    assert model.class_index("carassius auratus") == model.class_index(names[2]) == 2
    with pytest.raises(TargetError, match=r"'crane' may be 2 classes, .*Give the index, 1 or 3"):
        model.class_index("crane")
    with pytest.raises(TargetError, match=r"no class 'kaola'. Did you mean 'Koala'"):
        model.class_index("kaola")
    with pytest.raises(TargetError, match=r"no class 'zzzz'. Give the index"):
        model.class_index("zzzz")


def test_names_that_differ_in_case_only() -> None:
    names = ["one", "two", "Two", "three, Drei", "Three, drei"]
    model = Model(tiny_network(classes=5), categories=names)
    wanted = ["two", "Two", " Two ", "One", "drei", "Drei"]
    assert [model.class_index(name) for name in wanted] == [1, 2, 2, 0, 4, 3]
    for name, both in (("TWO", "'two' (class 1) and 'Two' (class 2)"), ("DREI", "'three, Drei'")):
        with pytest.raises(TargetError, match=rf"'{name}' may be 2 classes") as refused:
            model.class_index(name)
        assert both in refused.value.what
    assert classes_called(["two", "Two", "TWO", "four"], names) == (1, 2, -1, -1)
    with pytest.raises(TargetError, match=r"Did you mean 'two' or 'Two'"):
        model.class_index("twoo")


def test_classes_without_names() -> None:
    model = as_model(tiny_network())
    assert model.category(105) == "class 105"
    with pytest.raises(TargetError, match="have no names"):
        model.class_index("koala")


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = __import__("cnnviz.models").models.laod
