"""The digest of a network's weights, and what tells whether they were written to since."""

from __future__ import annotations

import ctypes
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.introspection.turns import one_at_a_time


class KeptDigest:
    """The digest of a network's weights, kept until one of them is written to."""

    def __init__(self) -> None:
        self._kept: tuple[object, str] | None = None

    def of(self, module: nn.Module) -> str:
        """Return the digest of the network, which is always the same one."""
        with one_at_a_time():
            versions = versions_of(module)
            if self._kept is None or versions is None or self._kept[0] != versions:
                self._kept = (versions, digest_of(_state(module)))
            return self._kept[1]


def _state(module: nn.Module) -> Mapping[str, Any]:
    try:
        return module.state_dict()
    except Exception as error:
        raise ModelError(
            f"The weights of {type(module).__name__} cannot be had: its state_dict raises "
            f"{type(error).__name__}: {error}.",
            "Mend its state_dict: results say by the digest of the weights what they are of.",
        ) from error


def versions_of(module: nn.Module) -> tuple[object, ...] | None:
    """Return what changes whenever a tensor of the state is written to; None if that is unknown."""
    versions: list[object] = []
    # Asking for the state_dict would take as long as a layer of a deep network.
    for place, child in module.named_modules(remove_duplicate=False):
        if type(child).get_extra_state is not nn.Module.get_extra_state:
            return None
        for name, tensor in chain(child._parameters.items(), child._buffers.items()):
            if tensor is None:
                continue
            if tensor.is_inference():
                return None
            # A sparse tensor lies in several places.
            strided = tensor.layout is torch.strided and not tensor.is_nested
            lies = tensor.data_ptr() if strided else id(tensor)
            versions.append((place, name, lies, tensor._version))
    return tuple(versions)


def digest_of(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 over the names, types, shapes and bytes of a state_dict, in order."""
    digest = hashlib.sha256()
    for name, value in state.items():
        _add(digest, name, value)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, value: Any) -> None:
    """Add an entry: a tensor, or extra state, which may be any object, with tensors in it."""
    if isinstance(value, torch.Tensor):
        digest.update(f"{name} {value.dtype} {_shape(value)}\n".encode())
        _update(digest, value.detach())
    elif type(value) in (dict, OrderedDict, list, tuple):
        digest.update(f"{name} {type(value).__name__} {len(value)}\n".encode())
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            _add(digest, f"{name}.{key}", entry)
    else:
        digest.update(f"{name} {value!r}\n".encode())


def _shape(value: torch.Tensor) -> object:
    # Of a nested tensor only the parts have one.
    return [_shape(part) for part in value.unbind()] if value.is_nested else tuple(value.shape)


def _update(digest: hashlib._Hash, value: torch.Tensor) -> None:
    """Add the bytes of a tensor in the order of its indices, however it lies and wherever."""
    if value.is_nested:
        for part in value.unbind():
            _update(digest, part)
        return
    if value.layout is not torch.strided:
        value = value.to_dense()
    if value.is_quantized:
        _update_scales(digest, value)
        value = value.int_repr()
    # Held while it is read: it may be a copy, of a GPU's memory or in another order, that nobody
    # else holds. An array over the memory would leave a tensor that can never be resized again.
    flat = value.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    size = flat.numel() * flat.element_size()
    if size:
        digest.update((ctypes.c_ubyte * size).from_address(flat.data_ptr()))


def _update_scales(digest: hashlib._Hash, value: torch.Tensor) -> None:
    """Add what the whole numbers of a quantised tensor stand for."""
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        digest.update(f"{value.q_scale()!r} {value.q_zero_point()}\n".encode())
        return
    digest.update(f"{value.q_per_channel_axis()}\n".encode())
    _update(digest, value.q_per_channel_scales())
    _update(digest, value.q_per_channel_zero_points())
