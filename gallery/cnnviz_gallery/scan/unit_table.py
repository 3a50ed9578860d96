"""What a scan found of every unit, as one table: the numbers of the pages, in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results.table import Cell, Table
from cnnviz_gallery.scan.class_contrast import class_contrast
from cnnviz_gallery.scan.layer_result import LayerResult

if TYPE_CHECKING:
    from cnnviz_gallery.scan.scan_result import ScanResult

COLUMNS = (
    *("layer", "channel", "greatest value", "least peak", "mean peak", "sparsity"),
    *("class", "selectivity", "selectivity from", "selectivity to", "class clear"),
)


def unit_table(scan: ScanResult) -> Table:
    """Return a row for each unit, in the order of the layers and their channels.

    Sparsity is the share of positions at which the unit is not above zero. The class is the one
    that excites the unit most among those with enough images, with the selectivity for it and the
    ends of its 95% interval; it is clear where the interval of the difference to the others lies
    above zero (see `class_contrast`). What is not known, or infinite, is None.
    """
    return Table.of(COLUMNS, (row for layer in scan.layers for row in _rows(scan, layer)))


def _rows(scan: ScanResult, layer: LayerResult) -> Iterator[list[Cell]]:
    contrast = class_contrast(layer, scan.group_counts)
    groups = scan.groups
    for channel in range(layer.channels):
        known, group = not layer.unknown[channel], int(contrast.top[channel])
        numbers = (layer.highest, layer.lowest, layer.activity, layer.sparsity)
        beside = (contrast.selectivity, contrast.low, contrast.high)
        yield [
            *(layer.layer, channel),
            *(_known(each[channel]) if known else None for each in numbers),
            groups[group] if group >= 0 else None,
            *(_known(each[channel]) if group >= 0 else None for each in beside),
            bool(contrast.clear[channel]) if group >= 0 else None,
        ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
