"""Networks, factories and targets whose own code fails, in whatever way."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.bad_input.faulty import FAULTY

CASES = r"""
predictions photo.png --model bad.py:key | key fails on an input [1, 3, 32, 32]: KeyError: 'kept'
predictions photo.png --model bad.py:attribute | AttributeError
predictions photo.png --model bad.py:name | NameError
predictions photo.png --model bad.py:zero | ZeroDivisionError: division by zero
predictions photo.png --model bad.py:missing | ModuleNotFoundError
predictions photo.png --model bad.py:overflow | OverflowError
predictions photo.png --model bad.py:ends | StopIteration
predictions photo.png --model bad.py:end_of_file | EOFError
predictions photo.png --model bad.py:no_file | FileNotFoundError
predictions photo.png --model bad.py:memory | too little memory
predictions photo.png --model bad.py:leaves | SystemExit: 7
predictions photo.png --model bad.py:task | bad.py fails: Cancelled: stopped (bad.py, line
predictions photo.png --model bad.py:wordless | Wordless (bad.py, line
predictions photo.png --model bad.py:wordless_value | input [1, 3, 32, 32]: WordlessValue.
predictions photo.png --model bad.py:hooked | KeyError: 'hook'
cam photo.png --model bad.py:hooked_back | No gradient can be sent through
predictions photo.png --model bad.py:makes_none | gives a NoneType, not a torch.nn.Module
predictions photo.png --model bad.py:makes_text | not a torch.nn.Module
predictions photo.png --model bad.py:needs | bad.py:needs needs arguments: size
predictions photo.png --model bad.py:raises | bad.py:raises fails: KeyError: 'made'
predictions photo.png --model bad.py:quits | bad.py:quits fails: SystemExit: 7
predictions photo.png --model bad.py:crops | The crop 32 is not a height and a width in pixels
predictions photo.png --model bad.py:resizes | The resize '32' is neither a length in pixels nor
predictions photo.png --model bad.py:one_mean | The mean 0.5 is not a number for each channel
predictions photo.png --model bad.py:unsized | missing 3 required positional arguments
predictions photo.png --model bad.py:keys | Did you mean 'key'
predictions photo.png --model bad.py | which network in it is not said
predictions photo.png --model bads.py:key | There is no file 'bads.py'
predictions photo.png --model syntax.py:key | syntax.py fails when it is imported
predictions photo.png --model importing.py:key | ModuleNotFoundError
predictions photo.png --model quitting.py:key | quitting.py fails when it is imported: SystemExit: 7
"""

_NETWORKS = (
    FAULTY
    + """
import sys

class Cancelled(BaseException):
    pass

class Wordless(Exception):
    def __str__(self):
        raise KeyError("no text")

class WordlessValue(ValueError):
    __str__ = Wordless.__str__

def fail(error):
    raise error

def key(): return Net(lambda: {}["kept"])
def attribute(): return Net(lambda: torch.nn.ReLU().slope)
def name(): return Net(lambda: undefined)
def zero(): return Net(lambda: 1 / 0)
def missing(): return Net(lambda: __import__("cnnviz_has_no_such_module"))
def overflow(): return Net(lambda: 1e300 ** 2)
def ends(): return Net(lambda: next(iter(())))
def end_of_file(): return Net(lambda: fail(EOFError()))
def no_file(): return Net(lambda: open("nowhere.bin"))
def memory(): return Net(lambda: fail(MemoryError()))
def leaves(): return Net(lambda: sys.exit(7))
def task(): return Net(lambda: fail(Cancelled("stopped")))
def wordless(): return Net(lambda: fail(Wordless()))
def wordless_value(): return Net(lambda: fail(WordlessValue()))

def hooked():
    network = Net(lambda: None)
    network.conv.register_forward_hook(lambda *_: {}["hook"])
    return network

def hooked_back():
    network = Net(lambda: None)
    def hook(module, given, output):
        if output.requires_grad:
            output.register_hook(lambda gradient: {}["back"])
    network.conv.register_forward_hook(hook)
    return network

def makes_none(): return None
def makes_text(): return "a network"
def needs(size): return Net(size)
def raises(): return {}["made"]
def quits(): sys.exit(7)
def crops(): return Preprocessing(resize=None, crop=32, mean=(0.5,), std=(0.5,))
def resizes(): return Preprocessing(resize="32", crop=None, mean=(0.5,), std=(0.5,))
def one_mean(): return Preprocessing(resize=None, crop=None, mean=0.5, std=0.5)
def unsized(): return Preprocessing(crop=32)
"""
)


def make(folder: Path) -> None:
    """Write a file of networks, and files that cannot be imported."""
    from PIL import Image

    Image.new("RGB", (32, 32), (90, 120, 40)).save(folder / "photo.png")
    (folder / "bad.py").write_text(_NETWORKS)
    (folder / "syntax.py").write_text("def key(:\n")
    (folder / "importing.py").write_text("import cnnviz_has_no_such_module\n")
    (folder / "quitting.py").write_text("import sys\nsys.exit(7)\n")
