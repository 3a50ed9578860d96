"""Whether an object is a network that can be run: its weights are there."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from cnnviz.errors import ModelError, UsageError


def check_module(module: object) -> None:
    """Raise a `CnnvizError` unless an object is a network whose weights are all there."""
    if not isinstance(module, nn.Module):
        remedy = "Load it first: cnnviz.load(name)." if isinstance(module, str) else ""
        raise UsageError(
            f"A network must be a torch.nn.Module, not {type(module).__name__}.",
            remedy or "Give a torch.nn.Module, or what cnnviz.load returns.",
        )
    named = [*module.named_parameters(), *module.named_buffers()]
    lazy = [name for name, tensor in named if is_lazy(tensor)]
    if lazy:
        raise ModelError(
            f"{type(module).__name__} has lazy layers that have never seen an input ({lazy[0]}).",
            "Run it once on an input of the right shape before handing it over.",
        )
    meta = [name for name, tensor in named if tensor.is_meta]
    if meta:
        raise ModelError(
            f"The weights of {type(module).__name__} are on the meta device ({meta[0]}).",
            "Load real weights first: module.to_empty(device='cpu') and load_state_dict.",
        )
