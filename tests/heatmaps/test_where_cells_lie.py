"""Where a cell of a map is drawn, and where it looks: what docs/limits.md says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnviz.heatmaps.stretching import stretch
from cnnviz.introspection.tracing import trace
from tests.helpers.architectures import build

LIMITS = Path(__file__).parents[2] / "docs" / "limits.md"


@pytest.mark.parametrize(
    ("network", "layer", "first", "last"),
    [
        ("resnet18", "layer4", 15.5, 15.5),
        ("vgg11", "features.19", 0.0, 0.0),
        ("squeezenet1_0", "features.12", -8.9, 5.9),
    ],
)
def test_cells_are_drawn_as_far_from_their_fields_as_the_page_says(
    network: str, layer: str, first: float, last: float
) -> None:
    field = trace(build(network).module, (3, 224, 224)).find(layer).output_field
    assert field is not None
    columns, count = field.columns, field.positions[1]
    assert columns.start is not None
    assert columns.stride is not None
    # Where each cell but those at the border is drawn: there a map of their numbers has theirs.
    numbers = stretch(np.arange(count, dtype=np.float32), (224,))
    cells = np.arange(1, count - 1)
    drawn = np.interp(cells, numbers, np.arange(224))
    middles = columns.start + (columns.size - 1) / 2 + cells * columns.stride
    slope, shift = np.polyfit(cells, drawn - middles, 1)
    assert shift == pytest.approx(first, abs=0.06)
    assert shift + slope * (count - 1) == pytest.approx(last, abs=0.06)
    for number in {first, last}:
        assert f"{abs(number):g}" in LIMITS.read_text("utf-8")
