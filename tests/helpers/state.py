"""Everything of a network, and of the random states, that a call could change and must not."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn


def state(module: nn.Module) -> list[object]:
    """Return all of it, to be compared with what it is later."""
    hooks = [
        len(entry)
        for child in module.modules()
        for entry in (child._forward_hooks, child._forward_pre_hooks, child._backward_hooks)
    ]
    tensors = [
        (name, id(value), value.numpy(force=True).tobytes())
        for name, value in [*module.named_parameters(), *module.named_buffers()]
    ]
    grads = [None if p.grad is None else p.grad.tolist() for p in module.parameters()]
    flags = [child.training for child in module.modules()]
    frozen = [p.requires_grad for p in module.parameters()]
    return [hooks, tensors, grads, flags, frozen, rng()]


def rng() -> tuple[object, ...]:
    """Return the state of every global random generator."""
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    return (
        random.getstate(),
        numpy["state"]["key"].tobytes(),
        # A draw moves the place in the key, and changes the key itself only every 624 draws.
        numpy["state"]["pos"],
        (numpy["has_gauss"], numpy["gauss"]),
        torch.random.get_rng_state().numpy().tobytes(),
    )
