"""Every shift of every image through the network, for the view of equivariance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.course.equivariance import (
    Track,
    compared_positions,
    consistency,
    found_shift,
    mismatch,
    moved_map,
)
from cnnviz.images import Batch
from cnnviz.images.transforms import Scene, moved, moved_right
from cnnviz.introspection.layers import named_layers, without_call
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.likeliest import NO_CLASS, class_name, likeliest_classes
from cnnviz.passes.resolved_target import ResolvedTarget, Unit
from cnnviz.results import drawing, mosaics
from cnnviz.results.progress import Progress

_THUMBNAILS = 5


class ExampleFields(TypedDict):
    """What the result holds of one channel at two shifts."""

    example_layer: str
    example_channel: int
    example_shifts: tuple[int, ...]
    example_wanted: NDArray[np.float32]
    example_found: NDArray[np.float32]
    example_within: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Example:
    """One channel of a layer, and its maps of the first image at some shifts, as they come."""

    layer: str
    channel: int
    shifts: tuple[int, ...]
    found: dict[int, torch.Tensor] = field(default_factory=dict)


class Walk:
    """The maps and answers of N images at the shifts 0 to `reach`, as they are compared.

    Parameters
    ----------
    held : Capture
        The images as they are, with the layers that are compared.
    tracks : dict of str to Track
        These layers, and how their positions lie along the shift.
    targets : tuple of ResolvedTarget
        What is followed of each image.
    reach : int
        The largest shift in pixels.
    direction : {"right", "down"}
        Which way.
    edge : {"photo", "wrap"}
        What enters.
    """

    def __init__(
        self,
        held: Capture,
        tracks: dict[str, Track],
        targets: tuple[ResolvedTarget, ...],
        reach: int,
        direction: Literal["right", "down"],
        edge: Literal["photo", "wrap"],
    ) -> None:
        self.held, self.tracks, self.targets = held, tracks, targets
        self.down, self.wrap = direction == "down", edge == "wrap"
        self.shifts = range(reach + 1)
        units: set[Unit] = {target.unit for target in targets}
        self.unit: Unit = "probability" if units == {"probability"} else "score"
        model, batch = held.model, held.batch
        self.scenes = [Scene.of(model.preprocessing, batch, at) for at in range(len(batch))]
        self.maps = {name: self._along(held.activation_maps(name)) for name in tracks}
        by_layer = (len(tracks), len(batch), len(self.shifts))
        self.inside, self.everywhere, self.moved = (np.full(by_layer, np.nan) for _ in range(3))
        self.answers, self.beyond = (np.zeros(by_layer[1:]) for _ in range(2))
        self.classes = np.full(by_layer[1:], NO_CLASS, np.int64)
        self._names: dict[int, str] = {NO_CLASS: ""}
        self.compared = np.array(
            [
                [len(compared_positions(track, s / track.stride, inside=True)) for s in self.shifts]
                for track in tracks.values()
            ],
            np.int64,
        ).reshape(len(tracks), len(self.shifts))
        self._example = self._chosen_example()

    @property
    def target_names(self) -> tuple[str, ...]:
        """What is followed of each image, in words."""
        return tuple(target.name for target in self.targets)

    @property
    def class_names(self) -> tuple[tuple[str, ...], ...]:
        """The name of the likeliest class at each shift, for each image."""
        return tuple(tuple(self._names[int(index)] for index in row) for row in self.classes)

    def consistency(self) -> NDArray[np.float64]:
        """Return the share of pairs of shifts with the same answer, [N]; NaN without classes."""
        known = (self.classes != NO_CLASS).all(1)
        return np.array(
            [
                consistency(row.tolist()) if named else np.nan
                for row, named in zip(self.classes, known, strict=True)
            ]
        )

    def run(self, progress: Progress) -> None:
        """Fill in what is compared."""
        at_once = rows_at_once(self.held.model, self.held.batch.tensor)
        total, done = len(self.scenes) * len(self.shifts), 0
        for image in range(len(self.scenes)):
            for start in range(0, len(self.shifts), at_once):
                part = self.shifts[start : start + at_once]
                progress(done, total, "shifting images")
                self._pass(image, part)
                done += len(part)
        progress(total, total, "done")

    def seen(self, image: int, shift: int) -> tuple[NDArray[np.float32], float]:
        """Return what the network sees of a shifted image, and the share beyond the photo."""
        scene = self.scenes[image]
        if not self.wrap:
            matrix = (moved if self.down else moved_right)(float(shift), scene.size)
            return scene.seen(matrix)
        left, top = scene.corner
        crop = scene.values[:, top : top + scene.size[0], left : left + scene.size[1]]
        return np.roll(crop, shift, axis=1 if self.down else 2), 0.0

    def _pass(self, image: int, shifts: range) -> None:
        found = self._captured(image, shifts)
        for number, shift in enumerate(shifts):
            output, row = found.answer(number)
            self.answers[image, shift] = self._followed(image, output, row)
        self.classes[image, shifts.start : shifts.stop] = likeliest_classes(found)
        for index in {int(i) for i in self.classes[image, shifts.start : shifts.stop]}:
            self._names.setdefault(index, class_name(found, index))
        for place, (name, track) in enumerate(self.tracks.items()):
            maps = self._along(found.activation_maps(name))
            for number, shift in enumerate(shifts):
                self._compare(place, name, track, image, shift, maps[number])
                self._keep(name, image, shift, maps[number])

    def _captured(self, image: int, shifts: range) -> Capture:
        rows = []
        for shift in shifts:
            row, self.beyond[image, shift] = self.seen(image, shift)
            rows.append(row)
        like, model = self.held.batch.tensor, self.held.model
        known = named_layers(model.module)
        return capture(
            model,
            # Nothing is drawn of these, so they need no photos.
            Batch(torch.from_numpy(np.stack(rows)).to(like.device, like.dtype), (), ()),
            layers=[without_call(name, known) for name in self.tracks],
            gradients=False,
        )

    def _followed(self, image: int, output: Any, row: int) -> float:
        target = self.targets[image]
        values = target.measure(output) if self.unit == "probability" else target.score(output)
        return float(values.detach().double()[row])

    def _along(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps with the axis of the shift last."""
        return maps.transpose(-1, -2) if self.down else maps

    def _compare(
        self, place: int, name: str, track: Track, image: int, shift: int, there: torch.Tensor
    ) -> None:
        here, by = self.maps[name][image], shift / track.stride
        around = self.wrap and track.round
        inner = compared_positions(track, by, inside=True)
        whole = range(track.count) if around else compared_positions(track, by, inside=False)
        at = place, image, shift
        self.inside[at] = mismatch(here, there, by, inner)
        self.everywhere[at] = mismatch(here, there, by, whole, round_=around)
        free = bool((self.compared[place] > 0).all())
        self.moved[at] = found_shift(
            here, there, track, self._tried(track), shift, inside=free, round_=around and not free
        )

    def _keep(self, name: str, image: int, shift: int, there: torch.Tensor) -> None:
        """Keep the one channel that is shown, so that the image is not run again for it."""
        shown = self._example
        if shown is not None and image == 0 and name == shown.layer and shift in shown.shifts:
            shown.found[shift] = there[shown.channel].clone()

    def _tried(self, track: Track) -> range:
        """Return the shifts that a map may have moved by: of those a turn apart only one."""
        reach, turn = self.shifts[-1], track.count * track.stride
        first = max(-track.stride, reach + 1 - turn) if self.wrap else -track.stride
        last = min(reach + track.stride, first + turn - 1) if self.wrap else reach + track.stride
        return range(first, last + 1)

    @property
    def strip_shifts(self) -> tuple[int, ...]:
        """The shifts of the pictures."""
        places = np.linspace(0, self.shifts[-1], min(_THUMBNAILS, len(self.shifts)))
        return tuple(int(shift) for shift in places.round())

    def strip(self) -> NDArray[np.uint8]:
        """Return the first image at evenly spread shifts, side by side."""
        invert = self.held.model.preprocessing.invert
        tiles = [
            drawing.fit(invert(torch.from_numpy(self.seen(0, shift)[0].copy())), 160)
            for shift in self.strip_shifts
        ]
        return mosaics.mosaic(np.stack(tiles), columns=len(tiles), side=1, gap=4).pixels

    def _chosen_example(self) -> _Example | None:
        """Return which channel is shown at which shifts; None where no layer is compared."""
        strided = [
            place
            for place, track in enumerate(self.tracks.values())
            if 1 < track.stride <= self.shifts[-1]
        ]
        free = [place for place in strided if (self.compared[place] > 0).all()]
        among = free or strided or [*range(len(self.tracks))]
        if not among:
            return None
        name, track = list(self.tracks.items())[among[-1]]
        farthest = min(track.stride, self.shifts[-1])
        shifts = tuple(dict.fromkeys((max(1, farthest // 2), farthest)))
        return _Example(name, int(self.maps[name][0].double().flatten(1).var(1).argmax()), shifts)

    def example(self) -> ExampleFields:
        """Return one channel of one layer, shifted along and of the shifted image."""
        shown = self._example
        if shown is None:
            empty = np.zeros((0, 0, 0), np.float32)
            return ExampleFields(
                example_layer="",
                example_channel=0,
                example_shifts=(),
                example_wanted=empty,
                example_found=empty,
                example_within=np.zeros((0, 2), np.int64),
            )
        track = self.tracks[shown.layer]
        own = self.maps[shown.layer][0, shown.channel]
        around = self.wrap and track.round
        wanted = [moved_map(own, shift / track.stride, round_=around) for shift in shown.shifts]
        inner = [compared_positions(track, s / track.stride, inside=True) for s in shown.shifts]
        return ExampleFields(
            example_layer=shown.layer,
            example_channel=shown.channel,
            example_shifts=shown.shifts,
            example_wanted=self._upright(wanted),
            example_found=self._upright([shown.found[shift] for shift in shown.shifts]),
            example_within=np.array([(r.start, r.stop) if r else (0, 0) for r in inner], np.int64),
        )

    def _upright(self, maps: list[torch.Tensor]) -> NDArray[np.float32]:
        return self._along(torch.stack(maps)).float().cpu().numpy()
