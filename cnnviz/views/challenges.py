"""The classic challenges of vision, one at a time, until the network no longer answers the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Index, Within, bounded
from cnnviz.course.challenges import Sweep, Swept, SweptPhoto, SweptSample
from cnnviz.datasets.shapes import Sample, Shapes
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.images import Batch, PhotoBox
from cnnviz.images.inputs import Images
from cnnviz.images.transforms import Scene
from cnnviz.introspection.layers import split
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.likeliest import NO_CLASS
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.resolved_target import Unit
from cnnviz.passes.targets import Target
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.table import Table, TableResult
from cnnviz.views._challenges_text import caption, summary, told
from cnnviz.views._challenges_walk import SweepsSeen
from cnnviz.views._followed import FollowedImage
from cnnviz.views.pictures.challenges import draw, draw_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SCENE_SIDES = 32, 1024
"""The least and the greatest side of a scene of `shapes`, in pixels."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Challenges(TableResult):
    """The answer to one image and where the network looked, along K sweeps of S amounts.

    Attributes
    ----------
    image : str
        The name of the image.
    rendered : bool
        Whether it is a scene of `shapes`, rendered anew for each amount; else a photo, whose pixels
        are changed.
    sweeps, challenges, units : tuple of str
        What each sweep does to the image, the challenge that it belongs to, and what its amounts
        are.
    amounts : ndarray of float64
        [K, S]: the amounts; the first is the image as it is.
    target : str
        What is followed.
    answers : ndarray of float64
        [K, S]: the probability of what is followed, or its score, where it has none.
    unit : {"probability", "score"}
        Which of the two.
    classes : ndarray of int64
        [K, S]: the likeliest class; -1 where the network names none.
    class_names : tuple of tuple of str
        [K][S]: its name.
    similarity : ndarray of float64
        [K, S]: the correlation of the heatmap with that of the image as it is, moved along with the
        image; of a scene, along with its object. NaN where one of them is constant.
    on_object : ndarray of float64
        [K, S]: the share of the evidence that lies on what shows the object; NaN of a photo.
    beyond : ndarray of float64
        [K, S]: the share of the pixels that lie beyond the photo and show its mirror image.
    layers : tuple of str
        The layers that the heatmaps are made at.
    unswept : tuple of str
        The challenges that cannot be swept on this image, each with the reason.
    strips : ndarray of uint8
        [K, S, 2, h, w, 3]: the image at each amount, and its heatmap over it.
    """

    left_out: ClassVar[tuple[str, ...]] = ("strips",)
    derived: ClassVar[tuple[str, ...]] = ("first_changes", "held_shares", "weakest")

    image: str
    rendered: bool
    sweeps: tuple[str, ...]
    challenges: tuple[str, ...]
    units: tuple[str, ...]
    amounts: NDArray[np.float64]
    target: str
    answers: NDArray[np.float64]
    classes: NDArray[np.int64]
    class_names: tuple[tuple[str, ...], ...]
    similarity: NDArray[np.float64]
    on_object: NDArray[np.float64]
    beyond: NDArray[np.float64]
    layers: tuple[str, ...]
    strips: NDArray[np.uint8]
    unswept: tuple[str, ...] = ()
    unit: Unit = "probability"

    @property
    def named(self) -> bool:
        """Whether the network names classes, so that it can be told when its answer changes."""
        return bool((self.classes != NO_CLASS).all())

    @property
    def first_changes(self) -> tuple[int | None, ...]:
        """For each sweep the first step at which another class is likelier; None if there is none.

        Where the network names no classes nothing is known of this, and all are None.
        """
        changed = (self.classes != self.classes[:, :1]) & self.named
        return tuple(int(row.argmax()) if row.any() else None for row in changed)

    @property
    def held_shares(self) -> NDArray[np.float64]:
        """The last step before the first change, as a share of the way to the last amount, [K]."""
        last = self.amounts.shape[1] - 1
        return np.array([1.0 if at is None else (at - 1) / last for at in self.first_changes])

    @property
    def weakest(self) -> int | None:
        """The sweep whose answer changes soonest, as a share of the way to its last amount.

        Of several, the one that leaves the least probability there. None where none changes.
        """
        found = [
            (at, float(self.answers[place, at]), place)
            for place, at in enumerate(self.first_changes)
            if at is not None
        ]
        return min(found)[2] if found else None

    def told(self, place: int) -> str:
        """Say between which amounts of a sweep the answer first changes, and to what."""
        return told(self, place)

    def table(self) -> Table:
        """Return a row for each sweep."""
        columns = (
            "sweep",
            "challenge",
            "unit",
            "from",
            "to",
            "held at",
            "changed at",
            "to the class",
            f"lowest {self.unit}",
            "lowest similarity of the heatmap",
        )
        return Table.of(columns, [self._row(place) for place in range(len(self.sweeps))])

    def _row(self, place: int) -> tuple[object, ...]:
        at, amounts = self.first_changes[place], self.amounts[place]
        similar = self.similarity[place]
        known = similar[np.isfinite(similar)]
        return (
            self.sweeps[place],
            self.challenges[place],
            self.units[place],
            amounts[0],
            amounts[-1],
            None if not self.named else amounts[-1] if at is None else amounts[at - 1],
            None if at is None else amounts[at],
            None if at is None else self.class_names[place][at],
            self.answers[place].min(),
            known.min() if known.size else None,
        )

    def summary(self) -> str:
        """Name the weakest spot of the network on this image."""
        return summary(self)

    def caption(self) -> str:
        """Say what was changed and how, what the curves are, and what could not be tried."""
        return caption(self)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw a strip and its curves for each sweep."""
        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the strips and curves into an Axes."""
        draw_panel(self, axes)


@bounded
@in_smaller_batches
def challenges(
    model: Model | nn.Module,
    images: Images | Sample | None = None,
    target: Target = None,
    *,
    only: str | Sequence[str] | None = None,
    scene: Index = 19,
    steps: Annotated[int, Within(2, 1_000)] = 7,
    progress: Progress = silent,
) -> Challenges:
    """Change one thing of an image at a time, further and further, and follow the answer.

    Illumination, pose, scale, viewpoint, occlusion and blur; of a scene of `shapes` also clutter
    and intra-class appearance, which cannot be made of the pixels of a photo.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], float tensor [1, C, H, W], Sample or None
        One photo; a sample of `cnnviz.Shapes`; or None for the scene of that number.
    target : None, int, str, another target, or callable
        What is followed; the network's own answer to the image as it is by default.
    only : str or sequence of str, optional
        Challenges, such as "pose", or single sweeps, such as "turned"; all by default.
    scene : int
        Which sample of the held-out split of `shapes` is taken where no image is given.
    steps : int
        How many amounts of each, the first as it is; 2 or more.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in passes of single images.

    Returns
    -------
    Challenges
        Probability, class and heatmap at every amount, and the weakest spot.

    Raises
    ------
    TargetError
        If a target does not fit the output.
    UsageError
        If there is more than one image, no such challenge, or fewer than 2 steps.
    ImageError
        If the image cannot be read.
    ModelError
        If the network cannot run on the image.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> held = cnnviz.challenges(model, photo, only="turned", steps=2)
    >>> held.summary().split(";")[0]
    "'crescent' held everywhere tried"
    """
    wrapped = as_model(model)
    check_takes_images(wrapped, "challenges")
    batch, swept, name = _swept(wrapped, images, scene)
    target = checked_target(wrapped, target, batch)
    chosen = _chosen(swept, only)
    image = FollowedImage(wrapped, batch, target)
    seen = SweepsSeen(chosen, steps)
    total = len(chosen) * (steps - 1)
    for place, sweep in enumerate(chosen):
        progress(place * (steps - 1), total, sweep.name)
        seen.add(place, sweep, swept, image)
    progress(total, total, "done")
    return Challenges(
        provenance=replace(image.held.provenance, targets=(image.resolved.name,)),
        image=name,
        rendered=isinstance(swept, SweptSample),
        sweeps=tuple(sweep.name for sweep in chosen),
        challenges=tuple(sweep.challenge for sweep in chosen),
        units=tuple(sweep.unit for sweep in chosen),
        amounts=seen.amounts,
        target=image.resolved.name,
        answers=seen.answers,
        unit=image.unit,
        classes=seen.classes,
        class_names=tuple(map(tuple, seen.names)),
        similarity=seen.similarity,
        on_object=seen.on_object,
        beyond=seen.beyond,
        layers=image.layers,
        strips=np.stack(seen.strips),
        unswept=tuple(f"{challenge} ({why})" for challenge, why in swept.unswept.items()),
    )


def _swept(model: Model, images: Images | Sample | None, scene: int) -> tuple[Batch, Swept, str]:
    """Return the image as it is, what sweeps are made of, and the image's name."""
    if images is None:
        images = Shapes(split="held-out", size=_side(model))[scene]
    if isinstance(images, Sample):
        batch = model.prepare(images.image)

        def preprocess(
            picture: NDArray[np.uint8],
        ) -> tuple[NDArray[np.float32], PhotoBox]:
            one = model.prepare(picture)
            return one.tensor[0].float().cpu().numpy(), one.boxes[0]

        name = f"shapes {images.split} {images.index}, seed {images.seed}"
        return batch, SweptSample(images, preprocess), name
    batch = model.prepare(images)
    if len(batch) != 1:
        raise UsageError(
            f"{len(batch)} images were given, and challenges are swept on one.", "Give one image."
        )
    photo = SweptPhoto(Scene.of(model.preprocessing, batch, 0), model.preprocessing)
    return batch, photo, batch.photos[0].name


def _side(model: Model) -> int:
    """Return the side of a scene that the network takes without much resizing."""
    least, most = _SCENE_SIDES
    resize = model.preprocessing.resize
    wanted = resize if isinstance(resize, int) else min(model.input_shape[1:])
    return max(least, min(wanted, most))


def _chosen(swept: Swept, only: str | Sequence[str] | None) -> list[Sweep]:
    able = [sweep for sweep in swept.sweeps if sweep.start != sweep.end]
    if not only:
        return able
    names = split(only)
    known = [*dict.fromkeys(sweep.challenge for sweep in able), *(s.name for s in able)]
    for name in names:
        if name in swept.unswept:
            raise UsageError(
                f"{name} cannot be swept on a photo: {swept.unswept[name]}.",
                "Give no photo: a scene of shapes is rendered with the factor changed.",
            )
        if name not in known:
            raise UsageError(
                f"There is no challenge {name!r}.",
                did_you_mean(name, known, f"Choose {', '.join(known)}."),
            )
    return [sweep for sweep in able if sweep.challenge in names or sweep.name in names]
