"""Many heatmaps of one answer side by side, each with the checks of how far to believe it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Seed, bounded
from cnnviz.errors import UsageError
from cnnviz.heatmaps import map_words
from cnnviz.heatmaps.array_heatmaps import darker_told, spectrograms_told
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.heatmaps.checks.measure_groups import CheckSettings, Group, groups_named, measurable
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.heatmaps.methods import MethodName, methods_named
from cnnviz.heatmaps.photo_heatmaps import stamp
from cnnviz.images.inputs import Images
from cnnviz.models import Model, as_model
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.shared_captures import shared_captures
from cnnviz.passes.targets import Target
from cnnviz.results import colour_bars, drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import plural
from cnnviz.views._explainers import heatmap
from cnnviz.views._faithfulness_text import unchecked
from cnnviz.views.faithfulness import Faithfulness, of_subject
from cnnviz.views.pictures import array_explanations

if TYPE_CHECKING:
    from matplotlib.axes import Axes

USUAL: tuple[MethodName, ...] = (
    "gradcam",
    "gradcam++",
    "hirescam",
    "layercam",
    "eigencam",
    "saliency",
    "integrated_gradients",
    "guided_backprop",
)
"""The methods that are compared where none are named: those that need no trial of every channel."""
CHECKS: tuple[Group, ...] = ("curves", "randomisation")
_LETTERS = 44
"""How many letters a map is wide."""
_LINE = 0.15
"""Inches from one line below a map to the next."""
_ACROSS = 3
"""Maps in a row at most, in a picture of its own size."""
_BAR = 0.9
"""Inches of the colour bar."""
_NARROWEST = 2.9
"""Inches of a column at least, for the lines below a map."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Explanations(Result):
    """The maps of several methods for one class of one photo, and what was measured on each.

    Attributes
    ----------
    image, target : str
        The name of the photo, and the class that is explained.
    heatmaps : tuple of Heatmap
        One for each method.
    checks : tuple of Faithfulness
        What was measured on each, in the same order; empty where nothing was.
    """

    derived: ClassVar[tuple[str, ...]] = ("verdicts",)

    image: str
    target: str
    heatmaps: tuple[Heatmap, ...]
    checks: tuple[Faithfulness, ...]

    def summary(self) -> str:
        """Say how many methods were compared, and how many passed every check."""
        said = f"{plural(len(self.heatmaps), 'explanation')} of {self.target!r} in {self.image}"
        if not self.checks:
            return said
        passed = sum(
            not unchecked(check) and all(v.passed for v in check.verdicts) for check in self.checks
        )
        return f"{said}, of which {passed} {'passes' if passed == 1 else 'pass'} every check"

    def remarks(self) -> tuple[str, ...]:
        """Return also why a map must not be read as evidence."""
        return (*super().remarks(), *self.doubts)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why maps must not be read as evidence, each sentence once."""
        return tuple(dict.fromkeys(doubt for held in self.heatmaps for doubt in held.doubts))

    def caption(self) -> str:
        """Say how to compare the maps, and what the numbers are."""
        said = (
            f"Where the evidence for {self.target} lies, by {plural(len(self.heatmaps), 'method')}."
            " Each map has a scale of its own, from nothing to its end, since the methods measure "
            "in units of their own: compare where maps are bright, not how bright they are."
            f"{spectrograms_told(self.heatmaps[0])}{darker_told(self.heatmaps[0])}"
        )
        if not self.checks:
            return " ".join([said, *self.doubts])
        readings = dict.fromkeys(each.reading for held in self.checks for each in held.checks)
        words = [self.space.words(reading) for reading in readings]
        where = "Below" if self.space == IMAGE else "Above"
        lacking = dict.fromkeys(
            note for held in self.checks if unchecked(held) for note in held.notes
        )
        return " ".join([said, f"{where} a map stand its checks.", *words, *lacking, *self.doubts])

    @property
    def space(self) -> Space:
        """Which axes the maps have."""
        return self.heatmaps[0].space

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The sentences on the maps that failed a check."""
        return tuple(
            verdict.sentence
            for check in self.checks
            for verdict in check.verdicts
            if verdict.passed is False
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every map, as ``gradcam features.12`` and so on."""
        return {
            f"{held.method} {layer}": maps[0]
            for held in self.heatmaps
            for layer, maps in zip(held.layers, held.maps, strict=True)
        }

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the maps in a grid, each on a scale of its own, with its checks below.

        Those of a signal or a volume stand one below the other, each with its checks above it.
        """
        if self.space != IMAGE:
            return array_explanations.draw(self, into)
        count = len(self.heatmaps)
        ratio = max(self._part(held).shape[0] / self._part(held).shape[1] for held in self.heatmaps)
        lines = max((self._checked(place).count("\n") + 1 for place in self._places), default=0)
        below = 0.3 + _LINE * lines
        rows, across = _grid(count, ratio, below, into)
        figure = drawing.canvas(3.4 * across + _BAR, (3.2 * ratio + below) * rows + 0.5, into)
        panels = figure.subplots(rows, across, squeeze=False).ravel()
        for place, axes in enumerate(panels):
            if place < count:
                self._draw(axes, place)
            else:
                axes.set_axis_off()
        scale = drawing.Scale(0.0, 1.0, drawing.HEAT)
        label = "evidence for the target (1: the end of each map's scale)"
        # Beside the first row, where it is seen at once however many rows follow.
        height, width = self._part(self.heatmaps[across - 1]).shape[:2]
        side = 3.2 if into is None else _side(rows, across, ratio, below, into)
        colour_bars.colour_bar(panels[across - 1], scale, label, inches=side * height / width)
        drawing.heading(figure, self.summary())
        return figure

    def _part(self, held: Heatmap) -> drawing.Pixels:
        return held.seen(0, held.layers[-1], 420)

    def _draw(self, axes: Axes, place: int) -> None:
        held = self.heatmaps[place]
        drawing.show(axes, self._part(held), smooth=True)
        axes.set_anchor("N")
        axes.set_title(held.title, fontsize=drawing.TITLE_SIZE, color=drawing.INK, loc="left")
        stamp(axes, map_words.mark(held, 0, held.layers[-1]), _LETTERS)
        if self.checks:
            _, failed = self.check_lines(place)
            axes.set_xlabel(
                self._checked(place),
                fontsize=drawing.SMALL_SIZE,
                color=drawing.WARM if failed else drawing.QUIET,
                loc="left",
            )

    @property
    def _places(self) -> range:
        """The places of the maps that were checked."""
        return range(len(self.checks))

    def _checked(self, place: int) -> str:
        """Return the checks of a map as they stand below it."""
        return "\n".join(textwrap.fill(line, _LETTERS) for line in self.check_lines(place)[0])

    def check_lines(self, place: int) -> tuple[list[str], bool]:
        """Return the checks of a map in a few short lines, and whether one of them failed."""
        check = self.checks[place]
        find = check.measure
        failed = [each for each in check.checks if each.judge(find) is False]
        lines = [each.line(find) for each in check.checks]
        lines += [each.failed_line(find, check.space) for each in failed]
        lines += [f"{name} not measured" for name in unchecked(check)]
        return lines, bool(failed)


def _grid(count: int, ratio: float, below: float, into: drawing.Canvas | None) -> tuple[int, int]:
    """Return the rows and columns of the maps: on a canvas that is given, so that they are largest.

    Evenly among the rows: four are two and two. `ratio` is the height of a map for its width, and
    `below` the inches of what stands below it.
    """
    if into is None:
        rows = -(-count // _ACROSS)
        return rows, -(-count // rows)
    grids = [(rows, -(-count // rows)) for rows in range(1, count + 1)]
    # Lines below a map need their width: narrower columns come after all others.
    room = drawing.width_of(into) - _BAR
    return max(
        grids,
        key=lambda grid: (
            room / grid[1] >= _NARROWEST,
            _side(grid[0], grid[1], ratio, below, into),
        ),
    )


def _side(rows: int, across: int, ratio: float, below: float, into: drawing.Canvas) -> float:
    """Return the inches that a map of a grid is wide on a canvas."""
    width = drawing.width_of(into)
    height = width * float(into.bbox.height / into.bbox.width)
    return float(min((width - _BAR) / across - 0.2, ((height - 0.5) / rows - below) / ratio))


@bounded
def explanations(
    model: Model | nn.Module,
    images: Images,
    methods: Sequence[str] = USUAL,
    target: Target = None,
    *,
    checks: Sequence[str] = CHECKS,
    seed: Seed = 0,
    progress: Progress = silent,
) -> Explanations:
    """Explain one answer by several methods, and check each.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], or float tensor [1, C, H, W]
        One image.
    methods : str or sequence of str
        The methods, of `cnnviz.cam` and `cnnviz.attribute`.
    target : None, int, str, another target, or callable
        What to explain; the network's own answer by default.
    checks : str or sequence of str
        Groups of measures of `cnnviz.faithfulness`; empty measures nothing, which is much faster.
    seed : int
        The seed of everything drawn at random.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each method.

    Returns
    -------
    Explanations

    Raises
    ------
    UsageError
        If a method is unknown, none is named, there are several images, or all of the checks need a
        marked object.
    ImageError
        If the image cannot be read.
    ModelError
        If the network cannot run on the image.
    LayerError
        If a layer gives no map of the image.
    TargetError
        If a target does not fit the output.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> beside = cnnviz.explanations(model, photo, ("gradcam", "saliency"), checks=())
    >>> print(beside.summary())
    2 explanations of 'crescent' in image 0
    """
    names = methods_named(methods)
    wrapped = as_model(model)
    batch = wrapped.prepare(images)
    if len(batch) != 1:
        raise UsageError(
            f"{len(batch)} images were given, and explanations are compared on one.",
            "Give one image, or call once for each.",
        )
    settings = CheckSettings(groups=groups_named(checks or CHECKS), seed=seed)
    measurable(settings.groups, explain=True, marks=False)
    target = checked_target(wrapped, target, batch)
    held: list[Heatmap] = []
    found: list[Faithfulness] = []
    with shared_captures(wrapped, batch.tensor):
        subject = ExplainedBatch.of(wrapped, batch, target)
        for done, name in enumerate(names):
            progress(done, len(names), name)
            held.append(heatmap(wrapped, batch, subject.asked, name, seed=seed))
            if checks:
                found.append(of_subject(subject, held[-1], settings))
    progress(len(names), len(names), "the picture")
    return Explanations(
        provenance=replace(held[0].provenance, seed=seed),
        image=batch.photos[0].name,
        target=subject.targets[0].name,
        heatmaps=tuple(replace(each, relu=True) for each in held),
        checks=tuple(found),
    )
