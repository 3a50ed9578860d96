"""A figure is saved in one drawing, and is what matplotlib makes of it in two."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from cnnviz.results.laid_out_once import laid_out_once
from cnnviz.results.picture_style import PictureStyle

STAMPS = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


class Counted(Circle):
    draws = 0

    def draw(self, renderer) -> None:
        self.draws += 1
        super().draw(renderer)


def crowded_figure() -> Figure:
    """Return panels that move when they are laid out: a set shape, a bar, a legend, long labels."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    image = left.imshow(np.arange(12.0).reshape(3, 4))
    figure.colorbar(image, ax=left, label="how much")
    right.plot([1e6, 2e6], [0.0, 1.0], label="a line")
    right.set(xlabel="a label\nof two lines", title="$x^2$")
    right.legend(loc="best")
    figure.suptitle("Above all")
    right.add_patch(Counted((1.5e6, 0.5), 1e5))
    return figure


def saved(figure: Figure, form: str) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=90, metadata=STAMPS[form])
    return stream.getvalue()


@pytest.mark.parametrize("form", STAMPS)
def test_it_is_the_same_to_the_last_byte_in_half_the_drawings(form: str) -> None:
    with PictureStyle().applied():
        plain, ours = crowded_figure(), crowded_figure()
        wanted = saved(plain, form)
        with laid_out_once(ours):
            assert saved(ours, form) == wanted
    assert [figure.axes[1].patches[0].draws for figure in (plain, ours)] == [2, 1]


def test_a_figure_is_as_before_in_the_end() -> None:
    figure = crowded_figure()
    with pytest.raises(ZeroDivisionError), laid_out_once(figure):
        _ = 1 / 0
    assert "draw" not in vars(figure)
    assert figure.get_layout_engine() is not None


def test_one_without_a_layout_is_drawn_as_ever() -> None:
    figure = Figure()
    figure.add_artist(Counted((0.5, 0.5), 0.1))
    with laid_out_once(figure):
        assert saved(figure, "png").startswith(b"\x89PNG")
    assert figure.artists[0].draws == 1
