"""How many images fit into memory at once, so that nobody has to guess a batch size."""

from __future__ import annotations

import os

import torch

from cnnviz.models import Model
from cnnviz.tracing import trace

_UNKNOWN = 2 << 30
_SHARE = 0.4
_MOST = 64


def rows_at_once(model: Model, inputs: torch.Tensor) -> int:
    """Return how many images can go through the network together, forward and backward.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W], for their size.

    Returns
    -------
    int
        From 1 to 64: past that a batch gains nothing. The outputs of all layers, which the backward
        pass keeps, may take four tenths of the free memory.
    """
    one = trace(model.module, tuple(inputs.shape[1:])).activation_bytes
    return max(1, min(_MOST, int(_SHARE * _free_bytes(inputs.device) / max(one, 1))))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN
