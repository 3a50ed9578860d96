"""What is found out about a network while it runs, which the notes of its results say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cnnviz.models.random_answers import told_randomness


class RunFindings:
    """What was found out about one network: remarks by subject, and whether it is random."""

    def __init__(self) -> None:
        self._remarks: dict[str, str] = {}
        self._sample: torch.Tensor | None = None
        self._computed: torch.dtype | None = None
        self._typed = True

    def remark(self, subject: str, sentence: str) -> None:
        """Keep a sentence in place of an earlier one on this subject; an empty one removes it."""
        self._remarks[subject] = sentence

    def note_draws(self, inputs: torch.Tensor) -> None:
        """Keep that a pass drew random numbers, and the first image of its batch, [1, C, H, W]."""
        if self._sample is None:
            self._sample = inputs[:1].detach().clone()

    def note_type(self, computed: torch.dtype | None) -> None:
        """Keep what layers returned in the last pass, where it is coarser than single precision."""
        if self._typed:
            self._computed = computed

    @contextmanager
    def type_chosen(self) -> Iterator[None]:
        """Keep nothing of what layers return in the context: it was asked for, and is told."""
        typed, self._typed = self._typed, False
        try:
            yield
        finally:
            self._typed = typed

    @property
    def computed(self) -> torch.dtype | None:
        """What layers returned in the last pass, where it is coarser than single precision."""
        return self._computed

    @property
    def draws(self) -> bool:
        """Whether any pass so far drew random numbers."""
        return self._sample is not None

    def sentences(self, module: nn.Module, known: Iterable[str]) -> tuple[str, ...]:
        """Return what is known of the network already, if it says anything, and what was found."""
        found = [sentence for sentence in (*known, *self._remarks.values()) if sentence]
        if self._sample is not None:
            found.append(told_randomness(module, self._sample))
        return tuple(found)
