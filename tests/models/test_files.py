"""A user's own file gives a network, or a sentence that says what in it is wrong."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import CheckpointError, ModelError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import load

CODE = """
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

import cnnviz_test_parts


@dataclass
class Options:
    width: "int" = 4


def small_net():
    return nn.Sequential(nn.Conv2d(1, Options().width, 3), nn.Flatten(), cnnviz_test_parts.head())


def restless():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    return small_net()


class Net(nn.Conv2d):
    def __init__(self, channels=4, kernel=3):
        super().__init__(channels, 2, kernel)


def with_width(width, *, depth):
    return small_net()


def wrong():
    return "a network"


def failing():
    raise ValueError("no such width: 7.")


def quitting():
    raise SystemExit(2)


ready = nn.Conv2d(2, 2, 1)
number = 7
"""


SIZES = """
from torch import nn

from cnnviz.images import Preprocessing


def cifar():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 4))


def mnist():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 26 * 26, 4))


def any_size():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def none():
    return nn.Conv1d(5, 5, 3)


def own():
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    network.preprocessing = Preprocessing(40, (40, 40), (0.5,), (0.5,))
    return network
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my nets"
    folder.mkdir()
    (folder / "nets.py").write_text(CODE)
    (folder / "cnnviz_test_parts.py").write_text(
        "from torch import nn\n\n\ndef head():\n    return nn.LazyLinear(3)\n".replace(
            "nn.LazyLinear(3)", "nn.Linear(16, 3)"
        )
    )
    monkeypatch.delitem(sys.modules, "cnnviz_test_parts", raising=False)
    return folder / "nets.py"


def test_a_factory(file: Path) -> None:
    path = list(sys.path)
    model = load(f"{file}:small_net", device="cpu")
    assert sys.path == path
    assert (model.name, model.weights) == ("small_net", "as made by nets.py:small_net, seed 0")
    assert model.channels == 1
    assert not model.module.training
    assert model.module(torch.zeros(1, 1, 4, 4)).shape == (1, 3)
    assert load(f"{file}:small_net", "random").sha256 == model.sha256


LOADS = """
import torch
from torch import nn

def drawn():
    return nn.Conv2d(3, 4, 3)

def loaded():
    net = nn.Conv2d(3, 4, 3)
    net.load_state_dict({"weight": torch.ones(4, 3, 3, 3), "bias": torch.zeros(4)})
    return net

def filled():
    net = nn.utils.skip_init(nn.Conv2d, 3, 4, 3)
    with torch.no_grad():
        net.weight.fill_(1.0), net.bias.fill_(0.0)
    return net
"""


def test_weights_that_nobody_gave_are_told(tmp_path: Path) -> None:
    path = tmp_path / "nets.py"
    path.write_text(LOADS)
    loading = nn.Module.load_state_dict
    (note,) = load(f"{path}:drawn", device="cpu").notes
    assert note.startswith("No weights were given, and nets.py:drawn drew random numbers")
    assert load(f"{path}:loaded", device="cpu").notes == ()
    assert load(f"{path}:filled", device="cpu").notes == ()
    assert load(f"{path}:drawn", "random", device="cpu").notes == (), "who asks for them knows"
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), tmp_path / "own.pth")
    assert load(f"{path}:drawn", tmp_path / "own.pth", device="cpu").notes == ()
    assert nn.Module.load_state_dict is loading


def test_a_class_and_a_network(file: Path) -> None:
    assert load(f"{file}:Net").channels == 4
    assert load(f"{file}:ready").channels == 2


def test_random_states_are_put_back(file: Path) -> None:
    def states() -> tuple[object, list[int], list[int]]:
        legacy = np.random.get_state()[1].tolist()  # noqa: NPY002
        return random.getstate(), legacy, torch.random.get_rng_state().tolist()

    before = states()
    load(f"{file}:restless")
    assert states() == before


SLOW = """
import time

import torch
from torch import nn

def drawn():
    first = nn.Conv2d(3, 4, 3)
    time.sleep(0.05)  # in which another thread has its turn, if it can
    return nn.Sequential(first, nn.Conv2d(4, 4, 3))

def loaded():
    net = nn.Conv2d(3, 4, 3)
    time.sleep(0.02)
    net.load_state_dict({"weight": torch.ones(4, 3, 3, 3), "bias": torch.zeros(4)})
    return net
"""


def test_threads_that_load_at_once_get_what_each_gets_alone(tmp_path: Path) -> None:
    path = tmp_path / "nets.py"
    path.write_text(SLOW)
    names = ("drawn", "drawn", "loaded", "drawn")
    alone = {name: load(f"{path}:{name}", device="cpu") for name in set(names)}
    before = torch.random.get_rng_state()
    with ThreadPoolExecutor(len(names)) as threads:
        together = list(threads.map(lambda name: load(f"{path}:{name}", device="cpu"), names))
    for name, model in zip(names, together, strict=True):
        assert model.sha256 == alone[name].sha256
        assert model.notes == alone[name].notes
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_checkpoint(file: Path, tmp_path: Path) -> None:
    source = load(f"{file}:small_net").module
    with torch.no_grad():
        source[0].weight.fill_(0.25)
    torch.save({"net": source.state_dict()}, tmp_path / "net.pt")
    model = load(f"{file}:small_net", str(tmp_path / "net.pt"))
    assert model.weights == "checkpoint net.pt"
    assert (model.module[0].weight == 0.25).all()
    with pytest.raises(CheckpointError, match=r"lacks .* of nets.py:Net"):
        load(f"{file}:Net", tmp_path / "net.pt")


def test_the_size_that_the_network_accepts_is_found(file: Path) -> None:
    file.write_text(SIZES)
    fixed = load(f"{file}:cifar")
    assert fixed.input_shape == (3, 32, 32)
    assert fixed.preprocessing.resize == 32
    assert fixed.preprocessing.describe().endswith("32 px is a size that the network accepts)")
    assert load(f"{file}:mnist").input_shape == (1, 28, 28)
    assert load(f"{file}:any_size").preprocessing.describe().endswith("(a guess, ImageNet's)")
    assert load(f"{file}:none").input_shape == (5, 1024)
    assert load(f"{file}:own").preprocessing == Preprocessing(40, (40, 40), (0.5,), (0.5,))


def test_preprocessing_and_categories_of_ones_own(file: Path) -> None:
    preprocessing = Preprocessing(4, (4, 4), (0.5,), (0.5,))
    model = load(f"{file}:small_net", preprocessing=preprocessing, categories=["a", "b", "c"])
    assert model.preprocessing is preprocessing
    assert model.module(model.prepare(np.zeros((9, 9), np.uint8)).tensor).shape == (1, 3)
    assert model.category(1) == "b"


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("smal_net", r"nets.py has no 'smal_net'. Did you mean 'small_net'"),
        ("zzz", r"nets.py has no 'zzz'. It offers Options, small_net, restless"),
        (
            "",
            r"which network in it is not said. Name a .*nets.py:small_net\. There are small_net, ",
        ),
        ("with_width", r"nets.py:with_width needs arguments: width, depth"),
        ("wrong", r"nets.py:wrong gives a str, not a torch.nn.Module"),
        ("number", r"nets.py:number gives an int"),
        ("failing", r"nets.py:failing fails: ValueError: no such width: 7.*line"),
        ("quitting", r"nets.py:quitting fails: SystemExit: 2 \(nets\.py, line"),
    ],
)
def test_what_is_wrong_with_a_factory(file: Path, factory: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(f"{file}:{factory}")
    assert not any(entry == str(file.parent) for entry in sys.path)


def test_a_file_without_a_factory(file: Path) -> None:
    with pytest.raises(ModelError, match="which network in it is not said"):
        load(file)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def net(:", r"broken.py fails when it is imported: invalid syntax in line 1"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys\nsys.exit('usage: broken')", "SystemExit: usage: broken"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_fails(tmp_path: Path, code: str, message: str) -> None:
    (tmp_path / "broken.py").write_text(code)
    before = set(sys.modules)
    with pytest.raises(ModelError, match=message):
        load(f"{tmp_path / 'broken.py'}:net")
    assert not [name for name in set(sys.modules) - before if name.startswith("cnnviz_file")]


def test_a_missing_file(file: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no file .*net.py'. Did you mean 'nets.py'"):
        load(f"{file.with_name('net.py')}:small_net")
    with pytest.raises(ModelError, match="There is no folder"):
        load("nowhere/nets.py:small_net")


def test_published_weights_do_not_exist_for_a_file(file: Path) -> None:
    with pytest.raises(ModelError, match="has no weights called 'IMAGENET1K_V1'"):
        load(f"{file}:small_net", "IMAGENET1K_V1")


def test_a_module_given_takes_no_weights(file: Path) -> None:
    with pytest.raises(UsageError, match="taken with the weights it has"):
        load(torch.nn.Conv2d(3, 3, 3), "random")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def make(): return nn.Sequential(nn.LazyConv2d(4, 3))", "lazy layers"),
        (
            "def make():\n    with torch.device('meta'): return nn.Sequential(nn.Conv2d(3, 4, 3))",
            "on the meta device",
        ),
    ],
)
def test_networks_without_weights_are_refused(tmp_path: Path, code: str, message: str) -> None:
    path = tmp_path / "net.py"
    path.write_text(f"import torch\nfrom torch import nn\n{code}\n")
    with pytest.raises(ModelError, match=message):
        load(f"{path}:make")
