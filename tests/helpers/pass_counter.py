"""Counts the passes of a network by hooks: which images, with which weights, and for what."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Pass:
    """One forward pass of the whole network.

    Attributes
    ----------
    section : str
        During which step it was made.
    images : tuple of str
        The digest of each image of the batch.
    weights : str
        A digest of the weights, which tells a network that forgot what it learned.
    computes : bool
        Whether anything was computed; a trace leaves the arithmetic out.
    graph : bool
        Whether a graph for a backward pass was made.
    """

    section: str
    images: tuple[str, ...]
    weights: str
    computes: bool
    graph: bool


@dataclass
class Passes:
    """What was counted.

    Attributes
    ----------
    forward : list of Pass
        Every forward pass.
    backward : list of Pass
        The forward pass that each backward pass went back through.
    """

    forward: list[Pass] = field(default_factory=list)
    backward: list[Pass] = field(default_factory=list)
    section: str = ""

    def progress(self, done: int, total: int, what: str) -> None:
        """Take note of the step that begins, as the progress of a report."""
        self.section = what

    def computed(self) -> Counter[tuple[str, str]]:
        """Return how often each image went through the network with the same weights."""
        return Counter(
            (image, one.weights) for one in self.forward if one.computes for image in one.images
        )

    def table(self) -> str:
        """Return the passes of each section, as a table in Markdown."""
        lines = [
            "| section | forward passes | of images | traces | backward passes | of images |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for section in (*dict.fromkeys(one.section for one in self.forward), None):
            here = [one for one in self.forward if section in (one.section, None)]
            computed = [one for one in here if one.computes]
            back = [one for one in self.backward if section in (one.section, None)]
            lines.append(
                f"| {'**all**' if section is None else section} | {len(computed)} "
                f"| {_images(computed)} | {len(here) - len(computed)} "
                f"| {len(back)} | {_images(back)} |"
            )
        return "\n".join(lines)


def _images(passes: list[Pass]) -> int:
    return sum(len(one.images) for one in passes)


@contextmanager
def counted(network: nn.Module) -> Iterator[Passes]:
    """Count the passes of a network, and of its copies, while the context lasts.

    Calls are met where torch makes them, since a hook on a network would make it another one to
    whoever keeps findings about it.
    """
    passes = Passes()
    inside: list[nn.Module] = []
    count = sum(1 for _ in network.modules())
    call = nn.Module.__call__

    def met(module: nn.Module, *args: Any, **named: Any) -> Any:
        whole = type(module) is type(network) and sum(1 for _ in module.modules()) == count
        if not whole or module in inside:
            return call(module, *args, **named)
        given = next(value for value in (*args, *named.values()) if isinstance(value, torch.Tensor))
        one = _noted(passes.section, module, given)
        inside.append(module)
        try:
            output = call(module, *args, **named)
        finally:
            inside.pop()
            passes.forward.append(one)
        if isinstance(output, torch.Tensor) and output.requires_grad:
            output.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: passes.backward.append(one)
            )
        return output

    nn.Module.__call__ = met  # type: ignore[method-assign]
    try:
        yield passes
    finally:
        nn.Module.__call__ = call  # type: ignore[method-assign]


def _noted(section: str, module: nn.Module, images: torch.Tensor) -> Pass:
    grad = torch.is_grad_enabled()
    with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
        return Pass(
            section=section,
            images=tuple(digest(image) for image in images),
            weights=digest(*module.parameters(), *module.buffers()),
            computes=torch._C._len_torch_dispatch_stack() == 0,
            graph=grad,
        )


def digest(*values: torch.Tensor) -> str:
    """Return what tells an image, or weights, from all others."""
    digest = hashlib.sha1(usedforsecurity=False)
    for value in values:
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
