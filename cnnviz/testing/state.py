"""Everything of a network, and of the process, that a view must leave as it found it."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def network_state(module: nn.Module) -> dict[str, object]:
    """Return what a view must not change, by what it is, bit for bit.

    Two states are compared with ``==``; what differs in them is named by the keys.
    """
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    return {
        "the hooks of its layers": {
            name: tuple(len(getattr(layer, kind)) for kind in _HOOKS)
            for name, layer in module.named_modules()
        },
        "its parameters": {name: _bits(value) for name, value in parameters.items()},
        "its buffers": {name: _bits(value) for name, value in buffers.items()},
        "the attributes of its tensors": {
            name: sorted(vars(value)) for name, value in {**parameters, **buffers}.items()
        },
        "the .grad of its parameters": {
            name: None if value.grad is None else _bits(value.grad)
            for name, value in parameters.items()
        },
        "which parameters require a gradient": {
            name: value.requires_grad for name, value in parameters.items()
        },
        "which layers are in training mode": {
            name: layer.training for name, layer in module.named_modules()
        },
        **random_states(),
        "whether torch records gradients": torch.is_grad_enabled(),
    }


def random_states() -> dict[str, object]:
    """Return the states of the global random generators, by what they are."""
    return {
        "the random state of Python": random.getstate(),
        "the random state of numpy": _numpy_bits(),
        "the random state of torch": torch.random.get_rng_state().numpy().tobytes(),
        "the random states of the GPUs": _of_gpus(),
    }


def _of_gpus() -> tuple[bytes, ...]:
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return ()
    return tuple(state.numpy().tobytes() for state in torch.cuda.get_rng_state_all())


def _bits(value: torch.Tensor) -> tuple[int, tuple[int, ...], bytes]:
    """Return which tensor it is, its shape and its bytes."""
    flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return id(value), tuple(value.shape), flat.numpy().tobytes()


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Return what is no longer as it was."""
    return [what for what, value in before.items() if after[what] != value]


def _numpy_bits() -> tuple[object, ...]:
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    # A draw moves the place in the key, and changes the key itself only every 624 draws.
    key, place = numpy["state"]["key"].tobytes(), numpy["state"]["pos"]
    return key, place, numpy["has_gauss"], numpy["gauss"]
