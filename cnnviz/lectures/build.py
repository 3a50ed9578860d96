"""lecture(): the chapters run on one network and one photo, as a report of its own kind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from cnnviz.errors import CnnvizError, UsageError, did_you_mean
from cnnviz.images import Batch, Photo
from cnnviz.images.inputs import Images
from cnnviz.lectures.beginning import Beginning, Loading, begin
from cnnviz.lectures.chapter import Chapter, Step
from cnnviz.lectures.chapters import CHAPTERS
from cnnviz.lectures.notebook import write_notebook
from cnnviz.lectures.slides import write_slides
from cnnviz.models import Model, as_model, load
from cnnviz.models.samples import sample_for
from cnnviz.models.spaces import check_takes_images
from cnnviz.reports.content import Picture, Section
from cnnviz.reports.context import ReportImage
from cnnviz.reports.document import Report
from cnnviz.reports.first_notes import first_notes
from cnnviz.reports.image_answer import answer
from cnnviz.reports.progress import DRAWING_SHARE, WRITING_STEPS, ReportProgress, Steps
from cnnviz.results.file_names import stem
from cnnviz.results.result import Result

KIND = "lecture"
NOTEBOOK = "lecture.ipynb"
SLIDES = "slides"


def lecture(
    model: str | Model | nn.Module = "shapes",
    photo: Images | None = None,
    chapters: str | Sequence[str] | None = None,
    *,
    data: str | Sequence[str] | None = None,
    loading: Loading | None = None,
    progress: ReportProgress | None = None,
) -> Report:
    """Hold the whole course on convolutional networks on one network and one photo.

    Parameters
    ----------
    model : str, Model or torch.nn.Module
        The network, or the name that `load` takes; it is left as it was.
    photo : path, PIL image or uint8 array [H, W, 3], optional
        The photo; a sample that suits the network by default.
    chapters : str or sequence of str, optional
        Which chapters, by key (see `cnnviz.lectures.CHAPTERS`); all by default.
    data : str or sequence of str, optional
        Many images for what needs them, as `open_dataset` takes them; the shipped data by default.
    loading : Loading, optional
        How the network is loaded, as the notebook and the commands say it; by its name by default.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each step, here and in `Report.save`.

    Returns
    -------
    Report
        The course. `Report.save` writes the page, the notebook ``lecture.ipynb``, and the folder
        ``slides`` with each picture as PNG and SVG, 16:9.

    Raises
    ------
    UsageError
        If a chapter is unknown, the network takes no images, or the photo is not one.
    LayerError
        If no layer of the network holds a map of the image.
    ModelError
        If the network cannot run on the photo.
    """
    chosen = choose_chapters(chapters)
    wrapped = load(model) if isinstance(model, str) else as_model(model)
    check_takes_images(wrapped, "lecture")
    steps = Steps(progress)
    given = photo if photo is not None else sample_for(wrapped)
    with steps.step("looking", "looking at the photo"):
        batch = wrapped.prepare(given)
        shown = _only(batch)
        # It may be in a list of one, or begin with ~.
        read = Path(shown.path).expanduser()
        path = read if shown.path and read.is_file() else None
        name = f"{stem(shown.name)}{'.png' if path is None else path.suffix}"
        how = loading or _loading(model, wrapped)
        many = data if isinstance(data, str) else list(data) if data is not None else "shapes"
        beginning = begin(wrapped, how, path or given, name, many)
    calls = sum(len(chapter.steps) for chapter in chosen)
    steps.rest(calls + DRAWING_SHARE * len(chosen) + calls + WRITING_STEPS)
    sections = tuple(
        _section(place + 1, chapter, beginning, steps) for place, chapter in enumerate(chosen)
    )
    head = answer(ReportImage(stem(shown.name), "", beginning.capture), {"cam"})
    report = Report(
        provenance=beginning.capture.provenance,
        created=datetime.now().astimezone(),
        facts=_facts(wrapped, shown),
        answers=(head,),
        sections=sections,
        notes=first_notes(wrapped, batch),
        steps=steps,
        heading=f"Convolutional networks, on {wrapped.name} and {shown.name}",
        kind=KIND,
    )
    return replace(report, beside=_beside(report, beginning, path or shown, name))


def choose_chapters(wanted: str | Sequence[str] | None) -> tuple[Chapter, ...]:
    """Return the chapters of these keys, in the order of the course.

    Raises
    ------
    UsageError
        If there is no such chapter.
    """
    if wanted is None:
        return CHAPTERS
    keys = [
        key.strip().replace("-", "_")
        for key in (wanted.split(",") if isinstance(wanted, str) else wanted)
    ]
    known = [chapter.key for chapter in CHAPTERS]
    for key in keys:
        if key not in known:
            raise UsageError(
                f"The lecture has no chapter {key!r}.",
                f"{did_you_mean(key, known)}Chapters: {', '.join(known)}.",
            )
    return tuple(chapter for chapter in CHAPTERS if chapter.key in keys)


def _section(number: int, chapter: Chapter, beginning: Beginning, steps: Steps) -> Section:
    pictures, left_out = [], []
    for step in chapter.steps:
        lost = [one for one in chapter.steps if one.name in step.uses - set(beginning.names)]
        if lost:
            steps.done += 1
            left_out.append(f"{step.title} is left out, which goes on from: {lost[0].title}.")
            continue
        with steps.step(f"chapter {chapter.key}", f"{chapter.title}: {step.title}"):
            try:
                result = beginning.run(step.call)
            except CnnvizError as error:
                left_out.append(f"{step.title} is left out. {error.what} {error.remedy}".strip())
                continue
        beginning.names[step.name] = result
        if step.empty is not None and step.empty(result):
            left_out.append(f"{result.summary().rstrip('.')}.")
        else:
            pictures.append(_picture(number, step, result, beginning))
    return Section(
        key=chapter.key,
        title=f"{number}. {chapter.title}",
        anchor=chapter.key.replace("_", "-"),
        lead=chapter.opening,
        pictures=tuple(pictures),
        notes=tuple(left_out),
    )


def _picture(number: int, step: Step, result: Result, beginning: Beginning) -> Picture:
    made = Picture.of(result, f"{number:02d}-{step.name.replace('_', '-')}", step.title)
    pages = result.sheets()
    return replace(
        made,
        before=step.before,
        after=tuple(step.after(result)) if step.after is not None else (),
        code=f"{step.name} = {step.call}",
        command=step.command.format(**beginning.options),
        # The first page alone: a table of a hundred layers could not be read on a slide.
        slide=pages[0].figure if len(pages) > 1 else None,
    )


def _only(batch: Batch) -> Photo:
    """Return the one photo of the lecture."""
    if len(batch) != 1 or batch.photos[0].as_tensor:
        raise UsageError(
            "A lecture is about one photo.",
            "Give one file, PIL image or uint8 array [H, W, 3]; report takes many.",
        )
    return batch.photos[0]


def _loading(given: Any, model: Model) -> Loading:
    """Return how a network is loaded, as far as that is known."""
    if isinstance(given, str):
        return Loading.of(given)
    named = Loading.of(model.name)
    return replace(named, code=f"{named.code}  # or what made it, which was at hand already")


def _facts(model: Model, photo: Photo) -> tuple[tuple[str, str], ...]:
    return (
        ("Network", model.name),
        ("Weights", model.weights),
        ("Photo", f"{photo.name}, {photo.height} x {photo.width} pixels"),
    )


def _beside(
    report: Report, beginning: Beginning, photo: Path | Photo, name: str
) -> tuple[tuple[str, Callable[[Path], object]], ...]:
    return (
        (name, partial(_write_photo, photo)),
        (NOTEBOOK, partial(write_notebook, report, beginning.code)),
        (SLIDES, partial(write_slides, report)),
    )


def _write_photo(photo: Path | Photo, path: Path) -> None:
    """Put the photo beside the notebook, which reads it from there."""
    if isinstance(photo, Photo):
        Image.fromarray(photo.pixels).save(path)
    else:
        shutil.copyfile(photo, path)
