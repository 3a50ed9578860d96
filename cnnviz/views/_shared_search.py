"""What a search for the strongest patches found in some shards: joined exactly, kept as arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.datasets import LoadedBatch
from cnnviz.images import Refusal
from cnnviz.units.top_k import TopK

if TYPE_CHECKING:
    from cnnviz.views.top_activations_search import Search

Arrays = Mapping[str, NDArray[Any]]
_LISTED = ("places", "labels", "refused", "refusals")
_BY_LAYER = ("sizes", "summed", "sums")


class SearchCounter:
    """Looks at the images that fall to one process, for several searches.

    Parameters
    ----------
    searches : sequence of Search
        The searches.
    shard : int
        Images in a shard.
    """

    def __init__(self, searches: Sequence[Search], shard: int) -> None:
        self._of = {search.passage.layer: search for search in searches}
        self._first = searches[0].passage.layer
        self._places: list[NDArray[np.int64]] = []
        for search in searches:
            search.shard = shard

    def see(self, layer: str, maps: torch.Tensor, batch: LoadedBatch) -> None:
        """Count the maps of a batch of images."""
        self._of[layer].see(layer, maps, batch)
        if layer == self._first:
            self._places.append(batch.indices)

    def answered(self, output: Any, batch: LoadedBatch) -> None:
        """Look at no answer: what layers give says it all."""

    def portion(self, shards: tuple[int, ...], refused: Mapping[int, Refusal]) -> SearchPortion:
        """Return everything, as what these shards hold."""
        places = np.concatenate([np.empty(0, np.int64), *self._places])
        found: dict[str, NDArray[Any]] = {
            "places": places,
            "labels": self._of[self._first].labels[places],
            "refused": np.array([*refused], np.int64),
            "refusals": np.array([json.dumps(vars(each)) for each in refused.values()], np.str_),
        }
        for at, search in enumerate(self._of.values()):
            found |= {f"{at} {name}": each for name, each in _of_search(search, places).items()}
        return SearchPortion(shards, found)


@dataclass(frozen=True, eq=False)
class SearchPortion:
    """What was found in some shards.

    Attributes
    ----------
    shards : tuple of int
        Which ones.
    found : mapping of str to ndarray
        The images that were looked at, and of each layer what its search holds.
    """

    shards: tuple[int, ...]
    found: Arrays

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays by name."""
        return {"shards": np.array(self.shards, np.int64), **self.found}

    def fill(self, searches: Sequence[Search]) -> None:
        """Let the searches hold all this."""
        pairs = zip(self.found["refused"].tolist(), self.found["refusals"].tolist(), strict=True)
        refused = {place: Refusal(**json.loads(text)) for place, text in sorted(pairs)}
        places = self.found["places"]
        for at, search in enumerate(searches):
            held = {name: self.found[f"{at} {name}"] for name in _BY_LAYER}
            search.seen, search.refused = len(places), refused
            search.labels[places] = self.found["labels"]
            search.sizes[places] = held["sizes"]
            search.sums = dict(zip(held["summed"].tolist(), held["sums"], strict=True))
            search.found = _strongest(self.found, at) or search.found


class SearchPortions:
    """How the parts of one search are read and joined."""

    def of_arrays(self, found: Arrays) -> SearchPortion:
        """Return what `SearchPortion.arrays` came from; a LookupError if it is none."""
        rest = {name: each for name, each in found.items() if name not in ("shards", "key")}
        for name in (*_LISTED, *(f"0 {each}" for each in _BY_LAYER)):
            _ = rest[name]
        return SearchPortion(tuple(found["shards"].tolist()), rest)

    def joined(self, portions: Sequence[SearchPortion]) -> SearchPortion:
        """Return what was found in the shards of all of them."""
        every = [each.found for each in portions]
        layers = range(sum(name.endswith(" sizes") for name in every[0]))
        found: dict[str, NDArray[Any]] = {
            name: np.concatenate([each[name] for each in every]) for name in _LISTED
        }
        for at in layers:
            # Where no image of some shards could be read, nobody knows how many channels there are.
            known = [each for each in every if len(each[f"{at} sums"])] or every[:1]
            found |= {
                f"{at} {name}": np.concatenate([each[f"{at} {name}"] for each in known])
                for name in _BY_LAYER
            }
            kept = [one for each in every if (one := _strongest(each, at)) is not None]
            for other in kept[1:]:
                kept[0].merge(other)
            if kept:
                found |= {f"{at} top {name}": each for name, each in kept[0].state().items()}
        shards = tuple(sorted(shard for each in portions for shard in each.shards))
        return SearchPortion(shards, found)


def _of_search(search: Search, places: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    found = {
        "sizes": search.sizes[places],
        "summed": np.array([*search.sums], np.int64),
        "sums": np.array([*search.sums.values()], np.float64),
    }
    if search.sums:
        found |= {f"top {name}": each for name, each in search.found.state().items()}
    return found


def _strongest(found: Arrays, at: int) -> TopK | None:
    prefix = f"{at} top "
    state = {
        name.removeprefix(prefix): each for name, each in found.items() if name.startswith(prefix)
    }
    return TopK.from_state(state) if state else None
