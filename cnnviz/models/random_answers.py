"""How far the answers of a network that draws random numbers lie apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from cnnviz.introspection.forward import forward
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.random_draws import SEED, RandomDraws
from cnnviz.results.text import percent

REPEATS = 8
"""How many seeds the spread is taken over."""

_KEPT: NetworkCache[str] = NetworkCache(values=True)


def told_randomness(module: nn.Module, image: torch.Tensor) -> str:
    """Say that a network draws random numbers, which were drawn, and what others would do.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is left as it was.
    image : torch.Tensor
        One preprocessed image, [1, C, H, W].
    """
    return _KEPT.get(module, tuple(image.shape), lambda: _told(module, image))


def _told(module: nn.Module, image: torch.Tensor) -> str:
    answers = []
    for seed in range(SEED, SEED + REPEATS):
        with isolated(module, grad=False), RandomDraws(seed):
            answers.append([each.double() for each in floats(forward(module, image.clone()))])
    shares = [
        float(torch.stack(same).std(0).max() / torch.stack(same).abs().max().clamp(min=1e-300))
        for same in zip(*answers, strict=False)
        if same[0].numel() and all(each.shape == same[0].shape for each in same)
    ]
    known = f"{percent(max(shares))} of the largest" if shares else ""
    spread = known or "an amount that cannot be told"
    return (
        "The network draws random numbers in its forward pass, such as dropout that is always on. "
        f"Every pass here draws those of seed {SEED}; over {REPEATS} seeds its outputs for the "
        f"first image have a standard deviation of up to {spread}."
    )


def floats(output: Any) -> Iterator[torch.Tensor]:
    """Go through the tensors of floating-point numbers in what a network returned."""
    if isinstance(output, torch.Tensor):
        if output.is_floating_point():
            yield output.detach()
    elif isinstance(output, Mapping):
        for entry in output.values():
            yield from floats(entry)
    elif isinstance(output, (list, tuple)):
        for entry in output:
            yield from floats(entry)
    elif hasattr(output, "__dataclass_fields__"):
        for name in output.__dataclass_fields__:
            yield from floats(getattr(output, name))
