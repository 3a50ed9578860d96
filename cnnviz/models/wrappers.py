"""Take a network out of what training put around it."""

from __future__ import annotations

import sys

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from cnnviz.errors import ModelError
from cnnviz.results.text import kind_of

_PARALLEL = (DataParallel, DistributedDataParallel)
_INNER = ("model", "net", "network", "backbone", "module", "encoder")


def unwrap(module: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the network inside a wrapper of training, and notes that say so.

    Taken off are DataParallel, DistributedDataParallel, averaged weights (``AveragedModel``), what
    ``torch.compile`` returns, and a module without a forward of its own around one network, such as
    a LightningModule that only trains. Anything else comes back as it is.

    Raises
    ------
    ModelError
        Its weights are in shards over several processes.
    """
    notes: list[str] = []
    while True:
        _check_whole(module)
        inner = _inside(module)
        if inner is None:
            return module, tuple(notes)
        notes.append(f"The network inside {kind_of(module)} is looked at")
        module = inner


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, (*_PARALLEL, _averaged())):
        inner = module.module
        return inner if isinstance(inner, nn.Module) else None
    if _is_compiled(module):
        return module.get_submodule("_orig_mod")
    if _has_forward(module):
        return None
    parts = {name: child for name, child in module.named_children() if name in _INNER}
    return next(iter(parts.values())) if len(parts) == 1 else None


def _is_compiled(module: nn.Module) -> bool:
    # Only what has compiled something has imported this, and it takes seconds to import.
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def _averaged() -> type[nn.Module]:
    from torch.optim.swa_utils import AveragedModel

    return AveragedModel


def _has_forward(module: nn.Module) -> bool:
    """Whether its class says what it computes; Lightning's own only hands on to `nn.Module`."""
    for kind in type(module).__mro__:
        if "forward" in vars(kind):
            lightnings = kind.__name__ == "LightningModule"
            return kind is not nn.Module and not lightnings
        if kind is nn.Module:
            return False
    return True


def _check_whole(module: nn.Module) -> None:
    for child in module.modules():
        sharded = type(child).__name__ in ("FullyShardedDataParallel", "FSDPModule") or any(
            type(parameter).__name__ == "DTensor" for parameter in child.parameters(recurse=False)
        )
        if sharded:
            raise ModelError(
                f"The weights of {type(module).__name__} are in shards over several processes.",
                "Load the whole state_dict into a plain network: in every process, "
                "torch.distributed.checkpoint.state_dict.get_model_state_dict with "
                "StateDictOptions(full_state_dict=True) returns it.",
            )
