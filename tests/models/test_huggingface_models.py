"""Networks on the hub: from the cache or a folder, with their preparation, or a sentence."""

import importlib
import json
import socket
import sys
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cnnviz.errors import InstallationError, ModelError
from cnnviz.models import huggingface_models, load

HUB = pytest.importorskip("huggingface_hub")
PROCESSOR = {
    "do_resize": True,
    "size": {"height": 24, "width": 24},
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError("no network")

    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    monkeypatch.setattr(huggingface_models.socket, "getaddrinfo", lambda *_: [])


class _Classifier(nn.Module):
    """As those of transformers: images by name, and logits in an object."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2, 3)

    def forward(self, pixel_values: torch.Tensor | None = None) -> torch.Tensor:
        assert pixel_values is not None
        return self.stem(pixel_values).mean((2, 3))


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    config = types.SimpleNamespace(id2label={"1": "dog", "0": "cat"})
    fake = types.ModuleType("transformers")
    fake.AutoConfig = types.SimpleNamespace(from_pretrained=lambda *_, **__: config)
    fake.AutoModelForImageClassification = types.SimpleNamespace(
        from_config=lambda *_, **__: _Classifier()
    )
    monkeypatch.setitem(sys.modules, "transformers", fake)


@pytest.mark.usefixtures("transformers")
def test_a_network_of_transformers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Some"]}')
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    state = {name: value + 1 for name, value in _Classifier().state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    model = load(f"hf:{tmp_path}", device="cpu")
    assert model.categories == ("cat", "dog")
    assert (model.preprocessing.resize, model.preprocessing.crop) == ((24, 24), None)
    assert model.preprocessing.mean == pytest.approx((0.5,) * 3)
    assert not model.preprocessing.is_guess
    assert torch.equal(model.module.stem.weight, state["stem.weight"])
    assert load(f"hf:{tmp_path}", "random").untrained


@pytest.mark.usefixtures("transformers")
def test_what_a_repository_lacks(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Some"]}')
    with pytest.raises(ModelError, match=r"There is no model.safetensors"):
        load(f"hf:{tmp_path}")
    save_file(_Classifier().state_dict(), tmp_path / "model.safetensors")
    model = load(f"hf:{tmp_path}", device="cpu")
    assert model.preprocessing.is_guess
    assert model.doubt


def test_a_file_that_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing(HUB.errors.EntryNotFoundError):
        def __init__(self) -> None:
            Exception.__init__(self, "404")

    def refuse(*_: object, **__: object) -> str:
        raise Missing

    monkeypatch.setattr(HUB, "hf_hub_download", refuse)
    with pytest.raises(ModelError, match=r"There is no config.json in 'owner/net'"):
        load("hf:owner/net")


def test_without_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text('{"architectures": ["Some"]}')
    with pytest.raises(InstallationError, match="transformers, which is not installed"):
        load(f"hf:{tmp_path}")


def test_a_network_of_timm_in_a_folder(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    source = timm.create_model("lcnet_050", num_classes=3)
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    data = {"input_size": [3, 64, 64], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    labels = ["a", "b", "c"]
    config = {"num_classes": 3, "crop_pct": 1.0, "label_names": labels, **data}
    (tmp_path / "config.json").write_text(
        json.dumps({"architecture": "lcnet_050", "num_classes": 3, "pretrained_cfg": config})
    )
    model = load(f"hf:{tmp_path}", device="cpu")
    assert torch.equal(model.module.conv_stem.weight, source.conv_stem.weight)
    assert model.categories == tuple(labels)
    assert (model.preprocessing.mean, model.preprocessing.crop) == ((0.1, 0.2, 0.3), (64, 64))


def test_without_a_connection_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(huggingface_models.socket, "getaddrinfo", unknown)
    monkeypatch.setattr(huggingface_models, "getproxies", dict)
    with pytest.raises(ModelError, match=r"not on this machine .*\(there is no connection\)"):
        load("hf:owner/net")


def test_what_is_not_here_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"hf:owner/net is not on this machine"):
        load("hf:owner/net")
    with pytest.raises(ModelError, match=r"There is no config.json"):
        load(f"hf:{tmp_path}")
    with pytest.raises(ModelError, match=r"has no weights 'v2'"):
        load("hf:owner/net", "v2")
