"""What is explained of a detector: one box, or one instance, by its overlap times its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from cnnviz.bounds import read_whole
from cnnviz.errors import NothingFoundError, TargetError
from cnnviz.images import Batch
from cnnviz.models import Model
from cnnviz.models.categories import class_number
from cnnviz.models.detections import Detections, overlap, read_detections
from cnnviz.models.reading import Reading
from cnnviz.passes.resolved_target import ResolvedTarget
from cnnviz.passes.target_types import Box, Region
from cnnviz.results.text import kind_of, plural

Corners = tuple[float, float, float, float]
OneImage = Callable[[Detections], torch.Tensor]
"""From what was found in one image to a score for each box, [D]."""


@dataclass(frozen=True)
class PhotoFrame:
    """From pixels of a network's input to pixels of the photo, and back.

    Attributes
    ----------
    left, top : float
        Where the input begins in the photo.
    across, down : float
        How many pixels of the photo one of the input is wide and high.
    width, height : float
        The size of the photo in its own pixels.
    """

    left: float
    top: float
    across: float
    down: float
    width: float
    height: float

    @classmethod
    def of(cls, batch: Batch, n: int) -> PhotoFrame:
        """Return the frame of an image."""
        seen, photo = batch.boxes[n], batch.photos[n]
        height, width = batch.tensor.shape[-2:]
        return cls(
            seen.left,
            seen.top,
            seen.width / width,
            seen.height / height,
            photo.width,
            photo.height,
        )

    def to_photo(self, boxes: torch.Tensor) -> torch.Tensor:
        """Return boxes [..., 4] in pixels of the photo, in double precision."""
        scale = torch.tensor([self.across, self.down] * 2, dtype=torch.float64)
        start = torch.tensor([self.left, self.top] * 2, dtype=torch.float64)
        return boxes.detach().cpu().double() * scale + start

    def to_input(self, box: Sequence[float]) -> tuple[float, ...]:
        """Return a box in pixels of the network's input."""
        starts, scales = (self.left, self.top) * 2, (self.across, self.down) * 2
        return tuple(
            (value - start) / scale for value, start, scale in zip(box, starts, scales, strict=True)
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxTarget(ResolvedTarget):
    """One box or instance of an image.

    Attributes
    ----------
    of_one : callable
        From what was found in one image to the score of each box, [D], the largest of which counts.
    nearest : (float, float, float, float) or None
        The found box that is explained, in pixels of the photo, where a box was given.
    overlap : float or None
        Its intersection over union with the box that was given.
    """

    of_one: OneImage
    nearest: Corners | None = None
    overlap: float | None = None


class BoxResolver:
    """Resolves targets for what a detector found in the images of one batch."""

    def __init__(self, model: Model, reading: Reading, output: Any, batch: Batch | None) -> None:
        self.model, self.reading, self.batch = model, reading, batch
        self.found = read_detections(model, output)

    def __call__(self, entry: Any, n: int) -> BoxTarget:
        """Return what is asked of image `n`; None is the box of the highest score."""
        if isinstance(entry, Region):
            return self._instance(entry, n)
        if isinstance(entry, Box):
            return self._box(entry, n)
        if entry is None or isinstance(entry, (int, str)):
            label = None if entry is None else self._label(entry)
            return self._best(label, n)
        raise TargetError(
            f"{kind_of(entry, begins=True)} was asked for, and the network returns boxes.",
            "Give a class for its best box, or a Box.",
        )

    def value(self, resolved: BoxTarget, n: int) -> torch.Tensor:
        """Return the score of image `n`, which has a graph where the output has one."""
        return best_of(resolved.of_one, self.found[n])

    def _box(self, wanted: Box, n: int) -> BoxTarget:
        box, found = self._checked(wanted.box, n), self.found[n]
        inner = box if self.batch is None else PhotoFrame.of(self.batch, n).to_input(box)
        place = torch.tensor(inner, dtype=torch.float64)
        asked = None if wanted.label is None else self._label(wanted.label)
        self._check_found(asked, n)
        label = self._nearest(place, n) if asked is None else asked
        one_image = partial(_overlap_times_score, label, place)
        values = one_image(found.detached())
        if not bool((values > 0.0).any()):
            best = self._in_words(label, self._best_place(label, n), n)
            raise TargetError(
                f"Nothing that the network finds as {self.reading.name(label)!r} overlaps the box "
                f"{in_words(box)}.",
                f"The best is {best}; cnnviz.predictions tells all.",
                option=f"The best is {best}; cnnviz predictions tells all.",
            )
        at = int(values.argmax())
        return replace(
            self._resolved(label, box, one_image),
            nearest=self._in_photo(at, n),
            overlap=float(overlap(found.boxes.detach(), place.to(found.boxes))[at]),
        )

    def _nearest(self, box: torch.Tensor, n: int) -> int:
        """Return the class of the detection that overlaps a box most, times its score."""
        found = self.found[n].detached()
        scores = overlap(found.boxes, box.to(found.boxes)) * found.scores
        return int(found.labels[scores.argmax()])

    def _best(self, label: int | None, n: int) -> BoxTarget:
        found = self.found[n]
        self._check_found(label, n)
        place = self._best_place(label, n)
        label = int(found.labels[place]) if label is None else label
        one_image = partial(_overlap_times_score, label, found.boxes[place].detach().double())
        return self._resolved(label, self._in_photo(place, n), one_image)

    def _instance(self, wanted: Region, n: int) -> BoxTarget:
        label, masks = self._label(wanted.label), self.found[n].masks
        name = self.reading.name(label)
        if masks is None:
            raise TargetError(
                f"A region of {name!r} was asked for, and the network returns boxes without masks.",
                "Give a class for its best box, or a Box.",
            )
        self._check_found(label, n)
        if wanted.mask is None:
            mask = masks[self._best_place(label, n)].detach() > 0.5
        else:
            mask = torch.as_tensor(wanted.mask, dtype=torch.bool, device=masks.device)
        if mask.shape != masks.shape[1:] or not bool(mask.any()):
            raise TargetError(
                f"The mask {list(mask.shape)} is empty, or not of the size of those that the "
                f"network returns, {list(masks.shape[1:])}.",
                "Give a mask that holds a pixel at the size of the network's input.",
            )
        one_image = partial(_mask_times_score, label, mask)
        return BoxTarget(
            f"{name} in a region",
            None,
            partial(_of_images, self.model, one_image),
            asked=Region(label, mask.cpu().numpy()),
            of_one=one_image,
        )

    def _resolved(self, label: int, box: tuple[float, ...], one_image: OneImage) -> BoxTarget:
        left, top, right, bottom = box
        return BoxTarget(
            f"{self.reading.name(label)} in the box {in_words(box)}",
            None,
            partial(_of_images, self.model, one_image),
            asked=Box(label, (left, top, right, bottom)),
            of_one=one_image,
        )

    def _best_place(self, label: int | None, n: int) -> int:
        found = self.found[n]
        scores = found.scores if label is None else found.scores_of(label)
        return int(scores.detach().argmax())

    def _in_photo(self, place: int, n: int) -> Corners:
        boxes = self.found[n].boxes[place]
        if self.batch is not None:
            boxes = PhotoFrame.of(self.batch, n).to_photo(boxes)
        left, top, right, bottom = boxes.detach().tolist()
        return left, top, right, bottom

    def _in_words(self, label: int, place: int, n: int) -> str:
        score = float(self.found[n].scores_of(label)[place].detach())
        return f"at {in_words(self._in_photo(place, n))} with a score of {score:.2g}"

    def _label(self, entry: int | str) -> int:
        if isinstance(entry, str) and read_whole(entry) is None:
            return self.model.class_index(entry, self.reading.names)
        index, count = class_number(entry), self.reading.classes
        every = [one.class_scores.shape[1] for one in self.found if one.class_scores is not None]
        count = min([count or every[0], *every]) if every else count
        if index < 0 or (count and index >= count):
            known = f"Give an index from 0 to {count - 1}, or a class name."
            raise TargetError(
                f"There is no class {index}.",
                known if count else "Give an index from 0, or load the network with categories=.",
                option=known if count else "Give an index from 0, or the names with --categories.",
            )
        return index

    def _checked(self, box: Sequence[float], n: int) -> tuple[float, ...]:
        values = tuple(float(value) for value in box)
        if len(values) != 4 or not (values[0] < values[2] and values[1] < values[3]):
            raise TargetError(
                f"{tuple(box)} is no box.", "Give left, top, right and bottom in pixels."
            )
        if self.batch is not None:
            frame = PhotoFrame.of(self.batch, n)
            inside = values[0] < frame.width and values[1] < frame.height
            if not inside or min(values[2:]) <= 0.0:
                raise TargetError(
                    f"The box {in_words(values)} lies outside the photo of {frame.width:g} x "
                    f"{frame.height:g} px.",
                    "Give left, top, right and bottom in pixels of the photo.",
                )
        return values

    def _check_found(self, label: int | None, n: int) -> None:
        """Refuse to explain what was not found, with the threshold that may have cut it away."""
        found = self.found[n]
        kept = len(found) > 0
        if kept and label is not None and found.class_scores is None:
            kept = bool((found.labels == label).any())
        if kept:
            return
        what = "anything" if label is None else repr(self.reading.name(label))
        image = f"image {n}" if self.batch is None else self.batch.photos[n].name
        others = f"; of other classes it finds {plural(len(found), 'box', 'boxes')}"
        raise NothingFoundError(
            f"The network does not find {what} in {image}{others if len(found) else ''}.",
            f"Explain something that it finds, or {_thresholds(self.model)}.",
        )


def asked_boxes(targets: Sequence[ResolvedTarget]) -> tuple[Corners | None, ...]:
    """Return the box in pixels of the photo that was asked for of each image; None where none."""
    return tuple(one.asked.box if isinstance(one.asked, Box) else None for one in targets)


def overlaps_told(targets: Sequence[ResolvedTarget], images: Sequence[str]) -> list[str]:
    """Say how much the found box that is explained overlaps the one asked for, if not wholly."""
    said = []
    for target, image in zip(targets, images, strict=True):
        if not isinstance(target, BoxTarget) or target.nearest is None or target.overlap is None:
            continue
        if round(target.overlap, 2) < 1.0:
            said.append(
                f"{image}: what is explained is the found box {in_words(target.nearest)}, whose "
                f"overlap with the one asked for is {target.overlap:.2g} (intersection over union)."
            )
    return said


def in_words(box: Sequence[float]) -> str:
    """Return the corners of a box in words, to the pixel where it has many."""
    digits = 0 if max(abs(value) for value in box) >= 100 else 1
    return ", ".join(f"{value:.{digits}f}" for value in box)


def _thresholds(model: Model) -> str:
    """Say how what a detector leaves out can be had, by the thresholds that are found in it."""
    held = [
        (f"{name}.score_thresh" if name else "score_thresh", module.score_thresh)
        for name, module in model.module.named_modules()
        if isinstance(getattr(module, "score_thresh", None), float)
    ]
    wanted = [(name, value) for name, value in held if "rpn" not in name]
    if wanted and not any(value for _, value in wanted):
        return "let the network keep more boxes: its threshold is 0 already"
    named = ", ".join(f"{name} (now {value:g})" for name, value in wanted)
    return f"lower the score below which the network drops a box{': ' if named else ''}{named}"


def _of_images(model: Model, one_image: OneImage, output: Any) -> torch.Tensor:
    return torch.stack([best_of(one_image, found) for found in read_detections(model, output)])


def best_of(one_image: OneImage, found: Detections) -> torch.Tensor:
    """Return the largest score of an image's boxes; zero where nothing was found."""
    values = one_image(found)
    if not len(values):
        # A sum over nothing keeps the graph, as far as there is one.
        return found.scores.sum() + found.boxes.sum()
    return values[values.detach().argmax()]


def _overlap_times_score(label: int, box: torch.Tensor, found: Detections) -> torch.Tensor:
    return overlap(found.boxes, box.to(found.boxes)) * found.scores_of(label)


def _mask_times_score(label: int, mask: torch.Tensor, found: Detections) -> torch.Tensor:
    if found.masks is None or not len(found):
        return found.scores
    wanted = mask.to(found.masks)
    common = (found.masks * wanted).sum((1, 2))
    whole = found.masks.sum((1, 2)) + wanted.sum() - common
    return common / whole * found.scores_of(label)
