"""What takes no part in a training as it might: what is in eval mode, parameters nobody uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import UninitializedParameter

from cnnviz.introspection.hooks import change_gradient

_NORM = ("input", "running_mean", "running_var", "weight", "bias")
_TORCH_NORM = ("input", "weight", "bias", "running_mean", "running_var")
_DROPOUT = ("input", "p")
_F_DROPOUT = ("dropout", _DROPOUT, "training", True)
_TORCH_DROPOUT = ("dropout", _DROPOUT, "train", True)
_FUNCTIONS: dict[Any, tuple[str, tuple[str, ...], str, bool]] = {
    F.batch_norm: ("batch_norm", _NORM, "training", False),
    torch.batch_norm: ("batch_norm", _TORCH_NORM, "training", False),
    F.instance_norm: ("instance_norm", _NORM, "use_input_stats", True),
    torch.instance_norm: ("instance_norm", _TORCH_NORM, "use_input_stats", True),
    F.alpha_dropout: ("dropout", _DROPOUT, "training", False),
    F.feature_alpha_dropout: ("dropout", _DROPOUT, "training", False),
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d), _F_DROPOUT),
    **dict.fromkeys((torch.dropout, torch.feature_dropout), _TORCH_DROPOUT),
    **dict.fromkeys((torch.alpha_dropout, torch.feature_alpha_dropout), _TORCH_DROPOUT),
}
"""Of each function its kind, its arguments up to the one that says how it works, the name of that
one, and what it is where it is not given."""


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


def rests(function: Any, args: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Return the kind of a function that is called as in evaluation; "" of any other call.

    As for modules, a normalisation whose weights are all frozen was put to rest on purpose.
    """
    known = _FUNCTIONS.get(function)
    if known is None:
        return ""
    kind, names, mode, otherwise = known
    given = {**dict(zip((*names, mode), args, strict=False)), **named}
    if given.get(mode, otherwise):
        return ""
    if kind == "dropout":
        return kind if given.get("p", 0.5) > 0.0 else ""
    own = [one for one in (given.get("weight"), given.get("bias")) if one is not None]
    return kind if not own or any(one.requires_grad for one in own) else ""


class RestingFunctions:
    """The calls of functions as in evaluation, such as ``F.batch_norm(..., training=False)``.

    Only those count that a gradient comes back to: a validation may forget `torch.no_grad()`.
    Those that modules make are told of the modules.
    """

    def __init__(self) -> None:
        self._called: dict[str, str] = {}
        self._reached: set[str] = set()
        self._inside = 0

    def enter(self, module: nn.Module, by: int = 1) -> None:
        """Take note that a module is called, or, with -1, that its call is over."""
        self._inside += by * isinstance(module, (_DropoutNd, _NormBase))

    def leave_all(self) -> None:
        """Take note that no module is being called."""
        self._inside = 0

    def take(self, kind: str, output: torch.Tensor, layer: str | None) -> None:
        """Take note of a call; `layer` is the last one that was called before it."""
        if self._inside or not output.requires_grad:
            return
        place = f"the {kind.replace('_', ' ')} {f'after {layer}' if layer else 'at the beginning'}"
        self._called[place] = f"F.{kind}"
        change_gradient(output, lambda gradient: self._reached.add(place))

    def found(self, root: nn.Module) -> dict[str, str]:
        """Return where functions were called so, and which, in the order of the calls.

        In a network in train mode dropout of a part that rests is meant.
        """
        meant = ("F.dropout",) if root.training else ()
        return {
            place: function
            for place, function in self._called.items()
            if place in self._reached and function not in meant
        }


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
