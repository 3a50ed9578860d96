"""How a photo and tiles share a figure whose shape is given."""

from __future__ import annotations

import math

import pytest

from cnnviz.results import drawing
from cnnviz.views.pictures.beside_photo import beside_photo, room_in
from tests.helpers.each_case import each_case


@each_case("count", [1, 4, 9, 24, 48, 64])
def test_tiles_fit_their_room_and_fill_most_of_it_with_the_photo(count) -> None:
    room, label = (10.0, 5.1), 0.2
    found = beside_photo(count, room, tile=1.0, label=label, photo=1.0, key=1.0, least=1.7)
    side, rows = found.tiles / found.columns, math.ceil(count / found.columns)
    assert rows * (side + label) <= room[1] + 1e-9
    assert found.tiles + found.photo <= room[0] + 1e-9
    assert found.photo <= 0.4 * room[0] + 1e-9
    # No other number of columns makes tiles much larger.
    others = [
        min((room[0] - 1.7) / columns, room[1] / math.ceil(count / columns) - label)
        for columns in range(1, count + 1)
    ]
    assert side >= 0.8 * max(others)
    assert count * side * (side + label) + found.photo * (found.photo + 1.0) > 0.6 * room[0] * 5.1


def test_a_column_of_a_paper_is_no_room_nor_is_the_size_of_the_picture_itself() -> None:
    own = (10.4, 6.0)
    assert room_in(drawing.new_figure(3.3, 2.0), 0.5, own) is None
    assert room_in(drawing.new_figure(*own), 0.5, own) is None
    # As large to within a hundredth, as sizes in millimetres are.
    assert room_in(drawing.new_figure(10.45, 6.02), 0.5, own) is None
    assert room_in(drawing.new_figure(16.0, 9.0), 0.5, own) == pytest.approx((16.0, 8.5))
