"""What a training transform draws of a photo, and what the network says of each draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.course.augmentation import drawn, read_transform
from cnnviz.errors import UsageError
from cnnviz.images import prepare
from cnnviz.images.inputs import Images
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.likeliest import NO_CLASS
from cnnviz.passes.resolved_target import Unit
from cnnviz.passes.targets import Target
from cnnviz.results import drawing
from cnnviz.results.intervals import LEVEL, wilson
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.text import layer_said, number, plural, whole_percent
from cnnviz.views._followed import FollowedImage, overlaid, thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_THUMBNAIL = 128


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Augmentation(Result):
    """The answers to D draws of a transform of one photo.

    Attributes
    ----------
    image : str
        The name of the photo.
    transform : str
        The transform, as it was asked for or as it writes itself.
    seeds : ndarray of int64
        [D]: the seed of each draw.
    target : str
        What is followed.
    target_class : int
        The class that it is; -1 where it is not exactly one class.
    original : float
        The probability of what is followed for the photo as it is, or its score.
    original_class : int
        Its likeliest class; -1 where the network names none.
    original_name : str
        The name of that class.
    answers : ndarray of float64
        [D]: the probability or score for each draw.
    unit : {"probability", "score"}
        Which of the two.
    classes : ndarray of int64
        [D]: the likeliest class; -1 where the network names none.
    class_names : tuple of str
        [D]: its name.
    normalised : int
        How many draws were tensors with values beyond 0 and 1, taken as normalised already.
    layers : tuple of str
        The layers that the heatmaps are made at; empty where there are none.
    sheet : ndarray of uint8
        [1 + D, 2, h, w, 3]: the photo and each draw as the network takes it, and where it looked.
    """

    left_out: ClassVar[tuple[str, ...]] = ("sheet",)
    derived: ClassVar[tuple[str, ...]] = ("stayed", "interval", "level")

    image: str
    transform: str
    seeds: NDArray[np.int64]
    target: str
    target_class: int
    original: float
    original_class: int
    original_name: str
    answers: NDArray[np.float64]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    normalised: int
    layers: tuple[str, ...]
    sheet: NDArray[np.uint8]
    unit: Unit = "probability"

    @property
    def stayed(self) -> int | None:
        """How many draws have the photo's own answer; None where the network names no classes."""
        if self.original_class == NO_CLASS:
            return None
        return int((self.classes == self.original_class).sum())

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the share of draws with that answer (Wilson 1927)."""
        return None if self.stayed is None else wilson(self.stayed, len(self.seeds))

    @property
    def level(self) -> float:
        """The level of that interval."""
        return LEVEL

    def summary(self) -> str:
        """Say how often the answer stayed, with its interval."""
        count = len(self.seeds)
        if self.stayed is None or self.interval is None:
            least, most = number(float(self.answers.min())), number(float(self.answers.max()))
            return f"The score of {self.target} lies between {least} and {most} in {count} draws"
        low, high = self.interval
        return (
            f"The answer stayed in {self.stayed} of {plural(count, 'draw')} "
            f"({whole_percent(self.stayed / count)}, {self.level:.0%} interval "
            f"{whole_percent(low)} to {whole_percent(high)})"
        )

    def caption(self) -> str:
        """Say what was drawn, with which seeds, and how to read the sheet."""
        looked = (
            f" Beside each where the network looked for {self.target!r} (Grad-CAM at "
            f"{', '.join(map(layer_said, self.layers))}, each on its own scale)."
            if self.layers
            else " The network has no layer for a heatmap."
        )
        told = (
            f" {plural(self.normalised, 'draw')} had values beyond 0 and 1 and were taken as "
            "normalised already."
            if self.normalised
            else ""
        )
        named = (
            f"Under each the {self.unit} of {self.target!r}; the network names no classes."
            if self.stayed is None
            else f"Under each the {self.unit} of {self.target!r}{self._followed()}; where the "
            "network answers another class, that stands above it after an arrow, in orange if it "
            "is not the answer to the photo as it is."
        )
        return (
            f"{self.image} as it is, and {plural(len(self.seeds), 'draw')} of {self.transform}, "
            f"with the seeds {self.seeds[0]} to {self.seeds[-1]}, each as the network takes it: "
            f"resized and cropped after the transform. {named}{looked}{told}"
        )

    @property
    def asked(self) -> bool:
        """Whether another class is followed than the answer, which takes one more line to say."""
        return self.target_class != self.original_class

    def _followed(self) -> str:
        """Say what the class that is followed is: nobody has told what is right."""
        if self.asked:
            return ", as was asked for"
        return ", the network's answer to the photo as it is"

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the sheet."""
        from cnnviz.views.pictures.augmentation import draw

        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the sheet into an Axes."""
        from cnnviz.views.pictures.augmentation import draw_alone

        draw_alone(axes, self)


@bounded
def augmentation(
    model: Model | nn.Module,
    images: Images,
    target: Target = None,
    *,
    transform: str | Callable[[Any], Any] = "RandomHorizontalFlip(), RandomRotation(20)",
    draws: Annotated[int, Within(1, 1_000)] = 17,
    seed: Seed = 0,
    progress: Progress = silent,
) -> Augmentation:
    """Draw a training transform again and again, and ask the network about every draw.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], or float tensor [1, C, H, W]
        One photo.
    target : None, int, str, another target, or callable
        What is followed; the network's own answer to the photo as it is by default.
    transform : str or callable
        Transforms of ``torchvision.transforms.v2`` with literal arguments, separated by commas, or
        ``file.py:name``; in Python also any callable on a PIL image that gives an image or tensor.
    draws : int
        How many.
    seed : int
        The seed of the first draw; each further one has the next. Global random generators are
        restored.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    Augmentation

    Raises
    ------
    TargetError
        If a target does not fit the output.
    UsageError
        If the transform cannot be made or gives no image, or there is more than one photo.
    ImageError
        If the image cannot be read.
    ModelError
        If the network cannot run on the image.
    """
    made = read_transform(transform) if isinstance(transform, str) else transform
    wrapped = as_model(model)
    check_takes_images(wrapped, "augmentation")
    batch = wrapped.prepare(images)
    target = checked_target(wrapped, target, batch)
    if len(batch) != 1:
        raise UsageError(f"{len(batch)} images were given.", "Give one image.")
    photo = Image.fromarray(batch.photos[0].pixels)
    image = FollowedImage(wrapped, batch, target)
    rows, normalised = [], 0
    for number_ in range(draws):
        progress(number_, draws, "drawing")
        found = drawn(made, photo, seed + number_)
        normalised += isinstance(found, torch.Tensor)
        rows.append(_row(wrapped, found, batch.tensor))
    looked = [image.original, *image.look(rows)]
    progress(draws, draws, "done")
    shown = [batch.tensor[0].float().cpu().numpy(), *rows]
    written = transform if isinstance(transform, str) else " ".join(repr(transform).split())
    return Augmentation(
        provenance=replace(image.held.provenance, targets=(image.resolved.name,), seed=seed),
        image=batch.photos[0].name,
        transform=written,
        seeds=np.arange(seed, seed + draws),
        target=image.resolved.name,
        target_class=NO_CLASS if image.resolved.class_index is None else image.resolved.class_index,
        original=image.original.answer,
        original_class=image.original.class_index,
        original_name=image.original.class_name,
        answers=np.array([one.answer for one in looked[1:]]),
        classes=np.array([one.class_index for one in looked[1:]], np.int64),
        class_names=tuple(one.class_name for one in looked[1:]),
        unit=image.unit,
        normalised=normalised,
        layers=image.layers,
        sheet=np.stack(
            [_pair(wrapped, row, one.heat) for row, one in zip(shown, looked, strict=True)]
        ),
    )


def _row(
    model: Model, found: NDArray[np.uint8] | torch.Tensor, like: torch.Tensor
) -> NDArray[np.float32]:
    """Return a draw as the network takes it, at the size that the photo itself has there."""
    if isinstance(found, np.ndarray):
        height, width = like.shape[2:]
        prepared = prepare(found, model.preprocessing).tensor[0]
        if prepared.shape != like.shape[1:]:
            # A tensor, or a photo that keeps its size, has a size that no preprocessing makes.
            same = replace(model.preprocessing, resize=(height, width), crop=None)
            prepared = prepare(found, same).tensor[0]
        found = prepared
    if found.shape != like.shape[1:]:
        raise UsageError(
            f"A draw comes out as {list(found.shape)} and the photo as {list(like.shape[1:])}.",
            "Give a transform to pixels, or one that normalises to the size the network takes.",
        )
    return np.asarray(found.numpy(), np.float32)


def _pair(
    model: Model, row: NDArray[np.float32], heat: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    pixels = model.preprocessing.invert(torch.from_numpy(row.copy()))
    return np.stack([thumbnail(one, _THUMBNAIL) for one in (pixels, overlaid(pixels, heat))])
