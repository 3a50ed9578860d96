"""Numbers in the cells of a board, which shrink with their cells."""

from __future__ import annotations

from typing import Any

from matplotlib.text import Text


class CellNumber(Text):
    """A text whose size is a share of its cell, as large as the cell comes to be.

    How many inches titles and the labels of other panels leave a board is known once it is laid
    out, which is when its texts are drawn.

    Parameters
    ----------
    inches : float
        The width of its Axes that its size was chosen for.
    **style
        What a `Text` is given.
    """

    def __init__(self, inches: float, **style: Any) -> None:
        super().__init__(**style)
        self._inches = inches

    def draw(self, renderer: Any) -> None:
        """Draw it smaller where its Axes have become narrower."""
        chosen = self.get_fontsize()
        axes: Any = self.axes
        drawn = axes.bbox.width / axes.get_figure(root=True).dpi
        self.set_fontsize(chosen * min(1.0, drawn / self._inches))
        try:
            super().draw(renderer)
        finally:
            self.set_fontsize(chosen)
