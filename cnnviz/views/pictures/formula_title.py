"""The title of a panel of a function, with its formula below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ABOVE = 5.0
"""Points from the panel to the formula: a share of a low panel would let curves touch it."""


def formula_title(axes: Axes, title: str, formula: str, colour: str) -> None:
    """Write a title and a formula above a panel, clear of what is drawn at its upper end."""
    axes.set_title(
        f"{title}\n", fontsize=drawing.TEXT_SIZE, loc="left", fontweight="bold", color=colour,
        pad=_ABOVE + 2,
    )  # fmt: skip
    axes.annotate(
        formula, (0.0, 1.0), (0.0, _ABOVE), xycoords="axes fraction", textcoords="offset points",
        fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, annotation_clip=False,
    )  # fmt: skip
