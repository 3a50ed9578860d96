"""torchvision's networks come as it gives them, from files that hold nothing but weights."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnviz.errors import CheckpointError, InstallationError, ModelError, UsageError
from cnnviz.images import IMAGENET, Preprocessing
from cnnviz.models import load, torchvision_models
from cnnviz.models.torchvision_import import import_torchvision
from tests.helpers.architectures import ARCHITECTURES, build, small_input, thin_layers
from tests.helpers.each_case import each_case
from tests.helpers.trap import Trap

models = import_torchvision("torchvision.models")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_answers_with_random_weights(name: str) -> None:
    model = build(name)
    assert model.name == name
    assert model.weights == "random, seed 0"
    assert not any(child.training for child in model.module.modules())
    with torch.no_grad():
        logits = model.module(small_input(name, count=2))
    assert model.categories is not None
    assert logits.shape == (2, len(model.categories))
    assert logits.isfinite().all()
    if name != "lenet5":
        preset = models.get_model_weights(name).DEFAULT.transforms()
        assert model.preprocessing == Preprocessing.from_torchvision(preset)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_left_out(name: str) -> None:
    module = build(name).module
    assert module.aux_logits is False
    assert not any("aux" in child.lower() for child, _ in module.named_children())


def test_trained_weights_give_the_right_answer(
    shared_weights: Path, shared_photos: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    model = load("squeezenet1_0", device="cpu")
    assert (model.name, model.weights) == ("squeezenet1_0", "IMAGENET1K_V1")
    assert model.preprocessing == IMAGENET
    koala = next(path for path in shared_photos if "koala" in path.name)
    with torch.no_grad():
        logits = model.module(model.prepare(koala).tensor)[0]
    assert model.category(int(logits.argmax())) == "koala"
    assert model.class_index("koala") == int(logits.argmax()) == 105
    theirs = models.get_model("squeezenet1_0", weights="DEFAULT").eval()
    for name, value in theirs.state_dict().items():
        assert torch.equal(model.module.state_dict()[name], value)
    assert capfd.readouterr() == ("", "")


def test_the_shared_photos_are_answered_as_their_description_says(
    shared_weights: Path, shared_photos: list[Path]
) -> None:
    model = load("squeezenet1_0", device="cpu")
    batch = model.prepare(shared_photos)
    with torch.no_grad():
        answers = model.module(batch.tensor).argmax(1).tolist()
    names = [path.stem.partition("_")[2].replace("_", " ") for path in shared_photos]
    right = [model.category(a) == name for a, name in zip(answers, names, strict=True)]
    assert sum(right) == 24


@pytest.fixture
def thin_layers_of(name: str) -> Iterator[None]:
    with thin_layers(name):
        yield


@pytest.mark.usefixtures("thin_layers_of")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "densenet121", "mnasnet0_5"])
def test_published_files_load_as_torchvision_loads_them(empty_cache: Path, name: str) -> None:
    # These builders rename keys, drop heads or transform the input of their own weights.
    weights = models.get_model_weights(name).DEFAULT
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    source = models.get_model(name, weights=None, **options)
    file = empty_cache / Path(weights.url).name
    empty_cache.mkdir(parents=True)
    torch.save(source.state_dict(), file)
    before = torch.random.get_rng_state()
    model = load(name, weights.name, device="cpu")
    assert torch.equal(torch.random.get_rng_state(), before)
    theirs = models.get_model(name, weights=weights).eval()
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.module(x), theirs(x))


def test_an_unreachable_hub_names_file_and_folder(
    offline: None, empty_cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=r"weights of resnet18 \(IMAGENET1K_V1\)") as caught:
        load("resnet18")
    assert "Name or service not known" in caught.value.what
    assert "Put resnet18-f37072fd.pth from https://" in caught.value.remedy
    assert f"into {empty_cache}" in caught.value.remedy
    assert 'weights="random"' in caught.value.remedy
    assert "--weights random" in caught.value.option
    assert not empty_cache.exists()
    assert capfd.readouterr() == ("", "")


def test_a_trap_in_the_cache_is_not_sprung(empty_cache: Path, tmp_path: Path) -> None:
    empty_cache.mkdir(parents=True)
    trap = Trap(str(tmp_path / "sprung"))
    torch.save({"weight": torch.ones(1), "trap": trap}, empty_cache / "resnet18-f37072fd.pth")
    with pytest.raises(CheckpointError, match=r"f37072fd.pth holds pickled Python.*Delete"):
        load("resnet18")
    assert not (tmp_path / "sprung").exists()


def test_half_a_file_in_the_cache(empty_cache: Path) -> None:
    empty_cache.mkdir(parents=True)
    file = empty_cache / "resnet18-f37072fd.pth"
    torch.save({"weight": torch.ones(1000)}, file)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"is damaged.* It lies in .*Delete it to have it"):
        load("resnet18")


def test_a_file_of_another_network_in_the_cache(empty_cache: Path) -> None:
    empty_cache.mkdir(parents=True)
    torch.save({"weight": torch.ones(1)}, empty_cache / "resnet18-f37072fd.pth")
    with pytest.raises(ModelError, match=r"resnet18-f37072fd.pth in .* does not fit resnet18.*Del"):
        load("resnet18")


@each_case(
    ("size", "expected"), [(224, "IMAGENET1K_SWAG_LINEAR_V1"), (518, "DEFAULT"), (None, "DEFAULT")]
)
def test_photos_are_prepared_in_the_size_that_a_network_is_built_for(
    size: int | None, expected: str
) -> None:
    module = nn.Module()
    if size is not None:
        module.image_size = size
    enum = models.ViT_H_14_Weights
    assert torchvision_models._fitting(module, enum) is getattr(enum, expected)


def test_names_of_weights() -> None:
    with pytest.raises(UsageError, match=r"no weights 'V9' for resnet50. There are: .*_V2.*random"):
        load("resnet50", "V9")


@pytest.mark.parametrize("weights", ["imagenet1k_v1", "AlexNet_Weights.IMAGENET1K_V1"])
def test_names_of_weights_are_read_kindly(offline: None, empty_cache: Path, weights: str) -> None:
    with pytest.raises(ModelError, match=r"alexnet \(IMAGENET1K_V1\)"):
        load("alexnet", weights)


@each_case(
    ("name", "nearest"),
    [
        ("resnet_50", "resnet50"),
        ("squeezenet", "squeezenet1_0"),
        ("vgg", "vgg1"),
        ("shape-plain", "shapes-plain"),
    ],
)
def test_unknown_names_have_neighbours(name: str, nearest: str) -> None:
    with pytest.raises(ModelError, match=rf"no network called '{name}'. Did you mean .*{nearest}"):
        load(name)


@pytest.mark.parametrize("name", ["raft_large", "raft_small"])
def test_networks_for_other_tasks(name: str) -> None:
    with pytest.raises(ModelError, match=f"{name} is a network of torchvision for another task"):
        load(name)


def test_segmentation_networks_load() -> None:
    model = load("lraspp_mobilenet_v3_large", "random", device="cpu")
    assert model.preprocessing.resize == 520
    assert model.preprocessing.crop is None
    assert model.class_index("dog") == 12
    with torch.no_grad():
        assert model.module(torch.zeros(1, 3, 64, 64))["out"].shape == (1, 21, 64, 64)


def test_a_checkpoint_with_another_number_of_classes(tmp_path: Path) -> None:
    for name in ("squeezenet1_1", "mobilenet_v3_small"):
        source = models.get_model(name, weights=None, num_classes=7)
        path = tmp_path / f"{name}.pth"
        torch.save({"state_dict": {f"module.{n}": v for n, v in source.state_dict().items()}}, path)
        model = load(name, path, device="cpu")
        assert model.weights == f"checkpoint {name}.pth"
        assert model.categories is None
        assert model.notes == (
            "preprocessing taken from torchvision's weights, not from the checkpoint",
        )
        with torch.no_grad():
            x = torch.ones(1, 3, 64, 64)
            assert torch.equal(model.module(x), source.eval()(x))
    named = load("squeezenet1_1", tmp_path / "squeezenet1_1.pth", categories=list("abcdefg"))
    assert named.categories == tuple("abcdefg")


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    other = models.get_model("resnet34", weights=None)
    torch.save(other.state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other.pth has \d+ tensors that resnet18 does not"):
        load("resnet18", tmp_path / "other.pth")


def test_a_checkpoint_with_auxiliary_heads(tmp_path: Path) -> None:
    source = models.get_model("googlenet", weights=None, init_weights=False, aux_logits=True)
    torch.save(source.state_dict(), tmp_path / "net.pth")
    assert load("googlenet", tmp_path / "net.pth").module.aux1 is not None


def test_random_weights_are_seeded_and_leave_the_random_state() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = load("squeezenet1_1", "random")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert load("squeezenet1_1", None).sha256 == first.sha256
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = models.get_model("squeezenet1_1", weights=None)
    assert all(
        torch.equal(value, first.module.state_dict()[name])
        for name, value in theirs.state_dict().items()
    )


def fake_torchvision(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(body)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(folder)


def test_a_torchvision_for_another_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "raise RuntimeError('operator torchvision::nms does not exist')"
    fake_torchvision(tmp_path, body, monkeypatch)
    with pytest.raises(
        InstallationError,
        match=(
            rf"torch {torch.__version__.partition('+')[0]}.* and torchvision \d+\.\d+.* do not fit "
            r"together.*pip install --force-reinstall torch torchvision"
        ),
    ) as caught:
        load("resnet18", "random")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_other_failures_of_torchvision_are_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_torchvision(tmp_path, "raise RuntimeError('something else')", monkeypatch)
    with pytest.raises(RuntimeError, match="something else"):
        import_torchvision()
    (tmp_path / "torchvision" / "__init__.py").write_text("import no_such_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_torchvision()


def test_no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InstallationError, match=r"torchvision is not installed. Install it"):
        import_torchvision()
