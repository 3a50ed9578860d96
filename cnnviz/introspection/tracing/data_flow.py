"""Which operation read what another gave: the links of the graph that a forward pass is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from cnnviz.introspection.tracing.operation import Operation

Links = tuple[tuple[int, int], ...]
INPUT = -1
"""The place of the image among the calls."""


class DataFlow:
    """Follows tensors from one operation of account to the next.

    What has no row of its own, such as a view or a slice, hands on where its input came from.

    Parameters
    ----------
    image : torch.Tensor
        What goes in.
    """

    def __init__(self, image: torch.Tensor) -> None:
        self._from: Any = WeakTensorKeyDictionary()
        self._from[image] = frozenset({INPUT})
        self._read: list[frozenset[int]] = []

    def sources(self, tensor: torch.Tensor) -> frozenset[int]:
        """Return the operations that a tensor comes from; none where it is no work of the image."""
        found: frozenset[int] = self._from.get(tensor, frozenset())
        return found

    def node(self, operation: Operation) -> int:
        """Note an operation of account, and return its number."""
        self._read.append(self._united(operation.inputs))
        return len(self._read) - 1

    def whole(self, returned: Iterable[torch.Tensor]) -> tuple[int, ...]:
        """Note a module as one, of whose operations none is of account; none where it is no work.

        Parameters
        ----------
        returned : iterable of torch.Tensor
            What it returned.
        """
        outputs = list(returned)
        read = self._united(outputs)
        if not read:
            return ()
        self._read.append(read)
        node = len(self._read) - 1
        for tensor in outputs:
            self._from[tensor] = frozenset({node})
        return (node,)

    def follow(self, operation: Operation, node: int | None) -> None:
        """Note where what an operation returned comes from: from `node`, if it is one."""
        found = frozenset({node}) if node is not None else self._united(operation.inputs)
        for tensor in operation.outputs:
            self._from[tensor] = found

    def overwrite(self, tensor: torch.Tensor, written: torch.Tensor) -> None:
        """Note that what was written to one tensor lies in the memory of another as well."""
        self._from[tensor] = self.sources(tensor) | self.sources(written)

    def links(self, places: Mapping[int, int]) -> Links:
        """Return the pairs of calls of which the second reads what the first gave.

        Parameters
        ----------
        places : mapping of int to int
            The call that each operation belongs to.
        """
        found = set()
        for node, read in enumerate(self._read):
            if node in places:
                found |= {(source, places[node]) for source in self._calls(read, places)}
        return tuple(sorted((one, other) for one, other in found if one != other))

    def calls(self, tensors: Iterable[torch.Tensor], places: Mapping[int, int]) -> tuple[int, ...]:
        """Return the calls that tensors come from."""
        return tuple(sorted(self._calls(self._united(tensors), places)))

    def _united(self, tensors: Iterable[torch.Tensor]) -> frozenset[int]:
        return frozenset().union(*(self.sources(tensor) for tensor in tensors))

    @staticmethod
    def _calls(nodes: Iterable[int], places: Mapping[int, int]) -> set[int]:
        return {places.get(node, INPUT) for node in nodes if node in places or node == INPUT}
