"""Files of weights that are damaged, hold something else, or were made for another network."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from PIL import Image

CASES = r"""
predictions photo.png --weights nowhere.pth | There is no checkpoint 'nowhere.pth'
predictions photo.png --weights hole.pth | 'hole.pth' is a folder. Name a checkpoint
predictions photo.png --weights no/such/whole.pth | There is no folder 'no/such' either
predictions photo.png --weights empty.pth | The checkpoint empty.pth is empty
predictions photo.png --weights empty.safetensors | The checkpoint empty.safetensors is empty
predictions photo.png --weights text.pth | text.pth is no checkpoint of torch, or is damaged
predictions photo.png --weights text.safetensors | is not a readable safetensors file
predictions photo.png --weights photo.pth | photo.pth is no checkpoint of torch, or is damaged
predictions photo.png --weights cut.pth | cut.pth is no checkpoint of torch, or is damaged
predictions photo.png --weights cut.safetensors | is not a readable safetensors file
predictions photo.png --weights key.pth | or is damaged (KeyError: 101)
predictions photo.png --weights code.pth | because opening it would run their code
predictions photo.png --weights framed.pth | framed.pth is no checkpoint of torch, or is damaged
predictions photo.png --weights module.pth | holds pickled Python objects
predictions photo.png --weights list.pth | holds no state_dict but a list
predictions photo.png --weights one.pth | holds no state_dict but a Tensor
predictions photo.png --weights nothing.pth | holds no state_dict
predictions photo.png --weights optimizer.pth | holds no state_dict but a dict with 'optimizer'
predictions photo.png --weights numbers.pth | holds no state_dict
predictions photo.png --weights itself.pth | holds no state_dict
predictions photo.png --weights shape.pth | has another shape than in
predictions photo.png --weights other.pth | lacks
predictions photo.png --weights part.pth | lacks 1 tensor of
predictions photo.png --weights more.pth | has 1 tensor that
predictions photo.png --weights whole_numbers.pth | cannot be weights of
predictions photo.png --weights complex.pth | is complex64 in the file
predictions photo.png --weights sparse.pth | is sparse in the file
predictions photo.png --weights meta.pth | is on the meta device
predictions photo.png --weights NO_TEXT.pth | There is no checkpoint
predictions photo.png --weights NAME.pth | .pth
predictions photo.png --weights script.pt | script.pt is TorchScript
predictions photo.png --model script.pt | script.pt is TorchScript
cam photo.png --model named.py:make --layer relu | It reads the output of layer 'conv'
predictions photo.png --model resnet18 --weights whole.pth | lacks 102 tensors of resnet18
"""


_NAMED = """
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, image):
        return self.conv(image).relu().mean((2, 3))


make = Network
"""


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("open('it_ran', 'w').close()",)


def make(folder: Path) -> None:
    """Write weights of the shipped network, and whatever else is called weights."""
    import cnnviz

    Image.new("RGB", (64, 64), (90, 120, 40)).save(folder / "photo.png")
    Image.new("RGB", (8, 8)).save(folder / "photo.pth", "PNG")
    module = cnnviz.load().module
    state = {name: value.clone() for name, value in module.state_dict().items()}
    first, *_, last = state

    def kept(name: str, value: object) -> None:
        torch.save(value, folder / f"{name}.pth")

    def changed(name: str, value: torch.Tensor) -> None:
        kept(name, {**state, first: value})

    kept("whole", state)
    whole = (folder / "whole.pth").read_bytes()
    (folder / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.safetensors").write_bytes((1000).to_bytes(8, "little") + b'{"a":')
    for suffix in ("pth", "safetensors"):
        (folder / f"empty.{suffix}").touch()
        (folder / f"text.{suffix}").write_text("These are no weights, and long enough to be read.")
    (folder / "key.pth").write_text("hello")
    (folder / "hole.pth").mkdir()
    (folder / "code.pth").write_bytes(pickle.dumps({"weights": _Runs()}, protocol=2))
    (folder / "framed.pth").write_bytes(pickle.dumps({"weights": _Runs()}, protocol=4))
    kept("module", module)
    (folder / "named.py").write_text(_NAMED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is going to be left behind.
        torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 2, 3)), folder / "script.pt")
    kept("list", [1, 2, 3])
    kept("one", torch.zeros(3))
    kept("nothing", {})
    kept("optimizer", {"optimizer": {"lr": 0.1}, "epoch": 3})
    kept("numbers", {"weights": {0: torch.zeros(3)}})
    itself: dict[str, object] = {}
    itself["state_dict"] = itself
    kept("itself", itself)
    changed("shape", torch.zeros(2, 3))
    kept("other", {"stem.0.weight": torch.zeros(4, 3, 3, 3)})
    kept("part", {name: value for name, value in state.items() if name != last})
    kept("more", {**state, "head.weight": torch.zeros(3)})
    changed("whole_numbers", (state[first] * 100).to(torch.int8))
    changed("complex", state[first].to(torch.complex64))
    changed("sparse", state[first].to_sparse())
    changed("meta", torch.empty_like(state[first], device="meta"))
