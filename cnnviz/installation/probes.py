"""What packages say of themselves: run in a process of their own, which a broken one may end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

MARK = "cnnviz-doctor "
"""What a line begins with that is an answer; packages print what they like."""
Facts = dict[str, Any]


def main(names: Sequence[str]) -> None:
    """Probe modules one after the other, and print what was found on a line for each."""
    for name in names:
        try:
            found = _PROBES.get(name, _imported)(name)
        except BaseException as error:  # a package may raise anything when it is imported
            found = {"error": f"{type(error).__name__}: {error}", "missing": _missing(error)}
        sys.stdout.write(f"{MARK}{json.dumps({'name': name, 'facts': found}, default=str)}\n")
        sys.stdout.flush()


def _missing(error: BaseException) -> str | None:
    return error.name if isinstance(error, ModuleNotFoundError) else None


def _imported(name: str) -> Facts:
    module = import_module(name)
    if getattr(module, "__file__", None) is None:
        raise ImportError(f"{name} is a folder without files: {list(module.__path__)}")
    return {"file": module.__file__}


def _torch(name: str) -> Facts:
    import torch

    # Computes what every network does: an import alone does not show a processor that lacks it.
    torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)).numpy()
    return {
        **_imported(name),
        "version": torch.__version__,
        "cuda_build": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        "cuda": _tried(_gpus),
        "mps": _tried(_mps),
    }


def _tried(look: Callable[[], Facts]) -> Facts:
    """Return what a look at a device gives; a device that fails leaves the processor working."""
    import warnings

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = look()
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
    return {**found, "warnings": [str(each.message) for each in told]}


def _gpus() -> Facts:
    import torch

    if not torch.cuda.is_available():
        return {"devices": []}
    devices = []
    for place in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(place)
        torch.ones(8, device=f"cuda:{place}").sum().item()
        devices.append(f"{about.name}, {about.total_memory / 1e9:.0f} GB")
    return {"devices": devices}


def _mps() -> Facts:
    import torch

    if not torch.backends.mps.is_available():
        return {"devices": []}
    torch.ones(8, device="mps").sum().item()
    return {"devices": ["MPS"]}


def _torchvision(name: str) -> Facts:
    import torch

    found = _imported(name)
    ops = import_module("torchvision.ops")
    ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([0.5]), 0.5)
    return found


def _cv2(name: str) -> Facts:
    import numpy as np

    import_module(name).resize(np.zeros((2, 2, 3), np.uint8), (4, 4))
    return _imported(name)


def _matplotlib(name: str) -> Facts:
    found = _imported(name)
    import matplotlib as mpl
    from matplotlib import font_manager

    family = mpl.rcParams["font.family"]
    try:
        wanted = font_manager.FontProperties()
        font = str(font_manager.findfont(wanted, fallback_to_default=False))
    except ValueError:
        font = ""
    return {
        **found,
        "settings": mpl.matplotlib_fname(),
        "backend": mpl.get_backend(auto_select=False) or "chosen when it is needed",
        "family": ", ".join(map(str, family)),
        "font": font,
        "cache": mpl.get_cachedir(),
    }


_PROBES: dict[str, Callable[[str], Facts]] = {
    "torch": _torch,
    "torchvision": _torchvision,
    "cv2": _cv2,
    "matplotlib": _matplotlib,
}


if __name__ == "__main__":
    main(sys.argv[1:])
