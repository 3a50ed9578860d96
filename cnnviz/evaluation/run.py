"""Measure every method on every image, one after the other, and go on where a run was ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from torch import nn

from cnnviz.bounds import RANDOM_MAPS, Count, bounded
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.annotated_boxes import AnnotatedBoxes
from cnnviz.errors import ImageError, UsageError
from cnnviz.evaluation.data import EvaluationImage, items, nothing_left
from cnnviz.evaluation.records import MapMeasurements, MeasurementStore
from cnnviz.evaluation.result import Evaluation, summarised
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.heatmaps.checks.localisation import MAX_BOX_FOUND, Mark, boxes_of_class
from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS, CheckSettings, measurable
from cnnviz.heatmaps.map_boxes import BOX_THRESHOLDS
from cnnviz.heatmaps.methods import MethodName, check_method, method_names, method_title
from cnnviz.images import PhotoBox
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captures import capture
from cnnviz.passes.fast_model import expect_many
from cnnviz.results.progress import Announce, Progress, silent
from cnnviz.results.result import AS_IT_IS, ImageSource, installed_version
from cnnviz.results.text import estimated_time
from cnnviz.views.faithfulness import faithfulness

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
    methods: Sequence[str] = METHODS,
    layer: str | None = None,
    count: Count | None = None,
    boxes: AnnotatedBoxes | str | Path | None = None,
    settings: CheckSettings | None = None,
    random: Annotated[int, RANDOM_MAPS] = 3,
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
    data : str, Path, Shapes, data set, images, or list of EvaluationImages
        See `cnnviz.evaluation.items`.
    methods : sequence of str
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
    state : str or Path, optional
        A folder for what was measured. With the same network, settings and image nothing in it is
        measured again.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each map.
    announce : callable, optional
        Told once how long the run will take, as measured on the first image.

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
    """
    chosen = _checked(methods)
    wrapped = as_model(model)
    check_takes_images(wrapped, "evaluate")
    found, refused = items(data, count, boxes)
    settings = settings or CheckSettings()
    job = _Job(wrapped, layer, settings, random, chosen, progress, announce)
    found, records = job.run(found, None if state is None else Path(state))
    sources = [ImageSource(item.name, item.sha256) for item in found]
    notes = (*refused, *job.refused)
    # Of what was measured before it is not known.
    computed = "; ".join(job.computed) or AS_IT_IS
    provenance = wrapped.provenance(sources, seed=settings.seed, notes=notes, computed_on=computed)
    return summarised(chosen, records, found, provenance, random=random, settings=settings)


def _checked(methods: Sequence[str]) -> tuple[str, ...]:
    wanted = [methods] if isinstance(methods, str) else list(methods)
    for name in wanted:
        check_method(name)
    if not wanted:
        raise UsageError("No method was named.", f"Choose from {', '.join(method_names())}.")
    return tuple(dict.fromkeys(wanted))


@dataclass
class _Job:
    model: Model
    layer: str | None
    settings: CheckSettings
    random: int
    methods: tuple[str, ...]
    progress: Progress
    announce: Announce | None
    spent: dict[str, list[float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    marks: dict[str, tuple[PhotoBox, ...]] = field(default_factory=dict)
    computed: dict[str, None] = field(default_factory=dict)

    def run(
        self, found: list[EvaluationImage], folder: Path | None
    ) -> tuple[list[EvaluationImage], list[list[MapMeasurements]]]:
        """Return the images that could be read, and a record [methods][images] for each."""
        store = MeasurementStore(folder, self._settings())
        found = [item for item in found if self._readable(item, lambda each: each.key)]
        self._check_marks(found)
        left = [
            (method, item)
            for item in found
            for method in self.methods
            if store.get(method, item.key) is None
        ]
        total, lost = len(found) * len(self.methods), set[EvaluationImage]()
        done = total - len(left)
        for place, (method, item) in enumerate(left):
            self.progress(done + place, total, f"{method}, {item.name}")
            start = time.perf_counter()
            if item in lost or not self._readable(item, lambda each: each.photo):
                lost.add(item)
                continue
            store.put(method, item.key, self._measure(method, item))
            self.spent.setdefault(method, []).append(time.perf_counter() - start)
            if place + 1 == len(self.methods) or place + 1 == len(left):
                self._tell([method for method, _ in left[place + 1 :]], done)
        self.progress(total, total, "done")
        kept = [item for item in found if item not in lost]
        if not kept:
            raise nothing_left(self.refused)
        self._check_marks(kept)
        return kept, [
            [record for item in kept if (record := store.get(method, item.key)) is not None]
            for method in self.methods
        ]

    def _only_marked(self) -> bool:
        """Return whether all of the measures need a marked object."""
        return all(MEASURE_GROUPS[name].needs == "marks" for name in self.settings.groups)

    def _check_marks(self, found: list[EvaluationImage]) -> None:
        """Say that nothing can be measured, where a mark is needed and no image has one."""
        if found and self._only_marked():
            marked = any(item.marked for item in found)
            measurable(self.settings.groups, explain=True, marks=marked)

    def _readable(self, item: EvaluationImage, look: Callable[[EvaluationImage], object]) -> bool:
        """Whether an image can be read; one that cannot is noted, and passed over from then on."""
        try:
            look(item)
        except ImageError as error:
            self.refused.append(str(error))
            return False
        return True

    def _measure(self, method: str, item: EvaluationImage) -> MapMeasurements:
        photo, mark = self.model.prepare([item.photo]), self._mark(item)
        # From the first image on, so that a run that is taken up again goes on as it began.
        expect_many(self.model, photo.tensor)
        if mark is None and self._only_marked():
            return MapMeasurements(method_title(method), (), ())
        measured = faithfulness(
            self.model,
            photo,
            method,
            layer=self.layer if method in CAM_METHODS else None,
            masks=None if mark is None else [mark],
            measures=self.settings.groups,
            baselines=self.settings.baselines,
            steps=self.settings.steps,
            stages=self.settings.stages,
            random=self.random,
            # Each image has its own draws, and the same ones whenever it is measured.
            seed=(self.settings.seed + int(item.key[:8], 16)) % 2**32,
        )
        self.computed[measured.provenance.computed_on] = None
        # The best threshold of one image says nothing: it is chosen over all of them, later.
        measures = [one for one in measured.measures if one.key != MAX_BOX_FOUND]
        where = measured.localisation
        return MapMeasurements.of(
            measured.title, [*measures, *(where.at_thresholds() if where is not None else ())]
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
        if self.announce is None or not left:
            return
        announce, self.announce = self.announce, None
        each = {method: sum(times) / len(times) for method, times in self.spent.items()}
        mean = sum(each.values()) / len(each)
        seconds = sum(each.get(method, mean) for method in left)
        already = f"; {known} were measured before" if known else ""
        announce(f"{len(left)} more maps take about {estimated_time(seconds)}{already}.")

    def _settings(self) -> dict[str, Any]:
        return {
            "weights": self.model.sha256,
            "model": self.model.name,
            "preprocessing": self.model.preprocessing.describe(),
            "layer": self.layer,
            "settings": self.settings,
            "random": self.random,
            "box_thresholds": BOX_THRESHOLDS,
            "versions": {name: installed_version(name) for name in ("cnnviz", "torch")},
        }
