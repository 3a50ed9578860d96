"""Crops of pictures, and windows of layers whose fields differ in size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cnnviz.introspection.receptive_fields import PixelBox
from cnnviz.introspection.tracing import trace
from cnnviz.units.projection import cut
from cnnviz.units.projection.crops import Crops
from cnnviz.units.projection.windows import overlap, window_of

sides = st.integers(1, 12)
places = st.integers(-15, 20)


@given(height=sides, width=sides, left=places, top=places, across=sides, down=sides)
def test_a_cut_has_each_pixel_at_its_place(height, width, left, top, across, down) -> None:
    image = np.arange(height * width).reshape(height, width)
    window = PixelBox(left, top, left + across, top + down)
    found = cut([image], [window], fill=-1)[0]
    assert found.shape == (down, across)
    for row, column in np.ndindex(down, across):
        y, x = row + top, column + left
        inside = 0 <= y < height and 0 <= x < width
        assert found[row, column] == (image[y, x] if inside else -1)
    inside, own = overlap(window, (height, width))
    assert image[inside].shape == found[own].shape


def test_colours_fill_what_lies_beyond() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    found = cut(images, [PixelBox(-1, 0, 1, 2), PixelBox(3, 3, 5, 5)], fill=(1, 2, 3))
    assert found.shape == (2, 2, 2, 3)
    assert found[0, :, 0].tolist() == [[1, 2, 3]] * 2
    assert found[1, 0].tolist() == [[0, 0, 0], [1, 2, 3]]


@given(
    kernels=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=4),
    side=st.integers(48, 80),
    padded=st.booleans(),
)
def test_crops_hold_the_field_on_the_grid_of_the_layer(kernels, side, padded) -> None:
    layers = [nn.Conv2d(1, 1, k, s, padding=(k // 2) * padded) for k, s in kernels]
    side = 4 * side
    call = trace(nn.Sequential(*layers), (1, side, side)).find(str(len(layers) - 1))
    rows, field = call.output_shape[2], call.receptive_field
    assert field is not None
    crops = Crops.of(field)
    for row in range(rows):
        window = window_of(field, (side, side), row, 0)
        clipped = field.box(row, 0)
        assert window.height == min(field.size[0], side)
        assert window.top <= clipped.top or clipped.height == 0
        assert window.bottom >= clipped.bottom
        if crops is None:
            continue
        crop = crops.around(window)
        assert 0 <= crop.top <= clipped.top
        assert clipped.bottom <= crop.bottom <= side
        assert crop.top % field.stride[0] == 0
        assert (side - crop.height) % field.stride[0] == 0
        assert crops.position(crop, (row, 0))[0] == row - crop.top / field.stride[0] >= 0


@pytest.mark.parametrize("row", [0, 3, 7])
def test_fields_of_several_sizes_get_windows_of_the_largest(row: int) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 1, 3, 2, 1), nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 2)
    )
    field = trace(network, (1, 16, 16)).find("2").receptive_field
    assert field is not None
    assert field.stride is None
    windows = [window_of(field, (16, 16), row, column) for column in range(15)]
    assert {(window.height, window.width) for window in windows} == {field.size}
    for column, window in enumerate(windows):
        box = field.box(row, column)
        assert window.left <= box.left
        assert window.top <= box.top
        assert window.right >= box.right
        assert window.bottom >= box.bottom
        assert window.left >= 0
        assert window.right <= 16
    assert Crops.of(field) is None


def test_an_unknown_field_is_the_whole_image() -> None:
    assert window_of(None, (20, 30), 4, 5) == PixelBox(0, 0, 30, 20)
    assert Crops.of(None) is None
