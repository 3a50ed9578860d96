"""Weights as oneDNN reads them, which differs with what they are applied to.

oneDNN divides a convolution among threads, and how it does so decides in which blocks it reads the
weights: one image on two threads may need others than two images. Weights that were packed in
other blocks are laid out anew in every call, with the same result. Some of these layouts are made
number by number, which takes several times as long as the convolution itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cnnviz.introspection.function_calls import unwatched

_MOST = 64
"""For how many shapes and numbers of threads it is known which weights serve them."""


class PackedWeights:
    """The weights of one convolution, packed for the shapes and numbers of threads that it meets.

    To pack all weights of a network takes as long as a pass of one image, and shows only then
    whether these differ from what there is. So that is done for what is met a second time, and for
    the first of all. What is laid out alike is kept once.
    """

    def __init__(self) -> None:
        # None for what was met once.
        self._serving: dict[tuple[int, ...], Any] = {}
        self._kept: dict[bytes, Any] = {}

    def __call__(self, shape: Sequence[int], pack: Callable[[], Any]) -> Any:
        """Return weights that serve inputs of a shape; `pack` packs them for these."""
        # The number that holds now, in this thread.
        met = (torch.get_num_threads(), *shape)
        serving = self._serving.get(met)
        if serving is not None:
            return serving
        again = met in self._serving
        if len(self._serving) >= _MOST and not again:
            self._serving.clear()
        if self._kept and not again:
            self._serving[met] = None
            return next(iter(self._kept.values()))
        made = pack()
        self._serving[met] = self._kept.setdefault(_layout(made), made)
        return self._serving[met]

    def __len__(self) -> int:
        """In how many layouts they are kept."""
        return len(self._kept)


def _layout(packed: Any) -> bytes:
    """Return what tells one layout from all others.

    Where torch cannot tell, the first serves all shapes, if slowly.
    """
    if not hasattr(torch.ops.mkldnn, "_get_mkldnn_serialized_md"):
        return b""
    with unwatched():
        told: torch.Tensor = torch.ops.mkldnn._get_mkldnn_serialized_md(packed)
        return bytes(told.tolist())
