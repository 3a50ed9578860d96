"""What the filters look for: the first convolution as colour kernels, and the state of them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.errors import LayerError
from cnnviz.reports.content import Picture, Section, Table, TableColumn
from cnnviz.reports.context import Context
from cnnviz.results.file_names import slug
from cnnviz.results.space import IMAGE
from cnnviz.results.text import count, dimensions, joined, layer_said, listed, plural
from cnnviz.views.filters import FilterGrid, every_grid, filters


def build(context: Context) -> Section:
    """Show the first convolution, the next with a spatial kernel, and a table of them all."""
    grids = _grids(context)
    if not grids:
        return Section(
            key="filters",
            title=context.title,
            anchor=context.anchor("filters"),
            lead=(f"There are no filters to show. {_why_none(context)}",),
        )
    shown = _worth_showing(grids)
    return Section(
        key="filters",
        title=context.title,
        anchor=context.anchor("filters"),
        lead=(_lead(context), _state(grids)),
        pictures=tuple(
            Picture.of(grid, f"network-filters-{slug(grid.layer)}", layer_said(grid.layer))
            for grid in shown
        ),
        tables=(_table(grids),),
    )


def _lead(context: Context) -> str:
    begin = (
        "A convolution slides small filters over its input and answers strongly where the input "
        "looks like one of them. "
    )
    noise = "kernels that look like noise hint at too little training or too little regularisation."
    if context.model.space != IMAGE:
        return f"{begin}In the first layer of a trained network {noise}"
    return (
        f"{begin}In the first layer a trained network usually has oriented edges and colour "
        f"opponents; {noise} Deeper filters read channels, not colours, so they can only be drawn "
        "one input channel at a time."
    )


def _grids(context: Context) -> list[FilterGrid]:
    on_images = context.model.space == IMAGE
    return every_grid(context.model, (IMAGE.axes,) if on_images else (1, 2, 3))


def _why_none(context: Context) -> str:
    try:
        found = filters(context.model)
    except LayerError as error:
        return error.what
    return f"{layer_said(found.layer)} slides along {plural(found.space.axes, 'axis', 'axes')}."


def _worth_showing(grids: Sequence[FilterGrid]) -> list[FilterGrid]:
    """Take the first layer, and the first deeper one whose kernels are larger than one pixel."""
    first, rest = grids[0], grids[1:]
    spatial = [
        grid for grid in rest if max(grid.kernels.shape[2:]) > 1 and grid.kernels.shape[1] > 1
    ]
    return [first, *spatial[:1]]


def _state(grids: Sequence[FilterGrid]) -> str:
    total = sum(len(grid.dead) for grid in grids)
    dead = {grid.layer: int(grid.dead.sum()) for grid in grids if grid.dead.any()}
    shown = joined([layer_said(grid.layer) for grid in _worth_showing(grids)])
    begin = (
        f"The network has {plural(len(grids), 'convolution')} with {count(total)} filters in all; "
        f"shown here: {shown}. "
    )
    if not dead:
        return f"{begin}None of the filters is dead."
    where = listed([f"{layer_said(layer)} ({number})" for layer, number in dead.items()], 6)
    return f"{begin}{plural(sum(dead.values()), 'filter')} can be called dead: {where}."


def _table(grids: Sequence[FilterGrid]) -> Table:
    return Table(
        title="Every convolution and its filters",
        caption=(
            "The norm of a filter is the square root of the sum of its squared weights. Filters "
            "far below the others of their layer contribute next to nothing and count as dead."
        ),
        columns=(
            TableColumn("Layer"),
            TableColumn("Filters", numeric=True),
            TableColumn("Kernel"),
            TableColumn("Smallest norm", numeric=True),
            TableColumn("Median norm", numeric=True),
            TableColumn("Largest norm", numeric=True),
            TableColumn("Dead", numeric=True),
        ),
        rows=tuple(
            (
                grid.layer,
                count(len(grid.kernels)),
                dimensions(grid.kernels.shape[1:]),
                f"{grid.norms.min():.3g}",
                f"{np.median(grid.norms):.3g}",
                f"{grid.norms.max():.3g}",
                count(int(grid.dead.sum())),
            )
            for grid in grids
        ),
        folded=True,
    )
