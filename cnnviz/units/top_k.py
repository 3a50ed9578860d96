"""The strongest positions of every channel over any number of images, in memory that does not grow.

Of each image and channel one position counts, the strongest, as in Zeiler and Fergus (2013): nine
patches then come from nine images, and not from nine neighbours in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.units.peaks import Peaks, peaks

Integers = NDArray[np.int64]
_NOBODY = np.iinfo(np.int64).max
"""The image of a place that nobody has taken: it comes after every other."""


class TopK:
    """The k strongest positions of each channel, each in an image of its own.

    Ordered by value, the greatest first; of equal values the image with the lower index comes
    first, and within an image the position that comes first row by row. What is kept therefore
    depends on the images alone: not on how they were batched, ordered, or shared out between
    processes whose results were merged. An image that is seen twice counts once.

    A value that is not a number never counts; `not_finite` tells how often one was met.

    Parameters
    ----------
    k : int
        How many positions are kept for each channel.
    channels : int, optional
        How many channels there are, where that is to be known before any image was looked at; by
        default as many as the first has.

    Attributes
    ----------
    images_seen : int
        How many images were looked at; one that was seen twice counts twice here.
    """

    def __init__(self, k: int, channels: int | None = None) -> None:
        if k < 1:
            raise UsageError(f"{k} positions cannot be kept.", "Keep 1 or more.")
        self.k = k
        self.images_seen = 0
        self._held: _Places | None = None
        self._not_finite: Integers | None = None
        self._least: NDArray[np.float64] | None = None
        if channels is not None:
            self._for(channels)

    @property
    def values(self) -> NDArray[np.float64]:
        """The values, [C, k], the greatest first; -infinity where there were too few images."""
        return self._places().values

    @property
    def images(self) -> Integers:
        """The index of the image of each, [C, k]; -1 where there were too few."""
        images = self._places().images
        return np.where(images == _NOBODY, -1, images)

    @property
    def rows(self) -> Integers:
        """The row of each in the layer's output, [C, k]; -1 where there were too few."""
        return self._places().rows

    @property
    def columns(self) -> Integers:
        """The column of each in the layer's output, [C, k]; -1 where there were too few."""
        return self._places().columns

    @property
    def least(self) -> NDArray[np.float64]:
        """The least of what the images had as their strongest value, [C]; NaN without any."""
        self._places()
        assert self._least is not None
        return np.where(np.isposinf(self._least), np.nan, self._least)

    @property
    def not_finite(self) -> Integers:
        """In how many images a channel had a value that is not a number, [C]."""
        self._places()
        assert self._not_finite is not None
        return self._not_finite

    def update(
        self, activations: torch.Tensor, indices: Any, known: Peaks | None = None
    ) -> NDArray[np.float64]:
        """Look at the activations of some images.

        Where positions do not come with the largest values, they are looked for in the few maps
        that come among the strongest.

        Parameters
        ----------
        activations : torch.Tensor
            [N, C, H, W], of any floating-point type, on any device.
        indices : sequence of int
            The index of each image, [N], 0 or more.
        known : Peaks, optional
            The largest value of each map, where it is known already.

        Returns
        -------
        ndarray of float64
            The largest value of each map, [N, C]; -infinity where none is a number.

        Raises
        ------
        UsageError
            If the shapes do not fit one another, or what was seen before.
        """
        found = np.asarray(indices, np.int64)
        if activations.ndim != 4 or found.shape != activations.shape[:1]:
            raise UsageError(
                f"Activations {list(activations.shape)} do not fit {list(found.shape)} indices.",
                "Give [N, C, H, W] and [N].",
            )
        if not activations.numel():
            return np.full(activations.shape[:2], -np.inf)
        maps = activations.detach()
        # The values are compared as what they are; float64 holds any of them exactly.
        known = peaks(maps) if known is None else known
        tops = known.values
        held, not_finite, least = self._for(int(maps.shape[1]))
        lost = np.isnan(tops)
        if lost.any():
            tops = tops.copy()
            not_finite += lost.sum(0)
            for image, channel in zip(*np.nonzero(lost), strict=True):
                rest = maps[image, channel].nan_to_num(-torch.inf, torch.inf, -torch.inf)
                tops[image, channel] = float(rest.amax())
        np.minimum(least, np.where(np.isneginf(tops), np.inf, tops).min(0), out=least)
        self.images_seen += len(found)
        wanted = held.admits(tops, found)
        if wanted.any():
            held.take(wanted, found, maps, known)
        return tops

    def put(self, values: NDArray[Any], images: Any, rows: Any, columns: Any) -> None:
        """Let in positions that were found elsewhere, all [C, any], in any order.

        The image of a place that nobody has taken is -1. What `least`, `not_finite` and
        `images_seen` tell is left alone.
        """
        void = np.asarray(images) < 0
        held, _, _ = self._for(len(values))
        held.join(
            np.arange(len(values)),
            _Places(
                np.where(void, -np.inf, values).astype(np.float64),
                np.where(void, _NOBODY, images).astype(np.int64),
                np.where(void, -1, rows).astype(np.int64),
                np.where(void, -1, columns).astype(np.int64),
            ),
        )

    def merge(self, other: TopK) -> None:
        """Take over what another saw; the order of merging does not matter, to the last bit.

        Raises
        ------
        UsageError
            If the two keep different numbers of positions, or saw different numbers of channels.
        """
        if self.k != other.k:
            raise UsageError(
                f"The strongest {self.k} and the strongest {other.k} cannot be merged.",
                "Keep as many in each.",
            )
        if other._held is None:
            return
        held, not_finite, least = self._for(len(other._held.values))
        assert other._not_finite is not None
        assert other._least is not None
        held.join(np.arange(len(held.values)), other._held)
        not_finite += other._not_finite
        np.minimum(least, other._least, out=least)
        self.images_seen += other.images_seen

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays, to be kept or sent; `from_state` makes it again."""
        held = self._places()
        assert self._not_finite is not None
        assert self._least is not None
        return {
            "values": held.values,
            "images": held.images,
            "rows": held.rows,
            "columns": held.columns,
            "not_finite": self._not_finite,
            "least": self._least,
            "images_seen": np.array(self.images_seen),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> TopK:
        """Make it again from what `state` returned."""
        made = cls(state["values"].shape[1])
        names = ("values", "images", "rows", "columns")
        made._held = _Places(*(np.array(state[name]) for name in names))
        made._not_finite = np.array(state["not_finite"])
        made._least = np.array(state["least"])
        made.images_seen = int(state["images_seen"])
        return made

    def _for(self, channels: int) -> tuple[_Places, Integers, NDArray[np.float64]]:
        if self._held is None or self._not_finite is None or self._least is None:
            self._held = _Places.empty(channels, self.k)
            self._not_finite = np.zeros(channels, np.int64)
            self._least = np.full(channels, np.inf)
        if len(self._held.values) != channels:
            raise UsageError(
                f"There were {len(self._held.values)} channels before, and now {channels}.",
                "Keep the strongest of one layer only.",
            )
        return self._held, self._not_finite, self._least

    def _places(self) -> _Places:
        if self._held is None:
            raise UsageError("No image was looked at yet.", "Call update first.")
        return self._held


@dataclass
class _Places:
    """The places [C, k] in their order: by value, then image, then position."""

    values: NDArray[np.float64]
    images: Integers
    rows: Integers
    columns: Integers

    @classmethod
    def empty(cls, channels: int, k: int) -> _Places:
        shape = (channels, k)
        return cls(
            np.full(shape, -np.inf),
            np.full(shape, _NOBODY),
            np.full(shape, -1, np.int64),
            np.full(shape, -1, np.int64),
        )

    def admits(self, tops: NDArray[np.float64], images: Integers) -> NDArray[np.bool_]:
        """Return which maps [N, C] come before the last place of their channel."""
        last, owner = self.values[:, -1], self.images[:, -1]
        # A dead channel ties with itself in every image: the lower index decides here already.
        ties = (tops == last) & (images[:, None] <= owner) & ~np.isneginf(tops)
        admitted: NDArray[np.bool_] = (tops > last) | ties
        return admitted

    def take(
        self,
        wanted: NDArray[np.bool_],
        images: Integers,
        maps: torch.Tensor,
        known: Peaks,
    ) -> None:
        """Let in the strongest positions of the maps [N, C] that are wanted."""
        channels = np.flatnonzero(wanted.any(0))
        slots = wanted.cumsum(0) - 1
        new = _Places.empty(len(channels), int(slots.max()) + 1)
        # Maps that are copied are copied some at a time, on a processor.
        few = known.places is None and maps.device.type == "cpu"
        at_once = _AT_ONCE if few else len(channels)
        for start in range(0, len(channels), at_once):
            part = channels[start : start + at_once]
            which, place = np.nonzero(wanted[:, part])
            values, rows, columns = first_strongest(maps, which, part[place], known)
            at = (start + place, slots[which, part[place]])
            new.values[at], new.rows[at], new.columns[at] = values, rows, columns
            new.images[at] = images[which]
        self.join(channels, new)

    def join(self, channels: Integers, new: _Places) -> None:
        """Let places [len(channels), any] into those of some channels."""
        k = self.values.shape[1]
        both = [
            np.concatenate([mine[channels], its], 1)
            for mine, its in zip(self._arrays(), new._arrays(), strict=True)
        ]
        order = np.lexsort((both[3], both[2], both[1], -both[0]))
        both = [np.take_along_axis(array, order, 1) for array in both]
        again = _seen_before(both[1])
        if again.any():
            for array, nothing in zip(both, (-np.inf, _NOBODY, -1, -1), strict=True):
                array[again] = nothing
            order = np.argsort(again, axis=1, kind="stable")
            both = [np.take_along_axis(array, order, 1) for array in both]
        for mine, joined in zip(self._arrays(), both, strict=True):
            mine[channels] = joined[:, :k]

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.values, self.images, self.rows, self.columns


_AT_ONCE = 64
"""For how many channels the maps that come among the strongest are copied together."""


def first_strongest(
    maps: torch.Tensor, images: Integers, channels: Integers, known: Peaks
) -> tuple[NDArray[np.float64], Integers, Integers]:
    """Return the largest value of some maps, and its first row and column, each [M].

    Values that are not numbers never count.

    Parameters
    ----------
    maps : torch.Tensor
        [N, C, H, W].
    images, channels : ndarray of int64
        Which maps, [M].
    known : Peaks
        The largest value of every map.
    """
    values = known.values[images, channels]
    lost = np.isnan(values)
    if known.places is None:
        picked = maps[torch.from_numpy(images), torch.from_numpy(channels)]
        return first_largest(picked, with_nan=bool(lost.any()))
    rows, columns = np.divmod(known.places[images, channels], maps.shape[3])
    if lost.any():
        picked = maps[torch.from_numpy(images[lost]), torch.from_numpy(channels[lost])]
        values[lost], rows[lost], columns[lost] = first_largest(picked)
    return values, rows, columns


def first_largest(
    maps: torch.Tensor, *, with_nan: bool = True
) -> tuple[NDArray[np.float64], Integers, Integers]:
    """Return what `first_strongest` does, of all of the maps [M, H, W]."""
    flat = maps.flatten(1).float() if maps.dtype != torch.float64 else maps.flatten(1)
    width = maps.shape[2]
    if maps.device.type != "cpu":
        return first_where_they_lie(flat, width, with_nan=with_nan)
    # In NumPy: of several equal values torch does not promise to find the first.
    held = flat.numpy()
    rows = np.arange(len(held))
    places = held.argmax(1)
    # A value that is not a number comes before every other.
    if with_nan and np.isnan(held[rows, places]).any():
        places = np.where(np.isnan(held), -np.inf, held).argmax(1)
    return (
        held[rows, places].astype(np.float64),
        (places // width).astype(np.int64),
        (places % width).astype(np.int64),
    )


def first_where_they_lie(
    flat: torch.Tensor, width: int, *, with_nan: bool
) -> tuple[NDArray[np.float64], Integers, Integers]:
    """Return what `first_largest` does, of maps [M, H x W], without moving them from a GPU."""
    held = flat.nan_to_num(-torch.inf, torch.inf, -torch.inf) if with_nan else flat
    every = torch.arange(flat.shape[1], dtype=torch.int32, device=flat.device)
    among = held == held.amax(1, keepdim=True)
    places = torch.where(among, every, flat.shape[1]).amin(1).long()
    values = flat.gather(1, places[:, None])[:, 0].cpu().double().numpy()
    rows, columns = np.divmod(places.cpu().numpy(), width)
    return values, rows, columns


def _seen_before(images: Integers) -> NDArray[np.bool_]:
    """Return which entries [C, M] name an image that stands further left already."""
    order = np.argsort(images, axis=1, kind="stable")
    sorted_images = np.take_along_axis(images, order, 1)
    repeats = np.zeros(images.shape, bool)
    repeats[:, 1:] = (sorted_images[:, 1:] == sorted_images[:, :-1]) & (
        sorted_images[:, 1:] != _NOBODY
    )
    found = np.zeros(images.shape, bool)
    np.put_along_axis(found, order, repeats, 1)
    return found
