"""lecture(): the chapters run on one network and one photo, as a report of its own kind."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from cnnviz.bounds import bounded
from cnnviz.datasets.opening import SHAPES
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.images import Batch, Photo
from cnnviz.images.inputs import Images
from cnnviz.images.paths import expand
from cnnviz.lectures.beginning import Loading, begin
from cnnviz.lectures.chapter import Chapter
from cnnviz.lectures.chapters import CHAPTERS
from cnnviz.lectures.literature import literature
from cnnviz.lectures.notebook import write_notebook
from cnnviz.lectures.running import Run
from cnnviz.lectures.slides import write_slides
from cnnviz.models import Model, as_model, load
from cnnviz.models.samples import sample_for
from cnnviz.models.spaces import check_takes_images
from cnnviz.reports.context import ReportImage
from cnnviz.reports.document import Report
from cnnviz.reports.first_notes import first_notes
from cnnviz.reports.image_answer import answer
from cnnviz.reports.own_files import LECTURE, NOTEBOOK, SLIDES
from cnnviz.reports.progress import DRAWING_SHARE, WRITING_STEPS, ReportProgress, Steps
from cnnviz.results.file_names import stem


@bounded
def lecture(
    model: str | Model | nn.Module = "shapes",
    photo: Images | None = None,
    chapters: str | Sequence[str] | None = None,
    *,
    data: str | Sequence[str] | None = None,
    loading: Loading | None = None,
    folder: str | Path | None = None,
    progress: ReportProgress | None = None,
) -> Report:
    """Make the whole course on convolutional networks, computed on one network and one photo.

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
    folder : str or Path, optional
        The folder that the lecture will be saved to. The notebook and the commands name files from
        there where both lie below the working folder, and by their absolute paths otherwise.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each step, here and in `Report.save`.

    Returns
    -------
    Report
        The course. `Report.save` writes the page, the notebook ``lecture.ipynb``, and the folder
        ``slides`` with each picture as PNG and SVG, 16:9. What a network cannot show is left out in
        a sentence; what broke by a fault of ours is in `Report.failures`.

    Raises
    ------
    UsageError
        If a chapter is unknown, the network takes no images, or the photo is not one.
    LayerError
        If no layer of the network holds a map of the image.
    ModelError
        If the network cannot run on the photo.
    ImageError
        If the photo cannot be read.
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
        read = expand(shown.path)
        path = read if shown.path and read.is_file() else None
        name = f"{stem(shown.name)}{'.png' if path is None else path.suffix}"
        place = Path(folder) if folder is not None else None
        how = loading or _loading(model, wrapped, place)
        many = data if isinstance(data, str) else list(data) if data is not None else SHAPES
        beginning = begin(wrapped, how, path or given, name, many, place)
    calls = sum(len(chapter.steps) for chapter in chosen)
    steps.rest(calls + DRAWING_SHARE * len(chosen) + calls + WRITING_STEPS)
    run = Run(beginning, steps)
    sections = tuple(run.section(place + 1, chapter) for place, chapter in enumerate(chosen))
    head = answer(ReportImage(stem(shown.name), "", beginning.capture), {"cam"})
    report = Report(
        provenance=beginning.capture.provenance,
        created=datetime.now().astimezone(),
        facts=_facts(wrapped, shown),
        answers=(head,),
        sections=(*sections, *literature(sections)),
        notes=first_notes(wrapped, batch),
        steps=steps,
        heading=f"Convolutional networks, on {wrapped.name} and {shown.name}",
        preface=_preface(name),
        kind=LECTURE,
        failures=run.failures,
    )
    beside = (
        (name, partial(_write_photo, path or shown)),
        (NOTEBOOK, partial(write_notebook, report, beginning.code)),
        (SLIDES, partial(write_slides, report, run.drawings)),
    )
    return replace(report, beside=beside)


def _preface(photo: str) -> tuple[str, ...]:
    return (
        "This course is computed: every number and every picture comes from the network and the "
        "photo above, or from a small example that is run on the spot. Below each picture stand "
        "the call that makes it in Python and the command. Commands are meant for the folder of "
        f"this page, where {photo} lies, too; lecture.ipynb has the same calls as a notebook, and "
        "the folder slides has each picture on a slide of its own.",
    )


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
                did_you_mean(key, known, f"Choose from {', '.join(known)}."),
            )
    return tuple(chapter for chapter in CHAPTERS if chapter.key in keys)


def _only(batch: Batch) -> Photo:
    """Return the one photo of the lecture."""
    if len(batch) != 1 or batch.photos[0].as_tensor:
        raise UsageError(
            "A lecture is about one photo.",
            "Give one file, PIL image or uint8 array [H, W, 3]; report takes many.",
        )
    return batch.photos[0]


def _loading(given: Any, model: Model, folder: Path | None) -> Loading:
    """Return how a network is loaded, as far as that is known."""
    return Loading.of(given, folder=folder) if isinstance(given, str) else Loading.of_model(model)


def _facts(model: Model, photo: Photo) -> tuple[tuple[str, str], ...]:
    return (
        ("Network", model.name),
        ("Weights", model.weights),
        ("Photo", f"{photo.name}, {photo.height} x {photo.width} pixels"),
    )


def _write_photo(photo: Path | Photo, path: Path) -> None:
    """Put the photo beside the notebook, which reads it from there."""
    if isinstance(photo, Photo):
        Image.fromarray(photo.pixels).save(path)
    else:
        shutil.copyfile(photo, path)
