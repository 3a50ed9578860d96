"""Filters: the network's own weights, dead ones named, the drawing's limits stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from cnnviz.errors import LayerError, UsageError
from cnnviz.results import drawing
from cnnviz.views.filters import filters
from cnnviz.views.pictures.filters import tile_grid
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.state import state


def test_the_first_layer_is_drawn_in_colour() -> None:
    network = tiny_network()
    before = state(network)
    found = filters(network)
    assert found.layer == "0"
    assert found.as_colour
    np.testing.assert_array_equal(found.kernels, network[0].weight.detach().numpy())
    np.testing.assert_allclose(
        found.norms, network[0].weight.detach().double().flatten(1).norm(dim=1).numpy()
    )
    assert found.shown == (0, 1, 2, 3, 4, 5)
    assert "all 6 filters" in found.caption()
    assert state(network) == before


def test_zero_is_grey_and_the_largest_weight_reaches_the_end_of_the_range() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0, 1, 1] = 4.0
        network[0].weight[1, 2, 0, 0] = -2.0
    image = filters(network).figure().axes[0].images[0].get_array()
    grid = tile_grid(filters(network))
    np.testing.assert_array_equal(image[..., :3], grid.pixels)
    factor = grid.side[0] // 3
    first, second = (
        grid.pixels[top : top + grid.side[0] : factor, left : left + grid.side[1] : factor]
        for left, top in grid.corners
    )
    assert first[1, 1].tolist() == [255, 128, 128]
    assert first[0, 0].tolist() == [128, 128, 128]
    assert second[0, 0].tolist() == [128, 128, 0]


def test_dead_filters_are_named_and_flat() -> None:
    network = tiny_network()
    with torch.no_grad():
        network[0].weight[4] *= 1e-5
    found = filters(network)
    assert np.flatnonzero(found.dead).tolist() == [4]
    assert "Dead, with a norm near zero: 4." in found.caption()
    assert "1 dead" in repr(found)
    assert (tile_grid(found).pixels == drawing.FLAT).all(-1).sum() > 0
    tiles, norms, *_ = found.figure().axes
    assert "4 dead" in [text.get_text() for text in tiles.texts]
    assert norms.get_xlabel().endswith("dead, below 0.001 of the median: 1, shaded")
    last = norms.patches[-1].get_extents().transformed(norms.transData.inverted())
    assert (last.x0, last.x1) == pytest.approx((len(found.norms) - 1.5, len(found.norms) - 0.5))
    healthy = filters(lasting_network()).figure().axes[1]
    assert healthy.get_xlabel().endswith("of the median: none")


def test_a_layer_of_zeros_is_dead_throughout() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    nn.init.zeros_(network[0].weight)
    found = filters(network)
    assert found.dead.all()
    found.figure().draw_without_rendering()


def test_a_deeper_layer_says_what_is_left_out() -> None:
    network = nn.Sequential(nn.Conv2d(3, 40, 3), nn.Conv2d(40, 30, 3))
    found = filters(network, "1", top=5, inputs=7)
    assert not found.as_colour
    assert found.kernels.shape == (30, 40, 3, 3)
    norms = found.norms[list(found.shown)]
    assert norms.tolist() == sorted(found.norms, reverse=True)[:5]
    assert found.inputs == tuple(range(7))
    assert "5 of 30 filters of layer 1, the largest norms first" in found.caption()
    assert "the first 7 of 40 input channels" in found.caption()
    picture = found.figure().axes[0]
    assert picture.images[0].get_array().ndim == 3
    key = picture.get_xlabel()
    assert "rows: 5 of 30 filters, the largest norms first" in key
    assert "columns: the first 7 of 40 input channels" in key


@pytest.mark.parametrize("channels", [1, 4])
def test_a_first_layer_of_other_channels_is_drawn_by_channel(channels: int) -> None:
    found = filters(lasting_network(channels))
    assert not found.as_colour
    assert found.inputs == tuple(range(channels))
    found.figure().draw_without_rendering()


def test_filters_of_one_channel_stand_side_by_side_each_with_its_number() -> None:
    network = nn.Sequential(nn.Conv2d(1, 24, 5), nn.Conv2d(24, 48, 3, groups=24))
    first, depthwise = filters(network), filters(network, "1")
    assert first.shown == tuple(range(24))
    assert len(depthwise.shown) == 16
    for found in (first, depthwise):
        picture = found.figure().axes[0]
        height, width = picture.images[0].get_array().shape[:2]
        assert 1.0 < width / height < 4.0
        assert [text.get_text() for text in picture.texts] == [str(one) for one in found.shown]
        assert "each on its own scale" in picture.get_xlabel()
        assert "the one channel that it reads" in found.caption()
    kernel = np.zeros((1, 5, 5), np.float32)
    kernel[0, 0, 0], kernel[0, 4, 4] = 2.0, -1.0
    grid = tile_grid(replace(first, kernels=np.stack([kernel] * 24)))
    factor, (left, top) = grid.side[0] // 5, grid.corners[3]
    painted = grid.pixels[top : top + grid.side[0] : factor, left : left + grid.side[1] : factor]
    assert painted[0, 0, 0] > painted[0, 0, 2]
    assert painted[4, 4, 2] > painted[4, 4, 0]
    assert painted[2, 2].min() >= 245


def test_what_has_no_filters() -> None:
    network = lasting_network()
    with pytest.raises(LayerError, match=r"'8' is not a convolution"):
        filters(network, "8")
    with pytest.raises(LayerError, match=r"'99' does not exist"):
        filters(network, "99")
    with pytest.raises(LayerError, match=r"'nowhere' does not exist.*See `cnnviz layers`"):
        filters(network, "nowhere")
    with pytest.raises(LayerError, match="no layer that is a convolution"):
        filters(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(LayerError, match=r"transposed"):
        filters(nn.Sequential(nn.ConvTranspose2d(3, 2, 2)))
    with pytest.raises(UsageError, match="top cannot be -1"):
        filters(network, top=-1)


def test_a_normalised_weight_is_the_one_of_eval_mode_and_reading_it_changes_nothing() -> None:
    network = nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))).train()
    before = state(network)
    found = filters(network)
    assert state(network) == before
    image = torch.zeros(1, 3, 3, 3)
    image[0, 1, 2, 0] = 1.0
    with torch.no_grad():
        answers = network.eval()(image) - network(torch.zeros_like(image))
    np.testing.assert_allclose(found.kernels[:, 1, 2, 0], answers.flatten(), atol=1e-6)


@pytest.mark.parametrize("normalise", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
def test_a_weight_made_at_each_call_is_that_of_the_checkpoint(normalise) -> None:
    network, other = (nn.Sequential(normalise(nn.Conv2d(3, 4, 3))).eval() for _ in range(2))
    network.load_state_dict(other.state_dict())
    before = state(network)
    found = filters(network)
    assert state(network) == before
    with torch.no_grad():
        network(torch.zeros(1, 3, 3, 3))
    np.testing.assert_array_equal(found.kernels, network[0].weight.detach().numpy())


@pytest.mark.parametrize("count", [16, 96, 200])
def test_kernels_of_the_image_fill_a_slide(count: int) -> None:
    found = filters(nn.Sequential(nn.Conv2d(3, count, 3)))
    figure = found.figure(figure=drawing.new_figure(10.0, 5.625))
    figure.draw_without_rendering()
    assert figure.axes[0].bbox.width > 0.9 * figure.bbox.width
