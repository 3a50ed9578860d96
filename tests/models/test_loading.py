"""One door for every kind of network, on the device that was asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import cnnviz.models
from cnnviz.datasets.shapes import CLASSES
from cnnviz.errors import CheckpointError, ModelError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model, load
from cnnviz.models.loading import choose_device
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case

WEIGHTS = Path(cnnviz.models.__file__).parent / "weights"


@pytest.mark.parametrize("name", ["shapes-plain", "shapes-residual"])
def test_shipped_networks_carry_their_weights(name: str) -> None:
    model = load(name, device="cpu")
    assert (model.name, model.weights, model.notes) == (name, "shipped", ())
    assert model.categories == tuple(CLASSES)
    assert model.input_shape == (3, 96, 96)
    stored = load_file(WEIGHTS / f"{name}.safetensors")
    for key, value in model.module.state_dict().items():
        assert torch.equal(value, stored[key].to(value.dtype)), key
    assert all(value.dtype == torch.float32 for value in model.module.parameters())


def test_the_default_is_shapes_plain() -> None:
    assert load().sha256 == load("shapes").sha256 == load("Shapes-Plain").sha256
    assert load("shapes", "random").sha256 != load().sha256


def test_lenet_is_random_and_says_so() -> None:
    model = load("lenet5")
    assert model.weights == "random, seed 0"
    assert model.notes == ("lenet5 ships without trained weights",)
    assert model.categories == tuple("0123456789")
    assert model.module(model.prepare(np.zeros((50, 40, 3), np.uint8)).tensor).shape == (1, 10)
    assert model.sha256 == load("lenet5", "random").sha256


def test_a_checkpoint_for_a_shipped_network(tmp_path: Path) -> None:
    state = load("lenet5").module.state_dict()
    torch.save({name: value + 1 for name, value in state.items()}, tmp_path / "trained.pth")
    model = load("lenet5", tmp_path / "trained.pth")
    assert (model.weights, model.notes) == ("checkpoint trained.pth", ())
    assert all(
        torch.equal(value, state[name] + 1) for name, value in model.module.state_dict().items()
    )


def test_a_given_module_stays_as_it_is() -> None:
    network = tiny_network().train()
    model = load(network, categories=["a", "b", "c", "d"])
    assert model.module is network
    assert network.training
    assert model.category(2) == "c"
    preprocessing = Preprocessing(8, (8, 8), (0.5,) * 3, (0.5,) * 3)
    again = load(model, preprocessing=preprocessing)
    assert again is not model
    assert (again.preprocessing, again.categories) == (preprocessing, model.categories)
    assert model.preprocessing.origin


def test_a_given_module_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert load(tiny_network()).device.type == "cpu"
    with pytest.raises(UsageError, match=r"on cpu and stays there. Move it first"):
        load(tiny_network(), device="cuda")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UsageError, match=r"no device 'cuda:2'. The last one is 'cuda:1'"):
        choose_device("cuda:2")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "device 'cuda' is not available: torch finds no GPU"),
        ("cuda:1", "device 'cuda:1' is not available"),
        ("gpu", "There is no device 'gpu'"),
        ("meta", "device 'meta' cannot be used"),
        (None, "device cannot be None"),
    ],
)
def test_devices_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, device: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu")
    with pytest.raises(UsageError, match=message):
        load("lenet5", device=device)


@each_case(
    ("source", "weights", "error", "message"),
    [
        ("net.pth", "DEFAULT", ModelError, "'net.pth' does not say which network it belongs to"),
        ("", "DEFAULT", ModelError, "There is no network called ''"),
        ("shapes", "IMAGENET1K_V1", UsageError, "shapes-plain has no weights called"),
        ("shapes", "gone.safetensors", CheckpointError, "There is no checkpoint 'gone.safetens"),
        ("lenet5", Path("gone"), CheckpointError, "There is no checkpoint 'gone'"),
        ("lenet5", "runs/gone", CheckpointError, "There is no checkpoint 'runs/gone'"),
        (7, "DEFAULT", UsageError, "must be a torch.nn.Module, not int"),
    ],
)
def test_what_cannot_be_loaded(
    source: object, weights: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(source, weights)


def test_the_number_of_class_names_is_checked() -> None:
    with pytest.raises(UsageError, match="3 class names and shapes-plain has 10 outputs"):
        load("shapes", "random", categories=["a", "b", "c"])


def test_the_type_is_public() -> None:
    assert isinstance(load("lenet5"), Model)


@pytest.mark.parametrize("kind", ["mps", "xpu"])
def test_an_accelerator_that_is_not_there(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = torch.backends.mps if kind == "mps" else torch.xpu
    monkeypatch.setattr(home, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"The device '{kind}' is not available"):
        choose_device(kind)
    monkeypatch.setattr(home, "is_available", lambda: True)
    assert choose_device(kind).type == kind


@pytest.mark.parametrize(("file", "whose"), [("net.keras", "Keras"), ("net.ONNX", "ONNX")])
def test_a_network_of_another_framework_is_called_that(
    tmp_path: Path, file: str, whose: str
) -> None:
    with pytest.raises(ModelError, match="There is no network called"):
        load(str(tmp_path / file))
    (tmp_path / file).write_bytes(b"layers")
    with pytest.raises(ModelError, match=f"is a network of {whose}, and cnnviz looks into"):
        load(str(tmp_path / file))


def test_a_factory_that_is_named_by_its_module_is_told_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"no network called 'nets\.mine:make'"):
        load("nets.mine:make")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.py").write_text("")
    with pytest.raises(ModelError, match=r"named by its file\. .*: nets/mine\.py:make\.$"):
        load("nets.mine:make")
