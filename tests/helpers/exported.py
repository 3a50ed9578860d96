"""Programs of `torch.export`, made as torch 2.7 and later make them unless told otherwise."""

from __future__ import annotations

from functools import partial

import torch

# Strict ones of torch 2.6 lose the names of layers inside `torch.nn.Sequential`.
exported = partial(torch.export.export, strict=False)
