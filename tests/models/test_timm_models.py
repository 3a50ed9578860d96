"""timm's networks come with their own transforms and class names, or a sentence says why not."""

import importlib
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from cnnviz.errors import InstallationError, ModelError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import available, load

timm = pytest.importorskip("timm")


@pytest.fixture(autouse=True)
def offline(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    # The hub's own cache on the machine that runs the tests must not play a part.
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    return empty_cache


def test_random_weights() -> None:
    model = load("timm:lcnet_050", "random", device="cpu")
    assert (model.name, model.weights) == ("timm:lcnet_050", "random, seed 0")
    config = timm.data.resolve_model_data_config(model.module)
    assert model.preprocessing == Preprocessing.from_timm(config)
    assert model.category(1) == "goldfish, Carassius auratus"
    assert model.class_index("goldfish") == 1
    with torch.no_grad():
        assert model.module(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
    assert load("timm:lcnet_050", "random").sha256 == model.sha256


def test_published_weights_from_the_cache(offline: Path) -> None:
    source = timm.create_model("lcnet_050")
    offline.mkdir(parents=True)
    from safetensors.torch import save_file

    save_file(source.state_dict(), offline / "lcnet_050.ra2_in1k.safetensors")
    for name, weights in (("lcnet_050", "DEFAULT"), ("lcnet_050", "ra2_in1k")):
        model = load(f"timm:{name}", weights, device="cpu")
        assert model.weights == "ra2_in1k"
        assert torch.equal(model.module.conv_stem.weight, source.conv_stem.weight)


def test_a_file_of_another_network_in_the_cache(offline: Path) -> None:
    offline.mkdir(parents=True)
    torch.save({"weight": torch.ones(1)}, offline / "lcnet_050.ra2_in1k.safetensors")
    with pytest.raises(ModelError, match=r"not a readable safetensors file.*Delete it"):
        load("timm:lcnet_050")
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(1)}, offline / "lcnet_050.ra2_in1k.safetensors")
    with pytest.raises(ModelError, match=r"does not fit timm's lcnet_050: .*Delete the file"):
        load("timm:lcnet_050")


def test_an_unreachable_hub(offline: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="Name or service not known") as caught:
        load("timm:lcnet_050.ra2_in1k")
    assert "Put lcnet_050.ra2_in1k.safetensors from https://" in caught.value.remedy
    assert str(offline) in caught.value.remedy
    assert capfd.readouterr() == ("", "")


def test_a_network_without_published_weights() -> None:
    known = {name.partition(".")[0] for name in timm.list_models(pretrained=True)}
    name = next(name for name in timm.list_models() if name not in known)
    with pytest.raises(ModelError, match=f'timm has no weights for {name}. Take weights="random"'):
        load(f"timm:{name}")


def test_unknown_names() -> None:
    with pytest.raises(ModelError, match=r"timm has no network 'resnt18'. Did you mean .*resnet18"):
        load("timm:resnt18")
    with pytest.raises(UsageError, match=r"no weights 'a9' for lcnet_050. There are: .*ra2_in1k"):
        load("timm:lcnet_050", "a9")


def test_a_checkpoint(tmp_path: Path) -> None:
    source = timm.create_model("lcnet_050")
    torch.save({"model": source.state_dict()}, tmp_path / "net.pth")
    model = load("timm:lcnet_050", tmp_path / "net.pth", device="cpu")
    assert model.weights == "checkpoint net.pth"
    assert torch.equal(model.module.conv_stem.weight, source.conv_stem.weight)


def test_timm_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InstallationError, match=r'not installed.*pip install "cnnviz\[timm\]"'):
        load("timm:resnet18")
    monkeypatch.setattr("cnnviz.models.sources.find_spec", lambda _: None)
    assert set(available()) == {"shipped", "depth", "papers", "torchvision"}


def test_available() -> None:
    found = available()
    assert found["shipped"] == ["shapes-plain", "shapes-residual", "lenet5"]
    assert {"resnet50", "squeezenet1_0", "fcn_resnet50"} <= set(found["torchvision"])
    assert {"fasterrcnn_resnet50_fpn", "r3d_18"} <= set(found["torchvision"])
    assert "timm:resnet18" in found["timm"]
