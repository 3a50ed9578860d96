"""What a network changed of itself in its own forward, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.introspection.parameter_evidence import ParameterEvidence
from cnnviz.introspection.saved_state import SavedState


class Changes:
    """What a network's own forward changed that may not be, and what could not be put back."""

    def __init__(self) -> None:
        self.failed: list[Exception] = []
        self._written: list[nn.Parameter] = []
        self._built: list[str] = []
        self._replaced: list[str] = []

    def look(self, saved: SavedState, evidence: ParameterEvidence) -> None:
        """Look for changes, before anything is put back."""
        try:
            self._built, self._replaced = saved.other_parts()
            self._written = evidence.changed()
        except Exception as error:
            self.failed.append(error)

    @property
    def none(self) -> bool:
        """Whether nothing was found, and all could be looked at."""
        return not (self._written or self._built or self._replaced or self.failed)

    def attempt(self, step: Callable[[], None]) -> None:
        """Do a step of putting back, whatever becomes of it."""
        try:
            step()
        except Exception as error:
            self.failed.append(error)

    def check(self, module: nn.Module) -> None:
        """Raise `ModelChangedError` where there is anything."""
        if self._written:
            changed = set(map(id, self._written))
            names = (name for name, entry in module.named_parameters() if id(entry) in changed)
            raise ModelChangedError(
                f"The network's own forward wrote to its parameter {next(names, '?')!r}.",
                "Keep such a value in a buffer: buffers are put back after every call.",
            )
        if self._built:
            raise ModelChangedError(
                f"The network's own forward built {self._built[0]!r}, which it did not have "
                "before.",
                "Run it once on an input of the right shape before handing it over: what is built "
                "at the first call would be built anew, with random weights, for every view.",
            )
        if self._replaced:
            raise ModelChangedError(
                f"The network's own forward put another in the place of its {self._replaced[0]!r}.",
                "Keep its layers and parameters, and compute with what is made of them: a new one "
                "in each pass is none that a view could look at.",
            )
        for failed in self.failed:
            if isinstance(failed, ModelChangedError):
                raise failed
        if self.failed:
            raise ModelChangedError(
                f"A part of the network's state could not be put back: {self.failed[0]}",
                "Give a copy of the network; what its forward keeps is of an unusual kind.",
            ) from self.failed[0]
