"""Draws a network: blocks along its depth, and the costs and fields of each part below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnviz.introspection.receptive_fields import ReceptiveField
from cnnviz.introspection.tracing.grouping import Stage
from cnnviz.introspection.tracing.trace import Shape, Trace, cost_text, costs_text
from cnnviz.results import drawing
from cnnviz.results.space import Space, space_of_shape
from cnnviz.results.text import dimensions, file_size, short, shortened
from cnnviz.views._architecture_table import shape_text
from cnnviz.views.pictures.blocks import INPUT_COLOUR, KIND_COLOURS, OTHER_COLOUR, cuboid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = "#f4f6f9"

_WIDTH = 10.6
_ROW = 0.27
_BLOCKS = 2.3
_TOP = 0.78
_BETWEEN = 0.62
_BOTTOM = 0.12
_FIELDS_WIDE = 0.232
_LETTER = 0.062
"""Inches of a letter of the text beside bars, on average."""


def draw(
    name: str,
    trace: Trace,
    stages: Sequence[Stage],
    depth: int,
    into: drawing.Canvas | None = None,
) -> drawing.Canvas:
    """Return the picture of a network whose calls are grouped into parts.

    `depth` is how many layers with weights lie on its longest path; 0 where it has none.
    """
    from matplotlib.figure import Figure

    rows = _ROW * len(stages)
    height = _TOP + _BLOCKS + _BETWEEN + rows + _BOTTOM
    figure = drawing.canvas(_WIDTH, height, into)
    if isinstance(figure, Figure):
        # Everything is placed by hand; the layout of a part is its figure's.
        figure.set_layout_engine("none")
    _head(figure, name, _facts(trace, stages, depth), height)
    _legend(figure, stages, 1 - 0.16 / height, trace.space.noun)
    blocks = figure.add_axes((0.06, 1 - (_TOP + _BLOCKS) / height, 0.93, _BLOCKS / height))
    _draw_blocks(blocks, trace, stages)
    bottom, tall = _BOTTOM / height, rows / height
    panels = [
        figure.add_axes((left, bottom, width, tall))
        for left, width in ((0.01, 0.375), (0.39, 0.17), (0.575, 0.17), (0.76, _FIELDS_WIDE))
    ]
    for axes in panels:
        _prepare_rows(axes, len(stages))
    _draw_names(panels[0], stages)
    _draw_amounts(panels[1], [s.parameters for s in stages], "parameters", stages)
    _draw_amounts(panels[2], [s.macs for s in stages], "MACs", stages, costs=True)
    _draw_fields(panels[3], stages, trace.input_shape)
    return figure


def _facts(trace: Trace, stages: Sequence[Stage], depth: int) -> str:
    grouped = trace.counted
    if len(stages) < len(trace.calls):
        grouped += f", drawn as {len(stages)} parts"
    deep = f"depth {depth}  ·  " if depth else ""
    return (
        f"{grouped}  ·  {deep}{short(trace.parameters)} parameters "
        f"({file_size(trace.parameter_bytes)})  ·  {costs_text(trace, short)} MACs  ·  "
        f"activations {file_size(trace.activation_bytes)}  ·  "
        f"one {trace.space.noun} of {trace.space.size(trace.input_shape[2:])}"
    )


def _head(figure: drawing.Canvas, name: str, facts: str, height: float) -> None:
    left = 0.012
    figure.text(
        left,
        1 - 0.1 / height,
        name,
        fontsize=drawing.TITLE_SIZE + 2,
        color=drawing.INK,
        fontweight="bold",
        va="top",
    )
    top = 1 - 0.37 / height
    figure.text(left, top, facts, fontsize=drawing.TEXT_SIZE, color=drawing.QUIET, va="top")


def _legend(figure: drawing.Canvas, stages: Sequence[Stage], top: float, noun: str) -> None:
    from matplotlib.patches import Patch

    kinds = list(dict.fromkeys(stage.kind for stage in stages))
    known = [kind for kind in kinds if kind in KIND_COLOURS]
    patches = [Patch(facecolor=KIND_COLOURS[kind], label=kind) for kind in known]
    if len(known) < len(kinds):
        patches.append(Patch(facecolor=OTHER_COLOUR, label="other"))
    figure.legend(
        handles=[Patch(facecolor=INPUT_COLOUR, label=noun), *patches],
        loc="upper right",
        bbox_to_anchor=(0.992, top + 0.01),
        ncols=len(patches) + 1,
        frameon=False,
        fontsize=drawing.TEXT_SIZE,
        labelcolor=drawing.QUIET,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.2,
        handletextpad=0.5,
        borderpad=0.0,
    )


def _draw_blocks(axes: Axes, trace: Trace, stages: Sequence[Stage]) -> None:
    space = trace.space
    tallest = max(trace.input_shape[2:])
    shapes = [trace.input_shape, *(stage.output_shape for stage in stages)]
    colours = [INPUT_COLOUR, *(KIND_COLOURS.get(stage.kind, OTHER_COLOUR) for stage in stages)]
    left, previous = 0.0, None
    for number, (shape, colour) in enumerate(zip(shapes, colours, strict=True)):
        channels, size = _extent(shape, space)
        width = 0.35 + 0.16 * math.log2(channels + 1)
        high, across = size[0] if space.axes == 1 else size[-2], size[-1]
        height = math.sqrt(high / tallest)
        # A signal has no second axis to go back along.
        slant = 0.35 * math.sqrt((1 if space.axes == 1 else across) / tallest)
        cuboid(axes, left, width, height, slant, colour)
        middle = left + width / 2
        if size != previous:
            label = str(size[0]) if len(set(size)) == 1 else "x".join(map(str, size))
            _note(axes, middle + slant / 2, height / 2 + slant * 0.3 + 0.06, label, "bottom")
        _note(axes, middle, -height / 2 - 0.05, str(channels), "top", drawing.INK)
        _note(axes, middle, -0.74, str(number) if number else space.noun, "center")
        left += width + max(0.22, slant + 0.08)
        previous = size
    axes.set_xlim(-0.05, left)
    axes.set_ylim(-0.8, 0.78)
    for y, text in ((0.6, "size of\nthe maps"), (-0.6, "channels"), (-0.74, "part")):
        axes.annotate(
            text,
            (0, y),
            (-41, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8.0,
            color=drawing.QUIET,
            va="center",
            linespacing=1.1,
        )
    drawing.hide_ticks(axes)


def _extent(shape: Shape, space: Space) -> tuple[int, tuple[int, ...]]:
    if len(shape) == 2 + space.axes:
        return shape[1], shape[2:]
    # A vector is a map of one position; tokens are a map one position high.
    tokens = math.prod(shape[1:-1]) if len(shape) > 2 else 1
    return (shape[-1] if shape[1:] else 1), (*(1,) * (space.axes - 1), tokens)


def _note(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    va: str,
    colour: str = drawing.QUIET,
) -> None:
    axes.text(x, y, text, fontsize=8.0, color=colour, ha="center", va=va)


def _prepare_rows(axes: Axes, count: int) -> None:
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_facecolor("none")
    for row in range(0, count, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=_BAND, linewidth=0, zorder=0)
    drawing.hide_ticks(axes)


def _title(axes: Axes, x: float, text: str, align: str = "left", weight: str = "bold") -> None:
    axes.annotate(
        text,
        (x, 1.0),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=drawing.TEXT_SIZE,
        color=drawing.INK,
        fontweight=weight,
        ha=align,
    )


_COLUMNS = (
    ("", 0.035, "right", drawing.QUIET),
    ("part", 0.06, "left", drawing.INK),
    ("kind", 0.535, "left", drawing.QUIET),
    ("steps", 0.735, "right", drawing.QUIET),
    ("output", 0.765, "left", drawing.INK),
)


def _draw_names(axes: Axes, stages: Sequence[Stage]) -> None:
    axes.set_xlim(0, 1)
    for title, x, align, _ in _COLUMNS:
        _title(axes, x, title, align)
    for row, stage in enumerate(stages):
        texts = (
            str(row + 1),
            shortened(stage.name, 30),
            stage.kind,
            str(len(stage.layers)),
            shape_text(stage.output_shape),
        )
        for text, (_, x, align, colour) in zip(texts, _COLUMNS, strict=True):
            axes.text(x, row, text, fontsize=8.0, color=colour, ha=align, va="center")


def _draw_amounts(
    axes: Axes, amounts: Sequence[int], title: str, stages: Sequence[Stage], *, costs: bool = False
) -> None:
    unknown = [costs and stage.uncounted for stage in stages]
    total, most = sum(amounts), max(1, *amounts)
    axes.set_xlim(0, 1.75 * most)
    _title(axes, 0.0, f"{title}: {cost_text(total, any(unknown), short)}")
    colours = [KIND_COLOURS.get(stage.kind, OTHER_COLOUR) for stage in stages]
    axes.barh(range(len(amounts)), amounts, height=0.62, color=colours, zorder=2)
    for row, number in enumerate(amounts):
        share = 100 * number / total if total else 0.0
        said = cost_text(number, unknown[row], short)
        text = f"{said}  {share:.0f}%" if share >= 1 and not any(unknown) else said
        _beside(axes, number, row, text if number or unknown[row] else "–", most)


def _beside(axes: Axes, x: float, row: int, text: str, most: float) -> None:
    axes.text(
        x + 0.025 * most,
        row,
        text,
        fontsize=8.0,
        color=drawing.QUIET,
        va="center",
        zorder=5,
        bbox={"facecolor": _BAND if row % 2 == 0 else "white", "linewidth": 0, "pad": 0.8},
    )


def _draw_fields(axes: Axes, stages: Sequence[Stage], input_shape: Shape) -> None:
    space = space_of_shape(input_shape[1:])
    # Of a volume the height, as of an image; its depth has another unit where it is a clip.
    image = input_shape[-2] if space.axes > 1 else input_shape[-1]
    fields = [stage.receptive_field for stage in stages]
    sizes = [_height(field, image) for field in fields]
    most = max(image, *sizes)
    texts = ["unknown" if field is None else _words(field) for field in fields]
    ends = [
        max(size, image if field is not None and field.whole else 0)
        for field, size in zip(fields, sizes, strict=True)
    ]
    # As wide as the text beside the longest bars needs: that of an oblong field has two numbers.
    wide = _FIELDS_WIDE * _WIDTH
    needed = [
        (end + 0.05 * most) / (1 - min(0.7, len(text) * _LETTER / wide))
        for text, end in zip(texts, ends, strict=True)
    ]
    axes.set_xlim(0, max(1.6 * most, *needed))
    _title(axes, 0.0, f"receptive field, {space.unit}")
    for row, (field, size, text) in enumerate(zip(fields, sizes, texts, strict=True)):
        _beside(axes, ends[row], row, text, most)
        if field is None:
            continue
        if field.gateless is not None or (field.whole and not field.uniform):
            axes.barh(row, image, height=0.62, color="#d5dbe4", zorder=1)
        if not field.whole or field.uniform or field.gateless is not None:
            axes.barh(row, size, height=0.62, color="#3a9d8f", zorder=2)
    axes.axvline(image, color=drawing.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=4)
    sides = input_shape[-2:] if space.axes > 1 else (image,)
    whose = space.noun if len(set(sides)) == 1 else "height"
    _title(axes, 1.0, f"┆ {whose}: {image}", "right", "normal")


def _height(field: ReceptiveField | None, image: int) -> int:
    if field is None:
        return 0
    side = field.local.size[-2] if field.space.axes > 1 else field.local.size[0]
    return side if field.local.uniform or not field.whole else image


def _words(field: ReceptiveField) -> str:
    own = field.local
    size = str(own.size[0]) if len(set(own.size)) == 1 else dimensions(own.size)
    if field.gateless is not None and field.size != own.size:
        return f"{size} · with gates: all" if field.whole else f"{size} without gates"
    if field.whole and not field.uniform:
        return f"the whole {field.space.noun}"
    return size if field.uniform or field.positions == field.space.one_place else f"up to {size}"
