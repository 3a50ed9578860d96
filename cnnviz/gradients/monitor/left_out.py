"""What takes no part in a training as it might: modules in eval mode, parameters nobody uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import UninitializedParameter


def rests_in_eval_mode(module: nn.Module) -> bool:
    """Whether a module is in eval mode, and does in a training what it does not in train mode.

    A normalisation takes stored statistics in place of the batch's, and dropout drops nothing. A
    normalisation with weights of its own that are all frozen was put to rest on purpose.
    """
    if module.training:
        return False
    if isinstance(module, _DropoutNd):
        return module.p > 0.0
    if not isinstance(module, _NormBase) or module.running_mean is None:
        return False
    own = list(module.parameters(recurse=False))
    return not own or any(parameter.requires_grad for parameter in own)


def in_eval_mode(
    root: nn.Module, modules: Mapping[str, nn.Module], heard: Collection[str] | None
) -> dict[str, str]:
    """Return the class of each module that rests in eval mode while the network is trained.

    Parameters
    ----------
    root : torch.nn.Module
        The network. Where it is in train mode, dropout of a part in eval mode is meant.
    modules : mapping of str to torch.nn.Module
        All of its modules by name.
    heard : collection of str or None
        Those that rested when a pass with a graph called them, of which only those count that
        still do: validation may forget `torch.no_grad()`. None where calls cannot be heard.
    """
    return {
        name: type(module).__name__
        for name, module in modules.items()
        if (heard is None or name in heard)
        and rests_in_eval_mode(module)
        and not (root.training and isinstance(module, _DropoutNd))
    }


def unused_parameters(
    root: nn.Module, optimizer: torch.optim.Optimizer | None, frozen: Iterable[nn.Module]
) -> tuple[str, ...]:
    """Return the parameters that the optimizer has, and that no gradient was computed for.

    Parameters
    ----------
    root : torch.nn.Module
        The network, at the end of a step, before its gradients are put back.
    optimizer : torch.optim.Optimizer or None
        Without it every parameter counts that requires a gradient.
    frozen : iterable of torch.nn.Module
        Layers of which it is said already that no step can move them.
    """
    groups = optimizer.param_groups if optimizer is not None else []
    held = {id(one) for group in groups for one in group["params"]}
    told = {id(p) for layer in frozen for p in layer.parameters()}
    return tuple(
        name
        for name, parameter in root.named_parameters()
        if parameter.requires_grad
        and parameter.grad is None
        and id(parameter) not in told
        and (id(parameter) in held or not groups)
        and not isinstance(parameter, UninitializedParameter)
    )
