"""Counts of weights, against layers that are built and connections that are counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.results.legibility import crowded
from cnnviz.results.text import spelled
from cnnviz.views.weight_sharing import weight_sharing


@pytest.mark.parametrize("stride", [1, 2])
def test_the_counts_are_those_of_real_layers(stride: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (8, 11, 3), dtype=np.uint8)
    found = weight_sharing(photo, kernel=3, filters=5, stride=stride)
    image = torch.zeros(1, 3, 8, 11)
    convolution = nn.Conv2d(3, 5, 3, stride, padding=1)
    maps = convolution(image)
    assert found.output_size == (*maps.shape[2:], 5)
    assert found.weights[2] == convolution.weight.numel()
    assert found.biases[2] == convolution.bias.numel()
    dense = nn.Linear(image.numel(), maps.numel())
    assert (found.weights[0], found.biases[0]) == (dense.weight.numel(), dense.bias.numel())
    windows = nn.functional.unfold(image, 3, padding=1, stride=stride)
    assert found.weights[1] == windows.numel() * 5, "a weight for each pixel of each window and map"
    assert found.multiplications == (found.weights[0], found.weights[1], found.weights[1])
    assert found.shares[2] == 1
    assert found.sizes[0] == dense.weight.numel() * dense.weight.element_size()


def test_a_grey_photo_has_one_channel_and_large_ones_overflow_nothing() -> None:
    grey = weight_sharing(np.full((6, 6), 9, np.uint8), filters=2)
    assert grey.input_size == (6, 6, 1)
    assert grey.weights == (36 * 72, 9 * 72, 18)
    large = weight_sharing(np.zeros((3000, 4000), np.uint8), filters=4096)
    assert large.weights[0] == 12_000_000 * 12_000_000 * 4096 > 2**63 / 16
    assert f"{large.weights[0]:,}" in large.caption()
    assert int(large.to_json()["weights"][0]) == large.weights[0]


def test_the_axis_ends_where_the_bars_do_and_reads_as_people_say_it() -> None:
    found = weight_sharing(np.zeros((375, 500, 3), np.uint8))
    figure = found.figure()
    counts = figure.axes[-1]
    assert counts.get_xscale() == "log"
    low, high = counts.get_xlim()
    assert min(found.weights) / 10 < low < min(found.weights)
    assert max(found.weights) < high < 10 * max(found.weights)
    ticks = [tick.get_text() for tick in counts.get_xticklabels()]
    assert {"1,000", "10 million", "1 billion"} <= set(ticks)
    for place, text in enumerate(counts.texts):
        assert text.get_text().startswith(f"{spelled(found.weights[place])} weights")
    assert counts.texts[0].get_text().startswith("2.25 trillion weights, 9.00 TB")
    assert crowded(figure) == ""
    small = weight_sharing(np.zeros((6, 6), np.uint8), filters=1)
    assert crowded(small.figure()) == ""


def test_what_is_no_layer_is_a_sentence() -> None:
    photo = np.zeros((6, 6, 3), np.uint8)
    for given in ({"kernel": 0}, {"filters": 0}, {"stride": 0}):
        with pytest.raises(UsageError, match=r"(kernel|filters|stride) cannot be 0"):
            weight_sharing(photo, **given)
    with pytest.raises(UsageError, match="larger than the photo"):
        weight_sharing(photo, kernel=7)
