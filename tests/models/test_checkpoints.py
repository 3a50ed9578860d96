"""A checkpoint is data: whatever its wrapping it loads, and whatever is wrong is one sentence."""

import argparse
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cnnviz.errors import CheckpointError
from cnnviz.models.checkpoints import load_state, not_finite, read_state
from cnnviz.models.weight_sets import PREFIXES, WRAPPERS
from tests.helpers.architectures import tiny_network
from tests.helpers.trap import Trap


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(tiny_network(seed=7).state_dict())


def assert_loads(path: Path, state: dict[str, torch.Tensor]) -> None:
    network = tiny_network(seed=1)
    load_state(network, read_state(path), "tiny", path.name)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


@pytest.mark.parametrize("suffix", ["pth", "pt", "bin", "ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_plain_state_dict(
    tmp_path: Path, state: dict[str, torch.Tensor], suffix: str, zipped: bool
) -> None:
    path = tmp_path / f"net.{suffix}"
    torch.save(OrderedDict(state), path, _use_new_zipfile_serialization=zipped)
    assert_loads(path, state)


def test_safetensors(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, tmp_path / "net.safetensors")
    assert_loads(tmp_path / "net.safetensors", state)


def test_half_precision_is_widened(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    halves = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    save_file(halves, tmp_path / "net.safetensors")
    network = tiny_network(seed=1)
    load_state(network, read_state(tmp_path / "net.safetensors"), "tiny", "net.safetensors")
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(network[0].weight, state["0.weight"].half().float())


@pytest.mark.parametrize("key", WRAPPERS)
def test_wrappers(tmp_path: Path, state: dict[str, torch.Tensor], key: str) -> None:
    torch.save({"epoch": 3, key: state, "optimizer": {"lr": 0.1}}, tmp_path / "net.pth")
    assert_loads(tmp_path / "net.pth", state)


def test_a_wrapper_beside_loose_tensors(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    content = {"best": torch.tensor(0.9), "model": {"state_dict": state}, "step": 4}
    torch.save(content, tmp_path / "net.pth")
    assert_loads(tmp_path / "net.pth", state)


def test_training_options_beside_the_weights(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    torch.save({"args": argparse.Namespace(lr=0.1), "model": state}, tmp_path / "net.pth")
    assert_loads(tmp_path / "net.pth", state)


@pytest.mark.parametrize("prefix", [*PREFIXES, "module._orig_mod.", "module.model."])
def test_prefixes(tmp_path: Path, state: dict[str, torch.Tensor], prefix: str) -> None:
    torch.save({f"{prefix}{n}": v for n, v in state.items()}, tmp_path / "net.pth")
    assert_loads(tmp_path / "net.pth", state)


def test_prefixes_that_the_network_has_itself(tmp_path: Path) -> None:
    class Outer(nn.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.model = tiny_network(seed=seed)

    source, target = Outer(7), Outer(1)
    torch.save({f"module.{n}": v for n, v in source.state_dict().items()}, tmp_path / "net.pth")
    load_state(target, read_state(tmp_path / "net.pth"), "outer", "net.pth")
    assert torch.equal(target.model[0].weight, source.model[0].weight)


def test_batch_norm_from_before_it_counted_batches(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    old = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "net.pth")
    assert_loads(tmp_path / "net.pth", old)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, zipped: bool) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / "trap.pth"
    content = {"state_dict": {"w": torch.ones(1)}, "extra": Trap(str(sprung))}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"trap.pth holds pickled Python objects.*state_dict"):
        read_state(path)
    assert not sprung.exists()
    torch.load(path, weights_only=False)
    assert sprung.exists()  # so the trap would have worked


def test_a_pickled_network_is_not_opened(tmp_path: Path) -> None:
    torch.save(tiny_network(), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"\(torch\.nn\.modules.*save the weights alone"):
        read_state(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.pth", b"<!DOCTYPE html><html></html>"),
        ("text.pth", b"hello world"),
        ("broken.pth", b"PK\x03\x04 and then nothing"),
        ("pickle.pth", b"\x80\x02}q\x00."),
        ("net.safetensors", b"\xff" * 40),
        ("net.safetensors", b"<html>"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"^{name} is no") as caught:
        read_state(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_truncated_checkpoints(
    tmp_path: Path, state: dict[str, torch.Tensor], suffix: str, share: float
) -> None:
    path = tmp_path / f"net.{suffix}"
    (torch.save if suffix == "pth" else save_file)(state, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=r"net\."):
        read_state(path)


def test_missing_and_empty_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "epoch_10.pth").touch()
    with pytest.raises(CheckpointError, match=r"no checkpoint .*Did you mean 'epoch_10.pth'"):
        read_state(tmp_path / "epoch_1.pth")
    with pytest.raises(CheckpointError, match="There is no folder"):
        read_state(tmp_path / "runs" / "epoch_1.pth")
    with pytest.raises(CheckpointError, match=r"epoch_10.pth is empty"):
        read_state(tmp_path / "epoch_10.pth")


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ({"epoch": 1, "loss": 0.5}, "a dict with 'epoch', 'loss'"),
        ([1, 2], "a list"),
        (torch.zeros(3), "a Tensor"),
        ({}, "a dict"),
        ({"model": {"model": {"model": {"model": {"model": 1}}}}}, "a dict with 'model'"),
    ],
)
def test_checkpoints_without_weights(tmp_path: Path, content: object, held: str) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=f"holds no state_dict but {held}"):
        read_state(tmp_path / "net.pth")


def test_missing_and_unexpected_names(state: dict[str, torch.Tensor]) -> None:
    renamed = {n.replace("8.", "head."): v for n, v in state.items() if n != "0.bias"}
    with pytest.raises(
        CheckpointError,
        match=(
            r"net.pth lacks 3 tensors of tiny \(0.bias, 8.weight and 8.bias\) and has 2 tensors "
            r"that tiny does not know \(head.weight and head.bias\).*Nearest to the network's"
        ),
    ):
        load_state(tiny_network(), renamed, "tiny", "net.pth")
    with pytest.raises(CheckpointError, match=r"lacks 1 tensor of tiny \(0.bias\)\."):
        load_state(
            tiny_network(), {n: v for n, v in state.items() if n != "0.bias"}, "tiny", "net.pth"
        )
    more = {f"more.{index}": torch.ones(1) for index in range(5)}
    with pytest.raises(CheckpointError, match=r"has 5 tensors .*more.2 and 2 more\)"):
        load_state(tiny_network(), state | more, "tiny", "net.pth")


def test_wrong_shapes() -> None:
    other = dict(tiny_network(classes=9).state_dict())
    with pytest.raises(
        CheckpointError,
        match=r"2 tensors of net.pth have another shape than in tiny: 8.weight is 9 x 8 in the "
        r"file and 4 x 8 in the network; 8.bias is 9 in the file and 4 in the network",
    ):
        load_state(tiny_network(classes=4), other, "tiny", "net.pth")
    other = dict(tiny_network(channels=1).state_dict())
    with pytest.raises(CheckpointError, match=r"1 tensor of net.pth has another shape"):
        load_state(tiny_network(), other, "tiny", "net.pth")


def test_a_network_whose_state_hook_fails(state: dict[str, torch.Tensor]) -> None:
    network = tiny_network()

    def refuse(*_: object) -> None:
        raise ValueError("not today")

    network.register_load_state_dict_pre_hook(refuse)
    with pytest.raises(CheckpointError, match=r"net.pth cannot be loaded into tiny: not today"):
        load_state(network, state, "tiny", "net.pth")


def test_weights_that_are_not_finite_are_noted() -> None:
    network = tiny_network()
    assert not_finite(network) == ()
    with torch.no_grad():
        network[8].bias[1] = float("nan")
    assert not_finite(network) == ("1 tensor of weights not finite: 8.bias",)


@pytest.mark.parametrize("kind", [torch.int8, torch.complex64, torch.bool])
def test_weights_of_another_kind_of_number_are_refused(
    state: dict[str, torch.Tensor], kind: torch.dtype
) -> None:
    name = next(iter(state))
    module = tiny_network()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    told = f"{name} is {str(kind).removeprefix('torch.')} in the file"
    with pytest.raises(CheckpointError, match=rf"1 tensor of a\.pth .*{told}"):
        load_state(module, {**state, name: state[name].to(kind)}, "net", "a.pth")
    for key, value in module.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


@pytest.mark.parametrize("extra", [{}, {"ema.0.weight": 1, "ema.0.bias": 1}, {"loss.weight": 1}])
def test_a_network_among_what_lightning_saved(tmp_path: Path, extra: dict[str, float]) -> None:
    network = nn.Sequential(nn.Linear(2, 3))
    state = {f"model.{name}": value + 1 for name, value in network.state_dict().items()}
    others = {name: torch.full((3, 2), value) for name, value in extra.items()}
    torch.save({"state_dict": {**others, **state}, "epoch": 3}, tmp_path / "last.ckpt")
    twin = nn.Sequential(nn.Linear(2, 3))
    load_state(twin, read_state(tmp_path / "last.ckpt"), "net", "last.ckpt")
    assert torch.equal(twin[0].weight, state["model.0.weight"])


@pytest.mark.parametrize(
    ("whole", "taken", "others"),
    [
        (lambda net: {"state_dict": net, "state_dict_ema": net}, "state_dict", "'state_dict_ema'"),
        (lambda net: {"model": net, "ema": _behind("module.", net)}, "model", "'ema'"),
        (lambda net: {"state_dict": {"net": net, "best": net}}, "net", "'best'"),
        (lambda net: _behind("model.", net) | _behind("ema_model.", net), "model", "'ema_model'"),
        (lambda net: {"ema": net, "optimizer": {"state": {0: net}}}, "", ""),
        (lambda net: {"state_dict": _behind("model.", net), "loss": {"weight": net}}, "", ""),
    ],
)
def test_which_of_several_weights_was_taken_is_told(
    tmp_path: Path, whole: Callable[[Any], Any], taken: str, others: str
) -> None:
    network = nn.Sequential(nn.Linear(2, 3))
    torch.save(whole(network.state_dict()), tmp_path / "last.pt")
    told = load_state(network, read_state(tmp_path / "last.pt"), "net", "last.pt")
    said = f"of the weights in last.pt those of {taken!r} were taken, and not those of {others}"
    assert told == ((said,) if taken else ())


def _behind(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in state.items()}


def test_two_networks_that_fit_alike_are_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 3))
    state = {
        f"{whose}.{name}": value
        for whose in ("teacher", "student")
        for name, value in network.state_dict().items()
    }
    torch.save(state, tmp_path / "both.ckpt")
    with pytest.raises(CheckpointError, match="lacks 2 tensors"):
        load_state(network, read_state(tmp_path / "both.ckpt"), "net", "both.ckpt")
