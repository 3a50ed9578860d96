"""Colours, mosaics and overlays: what is drawn is what is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnnviz.results import drawing, mosaics
from cnnviz.results.drawing import Scale
from tests.helpers.each_case import each_case


def test_a_constant_map_is_drawn_as_constant() -> None:
    values = np.full((3, 4), 7.0)
    scale = Scale.of(values)
    assert scale.constant
    assert (scale.paint(values) == drawing.FLAT).all()
    assert (scale.unit(values) == 0).all()


def test_a_signed_scale_has_zero_in_the_middle() -> None:
    scale = Scale.signed(np.array([-1.0, 3.0, np.nan]))
    assert (scale.low, scale.high) == (-3.0, 3.0)
    middle = scale.paint(np.array([0.0]))[0].astype(int)
    assert middle.min() > 235, "zero is the palest colour"
    low, high = scale.paint(np.array([-3.0, 3.0])).astype(int)
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_values_that_are_not_finite_are_grey() -> None:
    painted = Scale(0, 1).paint(np.array([0.0, np.nan, np.inf, 1.0]))
    assert (painted[1:3] == drawing.FLAT).all()
    assert not (painted[[0, 3]] == drawing.FLAT).all(1).any()


def test_the_ends_of_a_scale_are_the_ends_of_the_colour_map() -> None:
    palette = drawing.palette("viridis")
    painted = Scale(-2.0, 6.0, "viridis").paint(np.array([-2.0, 6.0, 2.0]))
    np.testing.assert_array_equal(painted[0], palette[0])
    np.testing.assert_array_equal(painted[1], palette[255])
    np.testing.assert_array_equal(painted[2], palette[128])


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    columns=st.one_of(st.none(), st.integers(1, 12)),
    labels=st.integers(0, 9),
)
def test_every_tile_of_a_mosaic_stands_where_it_says(
    count: int, height: int, width: int, columns: int | None, labels: int
) -> None:
    random = np.random.default_rng(count)
    tiles = random.integers(0, 200, (count, height, width, 3), dtype=np.uint8)
    grid = mosaics.mosaic(tiles, columns=columns, side=12, labels=labels)
    factor = grid.side[0] // height
    assert grid.side == (height * factor, width * factor)
    assert max(grid.side) >= 12
    covered = np.zeros(grid.pixels.shape[:2], bool)
    for tile, (left, top) in zip(tiles, grid.corners, strict=True):
        spot = np.s_[top : top + grid.side[0], left : left + grid.side[1]]
        assert not covered[spot].any(), "tiles do not overlap"
        covered[spot] = True
        np.testing.assert_array_equal(grid.pixels[spot][::factor, ::factor], tile)
    assert (grid.pixels[~covered] == 255).all(), "between the tiles nothing is drawn"


@each_case("count", [1, 2, 3, 5, 16, 24, 64, 96, 512])
def test_the_number_of_columns_leaves_few_places_empty(count: int) -> None:
    columns = mosaics.columns_for(count)
    rows = -(-count // columns)
    assert rows * columns - count < columns
    assert 0.5 <= columns / rows <= 5
    if count in (24, 96, 512):
        assert rows * columns - count <= columns // 4


def test_an_overlay_shows_the_photo_where_there_is_no_value() -> None:
    photo = np.full((4, 4, 3), 100, np.uint8)
    heat = np.full((4, 4), np.nan, np.float32)
    heat[:2] = 1.0
    heat[2] = 0.0
    laid = drawing.overlay(photo, heat, Scale(0, 1, drawing.HEAT))
    assert (laid[3] == laid[3, 0]).all()
    assert laid[3].mean() > 150, "outside, the photo is paler"
    assert laid[0, 0].tolist() != laid[2, 0].tolist()


def test_an_overlay_of_a_constant_map_shows_no_colour() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    laid = drawing.overlay(photo, np.zeros((4, 4), np.float32), Scale(0, 0, drawing.HEAT))
    grey = photo.astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(laid, 0.7 * grey[..., None] + 0.3 * photo, atol=2)


def test_fit_never_enlarges() -> None:
    photo = np.zeros((10, 40, 3), np.uint8)
    assert drawing.fit(photo, 20).shape == (5, 20, 3)
    assert drawing.fit(photo, 100) is photo


def test_a_long_heading_goes_on_below_and_stays_inside_the_figure() -> None:
    heights, whole = [], []
    for words in (2, 20):
        figure = drawing.new_figure(5.0, 3.0)
        figure.subplots()
        drawing.heading(figure, "photo 2071 " * words)
        figure.draw_without_rendering()
        (title,) = (text for text in figure.texts if text.get_text())
        box = title.get_window_extent()
        assert box.x1 <= figure.bbox.x1
        assert figure.axes[0].get_tightbbox().y1 <= box.y0
        heights.append(box.height)
        whole.append(title.get_text().split() == ["photo", "2071"] * words)
    assert heights[1] > 2 * heights[0]
    assert all(whole), "nothing is left out"


@pytest.mark.parametrize("smooth", [False, True])
def test_a_picture_that_is_shown_is_drawn_as_matplotlib_draws_it(smooth):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    drawn = []
    for ours in (True, False):
        figure = Figure((2, 2), dpi=70)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        if ours:
            drawing.show(axes, pixels, smooth=smooth)
        else:
            how = "antialiased" if smooth else "nearest"
            axes.imshow(drawing.opaque(pixels), interpolation=how)
            drawing.hide_ticks(axes)
        assert np.ma.isMaskedArray(axes.images[0].get_array()) != ours, "masks cost half of a draw"
        canvas.draw()
        drawn.append(np.asarray(canvas.buffer_rgba()).copy())
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("smooth", [False, True])
def test_pictures_with_an_alpha_of_their_own_are_drawn_as_without(smooth):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    drawn = []
    for shown in (pixels, drawing.opaque(pixels)):
        figure = Figure((2, 2), dpi=70)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.imshow(shown, interpolation="antialiased" if smooth else "nearest")
        canvas.draw()
        drawn.append(np.asarray(canvas.buffer_rgba()).astype(int))
    assert np.abs(drawn[0] - drawn[1]).max() <= 1
    assert drawing.opaque(pixels).shape == (24, 30, 4)
