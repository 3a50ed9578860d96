"""report(): one pass for each image, and everything that is said about it, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from torch import nn

from cnnviz.bounds import bounded
from cnnviz.errors import ModelError, NothingFoundError
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.introspection import layers as layer_names
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import only_images
from cnnviz.passes.captures import capture
from cnnviz.passes.stages import STAGES
from cnnviz.passes.targets import Target, check_one_each
from cnnviz.reports.content import ImageAnswer, Picture, Section
from cnnviz.reports.context import Context, ReportImage
from cnnviz.reports.document import Report
from cnnviz.reports.first_notes import first_notes
from cnnviz.reports.image_answer import answer
from cnnviz.reports.live_maps import live_maps
from cnnviz.reports.progress import DRAWING_SHARE, WRITING_STEPS, ReportProgress, Steps
from cnnviz.reports.sections import SectionKind, choose
from cnnviz.results.file_names import distinct, stem
from cnnviz.results.provenance import AS_IT_IS, Provenance
from cnnviz.results.text import count, dimensions, estimated_time, short


@bounded
def report(
    model: Model | nn.Module,
    images: Images,
    sections: str | Sequence[str] | None = None,
    *,
    layers: Layers | None = None,
    target: Target = None,
    thorough: bool = False,
    interactive: bool = False,
    progress: ReportProgress | None = None,
) -> Report:
    """Look at images through a network and tell it as a report.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left exactly as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images. Those that cannot be read are listed in the report and the others go on.
    sections : str or sequence of str, optional
        Which sections, by key (see `cnnviz.reports.SECTIONS`) or by the name of a view of another
        package; by default all of ours that need no further pass through the network.
    layers : str or sequence of str, optional
        The layers of the feature maps and of Grad-CAM (see `cnnviz.introspection.layers.select`);
        by default the last layer at each spatial resolution.
    target : None, int, str, sequence of these, or callable
        What the heatmaps explain; by default each image's likeliest class.
    thorough : bool
        Whether sections that run the network many more times come as well: maps of many methods,
        each with its checks. The progress says how long they may take.
    interactive : bool
        Whether a reader of the page can switch the heatmap at the head of each image: to another
        of the likeliest classes, to another layer, and to another opacity. The network runs once
        more for each of the classes.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each step, here and in `Report.save`.

    Returns
    -------
    Report
        Everything the report says. Nothing is drawn before `Report.save`.

    Raises
    ------
    UsageError
        If a section is unknown.
    ImageError
        If no image can be read.
    LayerError, TargetError, ModelError
        As `cnnviz.capture`.
    """
    kinds = choose(sections, thorough=thorough)
    wrapped = as_model(model)
    created = datetime.now().astimezone()
    steps = Steps(progress)
    with steps.step("reading the images", "reading the images"):
        batch = wrapped.prepare(images)
    pending = _count(kinds, len(batch))
    # Each section is built once and drawn once; the heads and the writing come after.
    maps = pending.looks if interactive and "cam" in _keys(kinds) else 0
    steps.rest(
        pending.looks + maps + pending.sections + DRAWING_SHARE * pending.sections + WRITING_STEPS
    )
    slugs = distinct(stem(photo.name) for photo in batch.photos)
    subjects = tuple(
        _look(wrapped, batch, place, slugs[place], kinds, layers, target, steps)
        for place in range(pending.looks)
    )
    writer = _Writer(wrapped, kinds, subjects, batch, _said(layers), steps)
    heads = [answer(subject, _keys(kinds)) for subject in subjects]
    if maps:
        heads = [_live(entry, one, steps) for entry, one in zip(heads, subjects, strict=True)]
    answers, parts = _with_distinct_names(heads, writer.sections())
    return Report(
        provenance=_provenance(wrapped, batch, subjects),
        created=created,
        facts=_facts(wrapped, batch, subjects),
        answers=answers,
        sections=parts,
        refused=batch.refused,
        notes=first_notes(wrapped, batch),
        steps=steps,
    )


def _live(entry: ImageAnswer, subject: ReportImage, steps: Steps) -> ImageAnswer:
    with steps.step("maps of other classes", f"maps of other classes for {entry.name}"):
        return replace(entry, live=live_maps(subject))


@dataclass(frozen=True)
class _Pending:
    looks: int
    sections: int


def _count(kinds: Sequence[SectionKind], images: int) -> _Pending:
    about_images = sum(kind.about == "image" for kind in kinds)
    looks = images if about_images else 0
    return _Pending(looks, about_images * images + len(kinds) - about_images)


def _keys(kinds: Sequence[SectionKind]) -> frozenset[str]:
    return frozenset(kind.key for kind in kinds)


def _said(layers: Layers | None) -> str:
    return "" if layers is None else ", ".join(layer_names.split(layers))


def _look(
    model: Model,
    batch: Batch,
    place: int,
    slug: str,
    kinds: Sequence[SectionKind],
    layers: Layers | None,
    target: Target,
    steps: Steps,
) -> ReportImage:
    """Run one image through the network, once, for all sections about it.

    One image at a time: the memory of a pass does not grow with the number of images, and what is
    said about an image does not depend on which others stand beside it.
    """
    needs = {kind.needs for kind in kinds}
    photo = batch.photos[place]
    gradients: Literal[True, "layers", False] = "layers" if "backward" in needs else False
    if any(kind.at_input for kind in kinds):
        gradients = True
    wanted = (layers or STAGES) if needs & {"layers", "backward"} else ()
    explained = _target_of(target, place, len(batch)) if gradients else None
    one = Batch(batch.tensor[place : place + 1], (photo,), (batch.boxes[place],))
    with steps.step("running the network", f"looking at {photo.name}"):
        unexplained = ""
        try:
            found = capture(model, one, layers=wanted, target=explained, gradients=gradients)
        except NothingFoundError as error:
            if explained is not None:
                raise
            unexplained = str(error)
            found = capture(model, one, layers=wanted, gradients=False)
        except ModelError as error:
            raise type(error)(
                f"{photo.name}: {error.what}", error.remedy, option=error.option
            ) from error
    anchor = f"{slug}-" if len(batch) > 1 else ""
    return ReportImage(slug=slug, anchor=anchor, capture=found, unexplained=unexplained)


def _target_of(target: Target, place: int, count: int) -> Target:
    if isinstance(target, str) or not isinstance(target, Sequence):
        return target
    check_one_each(len(target), count, of="readable image")
    return target[place]


def _provenance(model: Model, batch: Batch, subjects: Sequence[ReportImage]) -> Provenance:
    found = [subject.provenance for subject in subjects]
    refused = tuple(f"{entry.name}: {entry.reason}" for entry in batch.refused)
    own = {*model.notes, *model.findings}
    return model.provenance(
        (image for entry in found for image in entry.images),
        targets=(target for entry in found for target in entry.targets),
        notes=(*refused, *(note for entry in found for note in entry.notes if note not in own)),
        computed_on="; ".join(dict.fromkeys(entry.computed_on for entry in found)) or AS_IT_IS,
    )


def _facts(
    model: Model, batch: Batch, subjects: Sequence[ReportImage]
) -> tuple[tuple[str, str], ...]:
    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    shape = dimensions(batch.tensor.shape[1:])
    facts = [
        ("Network", model.name),
        ("Weights", model.weights),
        ("Parameters", short(parameters)),
        ("Input", f"{shape} ({model.space.axes_in_words})"),
    ]
    if len(subjects) > 1:
        facts.append(("Images", count(len(subjects))))
    return tuple(facts)


def _with_distinct_names(
    answers: Sequence[ImageAnswer], sections: Sequence[Section]
) -> tuple[tuple[ImageAnswer, ...], tuple[Section, ...]]:
    """Number the pictures whose names would mean the same file."""
    given = [
        picture.name
        for pictures in (*map(_of_answer, answers), *(part.pictures for part in sections))
        for picture in pictures
    ]
    names = iter(distinct(given))

    def renamed(picture: Picture) -> Picture:
        return replace(picture, name=next(names))

    return (
        tuple(
            replace(
                entry,
                photo=renamed(entry.photo),
                thumbnail=renamed(entry.thumbnail),
                overlay=renamed(entry.overlay) if entry.overlay else None,
            )
            for entry in answers
        ),
        tuple(
            replace(part, pictures=tuple(renamed(picture) for picture in part.pictures))
            for part in sections
        ),
    )


def _of_answer(entry: ImageAnswer) -> tuple[Picture, ...]:
    return (entry.photo, entry.thumbnail, *([entry.overlay] if entry.overlay else []))


@dataclass(frozen=True)
class _Writer:
    """Builds the chosen sections, each with what it may see."""

    model: Model
    kinds: tuple[SectionKind, ...]
    subjects: tuple[ReportImage, ...]
    batch: Batch
    layers: str
    steps: Steps

    def sections(self) -> tuple[Section, ...]:
        """Return the sections in reading order.

        With one image that is the order of the table; with several, all sections about the network
        come first, then those of each image, then those about the report.
        """
        plan: list[tuple[SectionKind, ReportImage | None]] = []
        if len(self.subjects) == 1:
            only = self.subjects[0]
            plan = [(kind, only if kind.about == "image" else None) for kind in self.kinds]
        else:
            plan += [(kind, None) for kind in self.kinds if kind.about == "network"]
            for subject in self.subjects:
                plan += [(kind, subject) for kind in self.kinds if kind.about == "image"]
            plan += [(kind, None) for kind in self.kinds if kind.about == "report"]
        return tuple(self._section(kind, subject) for kind, subject in plan)

    def _section(self, kind: SectionKind, subject: ReportImage | None) -> Section:
        title = kind.title[:1].lower() + kind.title[1:]
        what = f"{subject.photo.name}: {title}" if subject and len(self.subjects) > 1 else title
        context = Context(
            model=self.model,
            title=kind.title,
            input_shape=tuple(self.batch.tensor.shape[1:]),
            introduces=subject is None or subject is self.subjects[0],
            layers=self.layers,
            photos=self.batch.photos,
            subjects=self.subjects,
            subject=subject,
            times=tuple(self.steps.times.items()),
        )
        if kind.passes:
            what += f" ({self._expected(kind)})"
        with self.steps.step(f"section {kind.key.replace('_', ' ')}", what):
            refused = only_images(self.model, kind.of_view)
            if refused:
                return self._left_out(kind, context, refused)
            if subject is not None and subject.unexplained and kind.needs == "backward":
                return self._left_out(kind, context, subject.unexplained)
            try:
                return kind.builder()(context)
            except NothingFoundError as error:
                return self._left_out(kind, context, str(error))

    def _left_out(self, kind: SectionKind, context: Context, why: str) -> Section:
        return Section(
            key=kind.key,
            title=kind.title,
            anchor=context.anchor(kind.key),
            lead=("Left out.",),
            notes=(why,),
            subject=context.subject.slug if context.subject is not None else "",
        )

    def _expected(self, kind: SectionKind) -> str:
        """Say how long a section may take, from the time that the passes so far have taken."""
        taken = self.steps.times.get("running the network", 0.0) / max(len(self.subjects), 1)
        # The pass so far went forward and backward, which is worth about three forward passes.
        return f"about {estimated_time(kind.passes * taken / 3)}"
