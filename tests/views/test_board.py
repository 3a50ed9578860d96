"""Boards: numbers in cells have room, however much of the figure is left to the board."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

from cnnviz.results import drawing
from cnnviz.views.pictures.board import Board, Box


class Widths(RendererAgg):
    """Keeps how wide each text is drawn."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.found: list[float] = []

    def draw_text(
        self, gc: Any, x: Any, y: Any, s: Any, prop: Any, *rest: Any, **more: Any
    ) -> None:
        self.found.append(self.get_text_width_height_descent(s, prop, False)[0])


@pytest.mark.parametrize("height", [2.4, 3.5, 8.0])
def test_numbers_leave_a_fifth_of_their_cells_free_whatever_is_left_to_the_board(
    height: float,
) -> None:
    figure = drawing.new_figure(6.0, height)
    grid = figure.add_gridspec(2, 1)
    board = Board(figure.add_subplot(grid[0]), 6.0, 2.0)
    drawing.hide_ticks(figure.add_subplot(grid[1]))
    figure.axes[1].set_title("\n\n")
    board.matrix(np.zeros((1, 3, 3), np.uint8), Box(0, 0, 3, 1), ["1139", "−144", "28.0"])
    FigureCanvasAgg(figure)
    for _ in range(2):
        renderer = Widths(600, 100 * height, 100)
        figure.draw(renderer)
        side = board.axes.bbox.width / 6.0
        assert 0.6 < max(renderer.found[:3]) / side < 0.84


def test_each_number_stands_in_the_middle_of_its_cell_and_on_its_colour() -> None:
    board = Board(drawing.new_figure(6.0, 3.0).add_subplot(), 6.0, 3.0)
    assert board.axes.get_xlim() == (0.0, 6.0)
    assert board.axes.get_ylim() == (3.0, 0.0)
    assert board.axes.get_aspect() == 1.0
    place = Box(1.0, 0.5, 2.0, 1.0)
    drawn = board.matrix(np.zeros((2, 4, 3), np.uint8), place, [*"12345678"])
    middles = [(1.25 + column / 2, 0.75 + row / 2) for row in range(2) for column in range(4)]
    assert [text.get_position() for text in drawn.texts] == middles
    assert tuple(drawn.image.get_extent()) == (1.0, 3.0, 1.5, 0.5)
    assert place.part((1, 2), (1, 3), (2, 4)) == Box(1.5, 1.0, 1.0, 0.5)
    drawn.change(np.full((2, 4, 3), 255, np.uint8), [*"abcdefgh"])
    assert [text.get_text() for text in drawn.texts] == [*"abcdefgh"]
    lines = board.axes.collections[0].get_segments()
    assert [line.tolist() for line in lines[:3]] == [
        [[1.0, top], [3.0, top]] for top in (0.5, 1.0, 1.5)
    ]
