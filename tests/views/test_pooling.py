"""Pooling of a captured map: the part in numbers, the channel, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnviz.errors import LayerError, UsageError
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.results.text import number
from cnnviz.testing import small_network
from cnnviz.testing.trial import images
from cnnviz.views.pooling import pooling


@pytest.fixture(scope="module")
def held() -> Capture:
    return capture(small_network(), images(side=24), layers=["0", "3", "6"], gradients=False)


def test_the_first_map_without_values_below_zero_is_taken(held: Capture) -> None:
    assert (held.activations["0"] < 0).any()
    before = pooling(held, "0")
    assert not before.rectified
    assert "values below zero" in before.caption()
    both = capture(small_network(), images(side=24), layers=["0", "2", "3"], gradients=False)
    after = pooling(both)
    assert after.layer == "2"
    assert after.rectified
    assert "values below zero" not in after.caption()
    signed = capture(small_network(), images(side=24), layers=["0"], gradients=False)
    assert pooling(signed).layer == "0"


def test_every_way_has_its_map_with_its_ends_and_a_curve_up_to_one(held: Capture) -> None:
    found = pooling(held, "0")
    maps, numbers, curves, _ = found.figure().axes
    titles = [text.get_text() for text in maps.texts]
    assert "in the frame, rounded" in [text.get_text() for text in numbers.texts]
    for method, values in zip(("max", "average", "sum", "L2"), found.pooled, strict=True):
        assert f"{method}, 12 x 12" in titles
        reach = max(0.0, -values.min(), values.max()) if values.min() < 0 else values.max()
        assert any(text.endswith(f"to {number(float(reach))}") for text in titles), method
    for line, way in zip(curves.lines, found.similarity, strict=False):
        np.testing.assert_array_equal(line.get_ydata(), way)
    assert found.similarity[:, 0] == pytest.approx(1.0)
    low, high = curves.get_ylim()
    assert low < found.similarity.min()
    assert 1.0 < high < 1.1


def test_the_channel_with_the_largest_value_is_drawn_and_its_part_pooled(held: Capture) -> None:
    found = pooling(held)
    maps = held.activations["0"][0]
    assert found.channel == int(maps.amax((1, 2)).argmax())
    np.testing.assert_array_equal(found.map, maps[found.channel].numpy())
    (row, column), (down, across) = found.detail_at, found.detail.shape
    np.testing.assert_array_equal(
        found.detail, found.map[row : row + down, column : column + across]
    )
    assert found.detail.max() == found.map.max(), "the largest value is in the part"
    first, second = row // 2, column // 2
    part = found.pooled[:, first : first + down // 2, second : second + across // 2]
    np.testing.assert_allclose(found.detail_pooled, part)
    rows, columns = found.switches.reshape(-1, 2).T
    assert np.sort(found.map[rows, columns]).tolist() == np.sort(found.pooled[0].ravel()).tolist()
    assert found.repeated == 0


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 3), (1, 1), (4, None)])
def test_windows_of_other_sizes(held: Capture, size: int, stride: int | None) -> None:
    found = pooling(held, "0", channel=2, size=size, stride=stride)
    expected = torch.nn.functional.max_pool2d(held.activations["0"], size, stride or size)
    np.testing.assert_array_equal(found.pooled[0], expected[0, 2].numpy())
    assert found.output_sizes[1] == tuple(expected.shape[2:])
    assert (found.repeated > 0) is (size == 3)
    assert ("Windows overlap" in found.caption()) is (size == 3)
    figure = found.figure()
    figure.set_layout_engine("none")
    figure.draw_without_rendering()


def test_a_map_of_zeros_is_said_to_be_one(held: Capture) -> None:
    network = small_network()
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.zero_()
    dead = capture(network, images(side=24), layers=["0"], gradients=False)
    found = pooling(dead)
    assert "the maps are constant" in found.summary()
    assert found.to_json()["similarity"][1][1] is None
    found.figure().draw_without_rendering()


def test_what_cannot_be_pooled_is_a_sentence(held: Capture) -> None:
    with pytest.raises(UsageError, match="too small for windows of 12 x 12"):
        pooling(held, "0", size=12)
    with pytest.raises(LayerError, match="no channel 9"):
        pooling(held, "0", channel=9)
    with pytest.raises(LayerError, match=r"no map|gives the shape"):
        pooling(capture(small_network(), images(), layers=["8"], gradients=False), "8")
    for given in ({"size": 0}, {"stride": 0}, {"image": 1}):
        with pytest.raises(UsageError, match=r"(size|stride) cannot be 0|no image 1"):
            pooling(held, **given)


class _Functions(torch.nn.Module):
    """A network without layers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.conv2d(x, torch.ones(2, 3, 3, 3)).mean((2, 3))


def test_a_network_of_functions_alone_is_told_so() -> None:
    seen = capture(_Functions(), images(), layers="stages", gradients=False)
    with pytest.raises(LayerError, match="has no layers: its forward calls functions alone"):
        pooling(seen)
