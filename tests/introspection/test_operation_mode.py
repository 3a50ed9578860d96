"""Operations are met one by one, compiled or not, and torch's compiler is not imported for it."""

from __future__ import annotations

import subprocess
import sys

import torch

from cnnviz.introspection.operation_mode import OperationMode
from cnnviz.models.torchvision_import import _compiler_later, import_torchvision

IMPORTS = """
import sys
own = set()
def loaded(*names):
    print(sorted({*names} & set(sys.modules) - own))
import cnnviz.models, cnnviz.images
assert "load" in dir(cnnviz.models)
loaded("torch", "torchvision", "timm", "matplotlib", "cv2")
from cnnviz.models import load
from cnnviz.images import read_photo
shapes = load("shapes", "random")
loaded("torchvision", "timm", "matplotlib")
import torch
import torch.utils.checkpoint
# torchvision imports it, and with torch 2.6 it imports sympy.
own = {"sympy"} & set(sys.modules)
import cnnviz
cnnviz.capture(shapes, cnnviz.Shapes()[0].image)
loaded("torch._dynamo")
model = cnnviz.load("squeezenet1_1", weights="random")
capture = cnnviz.capture(model, torch.rand(1, 3, 64, 64))
cnnviz.cam(capture)
cnnviz.architecture(model, (64, 64))
loaded("torch._dynamo", "torch._inductor", "sympy", "scipy", "sklearn", "captum", "matplotlib")
import torchvision
boxes = [torch.tensor([[0.0, 0.0, 9.0, 9.0]])]
print(tuple(torchvision.ops.roi_align(torch.rand(1, 3, 32, 32), boxes, 4).shape))
"""


class Names(OperationMode):
    """Notes what it meets."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.met.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_each_operation_is_met_and_gives_what_it_gives_anyway() -> None:
    image = torch.arange(6.0)
    with Names() as names:
        found = (image * 2).sum()
    assert names.met == ["mul", "sum"]
    assert found.item() == 30.0


def test_the_same_once_the_compiler_is_there() -> None:
    import torch._dynamo

    with Names() as names:
        assert torch.compiler.is_compiling() is False
        torch.ones(2).exp()
    assert names.met == ["ones", "exp"]


def test_nothing_is_imported_before_it_is_needed_and_the_compiler_never() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False
    )
    told = done.stdout.splitlines()
    assert told == [*["[]"] * 4, "(1, 3, 4, 4)"], done.stderr


def test_what_stands_in_for_the_compiler_is_gone_afterwards(monkeypatch) -> None:
    import torch._dynamo.utils as itself

    monkeypatch.delitem(sys.modules, "torch._dynamo.utils")
    assert import_torchvision().__name__ == "torchvision"
    assert "torch._dynamo.utils" not in sys.modules
    monkeypatch.setitem(sys.modules, "torch._dynamo.utils", itself)
    assert import_torchvision().__name__ == "torchvision"
    assert sys.modules["torch._dynamo.utils"] is itself


def test_what_stands_in_for_the_compiler_answers_as_it_does(monkeypatch) -> None:
    import torch._dynamo.utils as itself

    monkeypatch.delitem(sys.modules, "torch._dynamo.utils")
    with _compiler_later():
        # As torchvision.ops does.
        from torch._dynamo.utils import is_compile_supported

        assert sys.modules["torch._dynamo.utils"] is not itself
    monkeypatch.setitem(sys.modules, "torch._dynamo.utils", itself)
    assert is_compile_supported("cpu") is itself.is_compile_supported("cpu") is True
