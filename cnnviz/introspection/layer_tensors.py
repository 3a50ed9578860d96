"""The tensors that layers gave, found by layer name and call index."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from cnnviz.bounds import read_whole
from cnnviz.errors import LayerError, NotReachedError, did_you_mean
from cnnviz.introspection.call_names import call_name, no_call, several_calls
from cnnviz.introspection.called_functions import function_not_layer
from cnnviz.introspection.layers import check_is_layer, named_layers

Key = tuple[str, int]


class LayerTensors(Mapping[str, torch.Tensor]):
    """The tensors of the captured layers, by layer name or by (name, call index).

    The plain name of a layer that was called once means that call. Where it was called several
    times the plain name is an error that lists the calls.
    """

    def __init__(
        self,
        entries: Mapping[Key, torch.Tensor],
        absent: Mapping[str, str],
        module: nn.Module,
    ) -> None:
        self._entries = dict(entries)
        self._absent = dict(absent)
        self._module = module

    @classmethod
    def joined(cls, parts: Sequence[LayerTensors]) -> LayerTensors:
        """Return the tensors of several passes behind each other, of the calls that all made."""
        first = parts[0]
        entries, absent = {}, {name: why for part in parts for name, why in part._absent.items()}
        for key in dict.fromkeys(key for part in parts for key in part._entries):
            found = [part._entries[key] for part in parts if key in part._entries]
            if len(found) == len(parts) and len({one.shape[1:] for one in found}) == 1:
                entries[key] = torch.cat(found)
            else:
                absent[key[0]] = f"Layer {key[0]!r} does not give the same for every image."
        return cls(entries, absent, first._module)

    def only(self, layers: Collection[str]) -> LayerTensors:
        """Return those of some layers."""
        entries = {key: value for key, value in self._entries.items() if key[0] in layers}
        absent = {name: why for name, why in self._absent.items() if name in layers}
        return LayerTensors(entries, absent, self._module)

    def __getitem__(self, key: str | Key) -> torch.Tensor:
        return self._entries[self.resolve(key)]

    def __contains__(self, key: object) -> bool:
        # A mapping goes by KeyError, and what is raised here is a sentence for who reads it.
        if not (isinstance(key, str) or (isinstance(key, tuple) and len(key) == 2)):
            return False
        try:
            self.resolve(key)
        except LayerError:
            return False
        return True

    def get(self, key: str | Key, default: Any = None) -> Any:
        """Return the tensor of a call, or `default` where there is none."""
        try:
            return self[key]
        except LayerError:
            return default

    def __iter__(self) -> Iterator[str]:
        for key in self._entries:
            yield self.name_of(key)

    @property
    def calls(self) -> tuple[Key, ...]:
        """The calls that there is a tensor of, in their order."""
        return tuple(self._entries)

    def name_of(self, call: Key) -> str:
        """Return what a call is asked for by: its layer, and which call where it has several."""
        name, index = call
        return call_name(name, index, self._calls(name))

    def __len__(self) -> int:
        return len(self._entries)

    def _calls(self, name: str) -> int:
        return sum(1 for known, _ in self._entries if known == name)

    def resolve(self, key: str | Key) -> Key:
        """Return the (name, call index) that a key stands for.

        Raises
        ------
        LayerError
            If the layer was not captured, was not called, or was called more than once.
        """
        name, index = self._read(key)
        if index is None:
            calls = self._calls(name)
            if calls > 1:
                raise several_calls(name, calls)
            index = 0
        if (name, index) in self._entries:
            return name, index
        raise self._missing(name, index)

    def _read(self, key: str | Key) -> tuple[str, int | None]:
        if isinstance(key, tuple):
            return key
        if self._calls(key) or key in self._absent:
            return key, None
        if "#" in key and key in named_layers(self._module):
            return key, None
        name, mark, index = key.rpartition("#")
        call = read_whole(index) if mark else None
        return (key, None) if call is None else (name, call)

    def _missing(self, name: str, index: int) -> LayerError:
        # Asked for only when a name is wrong: naming every layer of a deep network takes a while.
        known = named_layers(self._module)
        check_is_layer(name, known)
        if name in self._absent:
            return NotReachedError(self._absent[name], "Choose another layer.")
        if self._calls(name):
            return no_call(name, index, self._calls(name))
        if name in known:
            return LayerError(
                f"Layer {name!r} is not in this capture.",
                f"Capture it: capture(model, images, layers=[{name!r}]).",
                option="Name it with --layer.",
            )
        return function_not_layer(self._module, name) or LayerError(
            f"The network has no layer {name!r}.", did_you_mean(name, [*self, *known])
        )
