"""Measure every method on every image, one after the other, and go on where a run was ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from torch import nn

from cnnviz.bounds import RANDOM_MAPS, WORKERS, Count, Shard, bounded
from cnnviz.datasets import default_workers
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.annotated_boxes import AnnotatedBoxes
from cnnviz.errors import ImageError
from cnnviz.evaluation.data import EvaluationImage, items, nothing_left
from cnnviz.evaluation.forecast import Forecast
from cnnviz.evaluation.image_question import ImageQuestion
from cnnviz.evaluation.records import MapMeasurements, MeasurementStore
from cnnviz.evaluation.result import Evaluation, summarised
from cnnviz.heatmaps.checks.localisation import MAX_BOX_FOUND, Mark, boxes_of_class
from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS, CheckSettings, measurable
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLDS
from cnnviz.heatmaps.methods import MethodName, method_title, methods_named
from cnnviz.images import PhotoBox
from cnnviz.images.paths import expand
from cnnviz.introspection.fast_copy.checked_copy import without_measure
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captures import capture
from cnnviz.passes.copy_policy import copies_of
from cnnviz.passes.fast_model import expect_many
from cnnviz.passes.processes import Processes, sharing
from cnnviz.passes.scan_plan import shard_size
from cnnviz.passes.shared_captures import shared_captures
from cnnviz.results.progress import Announce, Progress, silent
from cnnviz.results.provenance import AS_IT_IS, ImageSource, installed_version

METHODS: tuple[MethodName, ...] = (
    "gradcam",
    "gradcam++",
    "layercam",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "integrated_gradients",
)
"""The methods that are compared by default: those that need few passes, and the best known."""


@bounded
def evaluate(
    model: Model | nn.Module,
    data: Data | Sequence[EvaluationImage] = "shapes",
    *,
    methods: str | Sequence[str] = METHODS,
    layer: str | None = None,
    count: Count | None = None,
    boxes: AnnotatedBoxes | str | Path | None = None,
    settings: CheckSettings | None = None,
    random: Annotated[int, RANDOM_MAPS] = 3,
    workers: Annotated[int | None, WORKERS] = None,
    shard: Shard | None = None,
    state: str | Path | None = None,
    progress: Progress = silent,
    announce: Announce | None = None,
) -> Evaluation:
    """Compare methods of making heatmaps over many images.

    For each image the network's own first answer is explained. Every image is measured by itself,
    with random numbers that depend on the image alone, so that a run which was ended and taken up
    again gives the very same table.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    data : str, Path, Shapes, data set, images, or list of EvaluationImage
        See `cnnviz.evaluation.items`.
    methods : str or sequence of str
        The methods, by the names that `cam` and `attribute` know them by.
    layer : str, optional
        The layer of the class activation maps; the last stage by default.
    count : int, optional
        How many images.
    boxes : AnnotatedBoxes, str or Path, optional
        Boxes around the objects: a CSV file, a COCO JSON file, or VOC XML; see
        `cnnviz.datasets.annotated_boxes.read_boxes`. Where they have labels that are classes of the
        network, those of the class that is explained count; an image without such a box has no
        measures of localisation.
    settings : CheckSettings, optional
        What is measured, and how finely.
    random : int
        How many random maps each map is compared with.
    workers : int, optional
        Threads that read images; one for each processor, up to 8, by default.
    shard : int, optional
        Images in a shard: processes share the images shard by shard. By default a 64th of the
        images, and at most 512.
    state : str or Path, optional
        A folder for what was measured. With the same network, settings and image nothing in it is
        measured again. Processes that `torchrun` has started share the work and see the same
        folder; each returns the whole.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each map.
    announce : callable, optional
        Told how long the run will take, as measured on the first image; and again where the second
        one shows that to be wrong.

    Returns
    -------
    Evaluation

    Raises
    ------
    UsageError
        If a method is unknown, an argument is out of range, or all of the measures need a marked
        object and there is none.
    ImageError
        If there is no image.
    OtherProcessError
        If one of several processes has failed.
    """
    folder = None if state is None else expand(state)
    with sharing(folder, "an evaluation") as processes:
        chosen = methods_named(methods)
        wrapped = as_model(model)
        check_takes_images(wrapped, "evaluate")
        found, refused = items(data, count, boxes)
        settings = settings or CheckSettings()
        job = _Job(
            wrapped, layer, settings, random, chosen, progress, Forecast(announce), processes
        )
        found, records = job.run(found, MeasurementStore(folder, job.depends()), workers, shard)
    sources = [ImageSource(item.name, item.sha256) for item in found]
    notes = (*refused, *job.refused)
    computed = "; ".join(_computed_on(records)) or AS_IT_IS
    provenance = wrapped.provenance(sources, seed=settings.seed, notes=notes, computed_on=computed)
    return summarised(chosen, records, found, provenance, random=random, settings=settings)


@dataclass
class _Job:
    model: Model
    layer: str | None
    settings: CheckSettings
    random: int
    methods: tuple[str, ...]
    progress: Progress
    forecast: Forecast
    processes: Processes
    refused: list[str] = field(default_factory=list)
    marks: dict[str, tuple[PhotoBox, ...]] = field(default_factory=dict)

    def run(
        self,
        found: list[EvaluationImage],
        store: MeasurementStore,
        workers: int | None,
        shard: int | None,
    ) -> tuple[list[EvaluationImage], list[list[MapMeasurements]]]:
        """Return the images that could be read, and a record [methods][images] for each."""
        found = self._readable(found, workers or default_workers())
        self._check_marks(found)
        mine = self._mine(store, found, shard_size(len(found), 1, shard))
        self._measure_all(store, mine, found)
        self.processes.wait()
        self.processes.patiently(lambda: all(self._there(store, item) for item in found))
        kept = []
        for item in found:
            lost = store.why_lost(item.key) if self._left(store, item) else None
            if lost is not None:
                self.refused.append(lost)
            else:
                kept.append(item)
        if not kept:
            raise nothing_left(self.refused)
        self._check_marks(kept)
        if self.model.reading is None:
            # Nothing was left for this process, and yet it says what the output means.
            self._answer(kept[0])
        return kept, [[store.held(method, item.key) for item in kept] for method in self.methods]

    def _left(self, store: MeasurementStore, item: EvaluationImage) -> list[str]:
        """Return the methods that an image was not measured with."""
        return [method for method in self.methods if store.get(method, item.key) is None]

    def _there(self, store: MeasurementStore, item: EvaluationImage) -> bool:
        return not self._left(store, item) or store.why_lost(item.key) is not None

    def _mine(
        self, store: MeasurementStore, found: Sequence[EvaluationImage], shard: int
    ) -> list[EvaluationImage]:
        """Return the images that are left in the shards that fall to this process."""
        # Nobody writes before everybody knows what is left.
        left = self.processes.agreed(
            [place for place, item in enumerate(found) if self._left(store, item)]
        )
        shards: dict[int, list[EvaluationImage]] = {}
        for place in left:
            shards.setdefault(place // shard, []).append(found[place])
        return [item for at in self.processes.share(list(shards)) for item in shards[at]]

    def _measure_all(
        self,
        store: MeasurementStore,
        mine: Sequence[EvaluationImage],
        found: Sequence[EvaluationImage],
    ) -> None:
        """Measure some images; with one process all that are left."""
        work = [(method, item) for item in mine for method in self._left(store, item)]
        alone = self.processes.size == 1
        total = len(found) * len(self.methods) if alone else len(work)
        known = total - len(work)
        progress, who = self.processes.watching(self.progress), self.processes.said
        item, question = None, None
        with ExitStack() as shared:
            for place, (method, now) in enumerate(work):
                progress(known + place, total, f"{who}{method}, {now.name}")
                start = time.perf_counter()
                if now is not item:
                    shared.close()
                    item, question = now, self._asked(now, store, shared)
                if question is None:
                    continue
                store.put(method, item.key, self._measure(method, question))
                self.forecast.latest[method] = time.perf_counter() - start
                if place + 1 in (len(self.methods), 2 * len(self.methods)):
                    self._tell([method for method, _ in work[place + 1 :]], known)
        progress(total, total, "done")

    def _asked(
        self, item: EvaluationImage, store: MeasurementStore, shared: ExitStack
    ) -> ImageQuestion | None:
        """Return the question about an image; None where it cannot be read any more.

        Until `shared` is closed, methods that begin with the same pass have it made once.
        """
        try:
            photo = item.photo
        except ImageError as error:
            store.lose(item.key, str(error))
            return None
        batch = self.model.prepare([photo])
        # From the first image on, so that a run that is taken up again goes on as it began.
        expect_many(self.model, batch.tensor)
        shared.enter_context(shared_captures(self.model, batch.tensor))
        # Each image has its own draws, and the same ones whenever it is measured.
        seed = (self.settings.seed + int(item.key[:8], 16)) % 2**32
        return ImageQuestion(item, self.model, batch, replace(self.settings, seed=seed))

    def _only_marked(self) -> bool:
        """Return whether all of the measures need a marked object."""
        return all(MEASURE_GROUPS[name].needs == "marks" for name in self.settings.groups)

    def _check_marks(self, found: list[EvaluationImage]) -> None:
        """Say that nothing can be measured, where a mark is needed and no image has one."""
        if found and self._only_marked():
            marked = any(item.marked for item in found)
            measurable(self.settings.groups, explain=True, marks=marked)

    def _readable(self, found: Sequence[EvaluationImage], workers: int) -> list[EvaluationImage]:
        """Return the images whose bytes are there; one that has none is noted, and passed over."""
        with ThreadPoolExecutor(workers, "cnnviz-read") as pool:
            why = list(pool.map(_unreadable, found))
        self.refused += [one for one in why if one is not None]
        return [item for item, one in zip(found, why, strict=True) if one is None]

    def _measure(self, method: str, question: ImageQuestion) -> MapMeasurements:
        mark = self._mark(question.item)
        if mark is None and self._only_marked():
            return MapMeasurements(method_title(method), (), ())
        measured = question.measure(method, self.layer, mark, self.random)
        # The best threshold of one image says nothing: it is chosen over all of them, later.
        measures = [one for one in measured.measures if one.key != MAX_BOX_FOUND]
        where = measured.localisation
        return MapMeasurements.of(
            measured.title,
            [*measures, *(where.at_thresholds() if where is not None else ())],
            without_measure(measured.provenance.computed_on),
        )

    def _mark(self, item: EvaluationImage) -> Mark | None:
        """Return where the object is that is explained; None where that is not known."""
        if not item.boxes:
            return item.mask
        if item.key not in self.marks:
            self.marks[item.key] = boxes_of_class(
                item.boxes, self.model.categories, lambda: self._answer(item)
            )
        return self.marks[item.key] or None

    def _answer(self, item: EvaluationImage) -> int:
        seen = capture(self.model, [item.photo], layers=(), gradients=False)
        return seen.predictions(1)[0][0].index

    def _tell(self, left: list[str], known: int) -> None:
        already = f"; {known} were measured before" if known else ""
        whose = "" if self.processes.size == 1 else f" of {self.processes.name}"
        self.forecast.tell(left, already, whose)

    def depends(self) -> dict[str, Any]:
        """Return what the numbers depend on besides the method and the image."""
        return {
            "weights": self.model.sha256,
            "model": self.model.name,
            "preprocessing": self.model.preprocessing.describe(),
            "layer": self.layer,
            "settings": self.settings,
            "random": self.random,
            "box_thresholds": BOX_THRESHOLDS,
            "computed": copies_of(self.model),
            "versions": {name: installed_version(name) for name in ("cnnviz", "torch")},
        }


def _computed_on(records: Sequence[Sequence[MapMeasurements]]) -> list[str]:
    """Return on what maps were computed, each once, in the order of the images."""
    told = dict.fromkeys(one.computed_on for image in zip(*records, strict=True) for one in image)
    return [one for one in told if one]


def _unreadable(item: EvaluationImage) -> str | None:
    """Return why the bytes of an image cannot be read; None where they can."""
    try:
        _ = item.key
    except ImageError as error:
        return str(error)
    return None
