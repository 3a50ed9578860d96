"""How far a heatmap may be believed: its measures, each beside that of random maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import RANDOM_MAPS, STAGES, STEPS, Seed, bounded
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.heatmaps.checks.deletion_insertion import Curves
from cnnviz.heatmaps.checks.drop_increase import DropIncrease
from cnnviz.heatmaps.checks.explained_batch import Explain, ExplainedBatch
from cnnviz.heatmaps.checks.localisation import Localisation, Mark
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.measure_groups import (
    GROUPS,
    MEASURE_GROUPS,
    CheckSettings,
    MeasuredMaps,
    MeasureGroup,
    MeasureResult,
    groups_named,
    listed_groups,
    measurable,
    told_unmarked,
)
from cnnviz.heatmaps.checks.randomisation import Randomisation
from cnnviz.heatmaps.checks.stability import Stability
from cnnviz.heatmaps.checks.verdicts import Check, CheckVerdict
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.images.inputs import Images
from cnnviz.models import Model, as_model
from cnnviz.passes.fast_model import now_computed_on
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.targets import Target, Unit
from cnnviz.results import drawing
from cnnviz.results.docstrings import fill_docstring
from cnnviz.results.progress import Progress, silent
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.table import Table, TableResult
from cnnviz.views._explainers import heatmap as make_heatmap
from cnnviz.views._faithfulness_text import caption, in_lines, summary
from cnnviz.views._measured_maps import (
    check_images,
    measured_maps,
    taken,
    what_to_know,
    with_explainer,
)

Found = TypeVar("Found", Curves, DropIncrease, Randomisation, Stability, Localisation)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Faithfulness(TableResult):
    """What was measured on the N maps of one method, and on R random maps for each.

    Attributes
    ----------
    method, title, layer : str
        The method's name as it is asked for and as it is written, and the layer of the maps.
    images, targets : tuple of str
        The names of the N photos, and the class explained for each.
    probabilities : ndarray of float
        The probability of that class, [N]; NaN where what is explained has none.
    scores : ndarray of float
        What is followed while pixels are changed, [N]: that probability, or the score itself.
    unit : {"probability", "score"}
        Which of the two. Scores are measured from 0, the blank image of the mean colour, to 1, the
        photo (or -1, where it scores less).
    random_count : int
        How many random maps each map was compared with, R.
    results : mapping of str to MeasureResult
        What each group of measures found, in the order in which they were taken.
    notes : tuple of str
        What was left out, and why.
    unmeasured : tuple of str
        The groups of measures that were asked for, as all are by default, and could not be taken:
        why stands in the notes, but for what needs marked objects and was not asked for by name.
    axes : int
        How many axes the inputs have: 1 for signals, 2 for images, 3 for volumes.
    """

    left_out: ClassVar[tuple[str, ...]] = ("results", "axes")
    derived: ClassVar[tuple[str, ...]] = ("measures", "verdicts")

    method: str
    title: str
    layer: str
    images: tuple[str, ...]
    targets: tuple[str, ...]
    probabilities: NDArray[np.float64]
    scores: NDArray[np.float64]
    unit: Unit
    random_count: int
    results: Mapping[str, MeasureResult] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    axes: int = IMAGE.axes

    @property
    def space(self) -> Space:
        """Which axes the inputs have."""
        return space_of(self.axes)

    @property
    def curves(self) -> Curves | None:
        """Deletion and insertion; None where they were not measured."""
        return self._result("curves", Curves)

    @property
    def drop(self) -> DropIncrease | None:
        """Average drop and increase; None where they were not measured."""
        return self._result("drop", DropIncrease)

    @property
    def randomisation(self) -> Randomisation | None:
        """The similarity under redrawn weights; None where it was not measured."""
        return self._result("randomisation", Randomisation)

    @property
    def stability(self) -> Stability | None:
        """The change under noise; None where it was not measured."""
        return self._result("stability", Stability)

    @property
    def localisation(self) -> Localisation | None:
        """How the maps lie to the marked objects; None where it was not measured."""
        return self._result("localisation", Localisation)

    def _result(self, group: str, kind: type[Found]) -> Found | None:
        held = self.results.get(group)
        return held if isinstance(held, kind) else None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every measure that was taken, in the order of the groups."""
        return tuple(one for found in self.results.values() for one in found.measures())

    def measure(self, key: str) -> Measure:
        """Return one measure by its key.

        Raises
        ------
        UsageError
            If it was not taken.
        """
        for one in self.measures:
            if one.key == key:
                return one
        known = [one.key for one in self.measures]
        raise UsageError(
            f"There is no measure {key!r} here.",
            did_you_mean(key, known, f"There are {', '.join(known)}."),
        )

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the groups that were measured are judged by."""
        held = (MEASURE_GROUPS[name].check for name in self.results)
        return tuple(check for check in held if check is not None)

    @property
    def verdicts(self) -> tuple[CheckVerdict, ...]:
        """What the measures say in sentences: against random maps, and against random weights."""
        return tuple(check.verdict(self.title, self.measure, self.space) for check in self.checks)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of every group, as ``curves.deletion`` and so on."""
        found = super().arrays()
        for group, held in self.results.items():
            values: Any = held
            for entry in fields(values):
                value = getattr(values, entry.name)
                if isinstance(value, np.ndarray):
                    found[f"{group}.{entry.name}"] = value
        return found

    def contents(self) -> dict[str, Any]:
        """Return what the JSON holds: every group of measures under its name."""
        groups = {name: self.results.get(name) for name in MEASURE_GROUPS}
        return {**super().contents(), **groups}

    def summary(self) -> str:
        """Say which method was measured on how much, and which checks it passed."""
        return summary(self)

    def caption(self) -> str:
        """Say how to read the curves and the table."""
        return caption(self)

    def __str__(self) -> str:
        return in_lines(self)

    def table(self) -> Table:
        """Return a row for each measure: its mean over the images, beside random maps."""
        columns = ("measure", "title", "better", "images", "mean", "random", "beaten", "chance")
        rows = [
            (
                one.key,
                one.title,
                one.better or None,
                int(np.isfinite(one.values).sum()),
                one.mean,
                one.random_mean,
                one.beaten,
                one.chance,
            )
            for one in self.measures
        ]
        return Table.of(columns, rows)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the curves, the similarity under random weights, and the table."""
        from cnnviz.views.pictures.faithfulness import draw

        return draw(self, into)


@fill_docstring(groups=listed_groups())
@bounded
@in_smaller_batches
def faithfulness(
    model: Model | nn.Module,
    images: Images,
    heatmap: Heatmap | str = "gradcam",
    *,
    layer: str | None = None,
    target: Target = None,
    explain: Explain | None = None,
    masks: Sequence[Mark] | None = None,
    measures: Sequence[str] = GROUPS,
    baselines: Sequence[str] = ("blur", "mean"),
    steps: Annotated[int, STEPS] = 10,
    stages: Annotated[int, STAGES] = 8,
    random: Annotated[int | None, RANDOM_MAPS] = None,
    seed: Seed = 0,
    progress: Progress = silent,
) -> Faithfulness:
    """Measure how far heatmaps may be believed, beside random maps of the same kind.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was, and weights are redrawn on a copy.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images of the heatmap.
    heatmap : Heatmap or str
        The maps to measure, or the name of a method that makes them, such as "gradcam" or
        "saliency".
    layer : str, optional
        Which layer's maps: of a heatmap the last by default, of a named method the last stage.
    target : None, int, str, another target, a sequence of these, or callable
        What was explained. That of the heatmap by default; the network's own answer to each image
        where the method is named, or asks for no class.
    explain : callable, optional
        ``explain(model, batch, classes)``, which makes the maps [N, h, w] anew for a network with
        other weights and for noisy images. Needed only for a heatmap that does not hold the
        settings that it was made with.
    masks : sequence of ndarray of bool [H, W] or PhotoBox, optional
        Where the object is in each photo, for the measures of localisation.
    measures : str or sequence of str
        Which groups: {groups}.
    baselines : sequence of str
        What stands for deleted pixels: "blur" (the image blurred), "mean" (its mean colour),
        "noise" or "black".
    steps : int
        In how many steps the pixels are deleted and inserted.
    stages : int
        At most how many stages the weights are redrawn in.
    random : int, optional
        How many random maps each map is compared with: by default 19 for one image, 5 for two or
        three and 3 for more, which make a verdict at the level of 5% possible. The least
        probability that R of them can give is 1 / (R + 1) for one image.
    seed : int
        The seed of the random maps, the weights and the noise.
    progress : callable, optional
        Called as ``progress(done, total, what)`` between the groups.

    Returns
    -------
    Faithfulness

    Raises
    ------
    UsageError
        If the heatmap is of other images, an argument is out of range, or what all of the measures
        need is missing.
    TargetError
        If it is not known what the heatmap explains.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
    LayerError
        If the layer of a named method does not exist, or gives no map of the image.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> trust = cnnviz.faithfulness(model, photo, "saliency", measures=("drop",), random=2)
    >>> [measure.key for measure in trust.measures]
    ['average_drop', 'increase', 'brightness']
    """
    settings = CheckSettings(
        groups=groups_named(measures),
        baselines=tuple(baselines),
        steps=steps,
        stages=stages,
        seed=seed,
    )
    made_anew = isinstance(heatmap, str) or heatmap.settings is not None or explain is not None
    groups = measurable(settings.groups, explain=made_anew, marks=masks is not None)
    wrapped = as_model(model)
    if masks is not None and wrapped.space != IMAGE:
        raise UsageError(
            f"Objects are marked in photos, and the network takes {wrapped.space.noun}s.",
            "Leave masks out.",
        )
    batch = wrapped.prepare(images)
    if isinstance(heatmap, Heatmap):
        check_images(heatmap, batch)
    given = heatmap if isinstance(heatmap, Heatmap) else None
    subject = ExplainedBatch.of(wrapped, batch, target, given)
    fresh = isinstance(heatmap, str) and explain is None
    if isinstance(heatmap, str):
        heatmap = make_heatmap(wrapped, batch, subject.asked, heatmap, layer=layer, seed=seed)
        layer = None
    measured = replace(
        measured_maps(subject, heatmap, layer, random, seed),
        explain=explain,
        marks=masks,
    )
    shown = layer or heatmap.layers[-1]
    return _measure(measured, heatmap, shown, groups, settings, progress, fresh=fresh)


def of_subject(
    subject: ExplainedBatch,
    heatmap: Heatmap,
    settings: CheckSettings,
    *,
    random: int | None = None,
    marks: Sequence[Mark] | None = None,
) -> Faithfulness:
    """Return what `faithfulness` does for the last maps of a heatmap that was just made.

    Methods that are measured on one subject share what does not depend on their maps.
    """
    measured = replace(measured_maps(subject, heatmap, None, random, settings.seed), marks=marks)
    anew, last = heatmap.settings is not None, heatmap.layers[-1]
    groups = measurable(settings.groups, explain=anew, marks=marks is not None)
    return _measure(measured, heatmap, last, groups, settings, silent, fresh=True)


def _measure(
    measured: MeasuredMaps,
    held: Heatmap,
    layer: str,
    groups: Sequence[MeasureGroup],
    settings: CheckSettings,
    progress: Progress,
    *,
    fresh: bool,
) -> Faithfulness:
    notes = what_to_know(measured, held, groups)
    notes += told_unmarked(settings.groups, marks=measured.marks is not None)
    if any(MEASURE_GROUPS[name].needs == "explain" for name in settings.groups):
        measured, unknown = with_explainer(measured, held, layer, fresh=fresh)
        notes += unknown
    found, lacking = taken(measured, held.title, groups, settings, progress)
    subject = measured.subject
    targets = tuple(resolved.name for resolved in subject.targets)
    return Faithfulness(
        provenance=replace(
            held.provenance,
            targets=targets,
            seed=settings.seed,
            computed_on=now_computed_on(subject.model, subject.inputs),
        ),
        method=held.method,
        title=held.title,
        layer=layer,
        images=held.images,
        targets=targets,
        probabilities=subject.scores * (1.0 if subject.unit == "probability" else np.nan),
        scores=subject.scores,
        unit=subject.unit,
        random_count=measured.random.shape[1],
        results=found,
        notes=(*notes, *lacking),
        unmeasured=tuple(n for n in MEASURE_GROUPS if n in settings.groups and n not in found),
        axes=held.space.axes,
    )
