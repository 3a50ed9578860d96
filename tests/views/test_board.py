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
