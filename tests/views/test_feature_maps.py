"""Feature maps: every channel kept, the drawn ones chosen by a stated measure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import LayerError, UsageError
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.results import drawing
from cnnviz.views.feature_maps import feature_maps


class Known(nn.Module):
    """A layer whose maps are known: a ramp, its negative, a constant, a spike and zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 5, 1)
        self.relu = nn.ReLU(inplace=True)
        with torch.no_grad():
            self.maps.weight.zero_()
            self.maps.bias.zero_()
            self.maps.weight[0, 0] = 2.0
            self.maps.weight[1, 0] = -1.0
            self.maps.bias[2] = 0.5
            self.maps.weight[3, 1] = 10.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.maps(x)).mean((2, 3))


@pytest.fixture
def held() -> Capture:
    images = torch.zeros(2, 3, 4, 6)
    images[:, 0] = torch.linspace(0, 1, 24).reshape(4, 6)
    images[0, 1, 2, 3] = 1.0
    return capture(Known(), images, layers=["maps", "relu"], gradients=False)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("peak", (3, 0, 2, 1, 4)),
        ("mean", (0, 2, 3, 1, 4)),
        ("spread", (3, 0, 1, 2, 4)),
        ("index", (0, 1, 2, 3, 4)),
    ],
)
def test_the_order_is_that_of_the_measure(
    held: Capture, order: str, expected: tuple[int, ...]
) -> None:
    found = feature_maps(held, "relu", image=0, order=order)
    if order == "spread":
        measured = held.activations["relu"][0].flatten(1).double().std(1, unbiased=False)
        expected = tuple(np.argsort(-measured.numpy(), kind="stable").tolist())
    assert found.shown == expected


def test_measures_equal_torch(held: Capture) -> None:
    maps = held.activations["relu"][1].double().flatten(1)
    found = feature_maps(held, "relu", image=1)
    np.testing.assert_allclose(found.peak, maps.amax(1).numpy())
    np.testing.assert_allclose(found.mean, maps.mean(1).numpy())
    np.testing.assert_allclose(found.spread, maps.std(1, unbiased=False).numpy(), atol=1e-7)
    np.testing.assert_allclose(found.sparsity, (maps <= 0).double().mean(1).numpy())


def test_dead_channels_are_judged_on_all_images_and_named(held: Capture) -> None:
    second = feature_maps(held, "relu", image=1)
    # The spike answers on image 0 only, so it is not dead; a constant map shows nothing.
    assert np.flatnonzero(second.dead).tolist() == [1, 2, 4]
    assert "on all 2 photos: 1, 2 and 4." in second.caption()
    labels = [text.get_text() for text in second.figure().axes[1].texts]
    assert "4: none" in labels


def test_what_is_left_out_is_said_and_kept(held: Capture) -> None:
    found = feature_maps(held, "relu", image=0, top=2)
    assert found.maps.shape == (5, 4, 6)
    assert found.shown == (3, 0)
    assert "2 of 5 channels, largest activation first" in found.caption()
    assert "all 5 channels" in feature_maps(held, "relu", image=0, top=0).caption()


def test_the_picture_alone_says_what_is_shown_and_what_the_numbers_are(held: Capture) -> None:
    photo, _ = feature_maps(held, "relu", image=0, top=2).figure().axes
    key = photo.get_xlabel()
    assert "2 of 5 channels,\nlargest activation first" in key
    assert "its channel,\nand its largest value" in key
    assert "bright: strong" in key
    signed = feature_maps(held, "maps", image=0, top=0).figure()
    assert "all 5 channels" in signed.axes[0].get_xlabel()
    assert "red: above zero, blue: below" in signed.axes[0].get_xlabel()
    signed.draw_without_rendering()
    assert signed.axes[0].get_tightbbox().y0 >= 0


def test_each_map_has_its_own_scale_and_a_constant_one_is_flat(held: Capture) -> None:
    found = feature_maps(held, "relu", image=0, order="index")
    grid = found._grid()
    tiles = [
        grid.pixels[top : top + grid.side[0], left : left + grid.side[1]]
        for left, top in grid.corners
    ]
    palette = drawing.palette(drawing.SEQUENTIAL)
    for place in (0, 3):
        assert (tiles[place] == palette[255]).all(-1).any()
        assert (tiles[place] == palette[0]).all(-1).any()
    for place in (1, 2, 4):
        assert (tiles[place] == drawing.FLAT).all()


def test_values_below_zero_are_drawn_with_zero_in_the_middle(held: Capture) -> None:
    found = feature_maps(held, "maps", image=0, order="index")
    assert found.signed
    assert "blue below" in found.caption()
    corner = found.paint(1)[0, 0].astype(int)
    assert corner.min() > 235, "zero is the palest colour"


def test_512_maps_are_one_picture() -> None:
    held = capture(nn.Sequential(nn.Conv2d(3, 512, 1)), torch.rand(1, 3, 5, 5), gradients=False)
    figure = feature_maps(held, top=0).figure()
    assert len(figure.axes) == 2
    assert [len(axes.images) for axes in figure.axes] == [1, 1]


def test_the_last_captured_layer_is_the_default(held: Capture) -> None:
    assert feature_maps(held).layer == "relu"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": -1}, "top cannot be -1"),
        ({"image": 2}, "no image 2"),
        ({"order": "size"}, "ordered by 'size'"),
    ],
)
def test_bad_arguments(held: Capture, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        feature_maps(held, **options)


def test_a_layer_without_space_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    held = capture(network, torch.rand(1, 3, 2, 2), layers="linear", gradients=False)
    with pytest.raises(LayerError, match=r"\[1, 2\], not \[N, C, H, W\]"):
        feature_maps(held)
    with pytest.raises(LayerError, match="holds no layer"):
        feature_maps(capture(network, torch.rand(1, 3, 2, 2), layers="", gradients=False))


def test_several_photos_show_the_same_channels_one_below_the_other(held: Capture) -> None:
    found = feature_maps(held, "relu", top=2)
    assert [one.image for one in found.every] == ["image 0", "image 1"]
    # On the mean of both photos: the spike of 10 is in the first alone, the ramp of 2 in both.
    assert found.shown == (3, 0)
    assert {one.shown for one in found.every} == {(3, 0)}
    np.testing.assert_array_equal(found.others[0].maps, held.activations["relu"][1].numpy())
    assert [row[:2] for row in found.table().rows] == [
        (f"image {image}", channel) for image in range(2) for channel in range(5)
    ]
    assert set(found.arrays()) >= {"maps", "maps 1"}
    (axes,) = found.figure().axes
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("image 1") == 1
    assert "3: 10.0" in texts
    assert "2 of 5 channels, the same on all photos" in found.caption()


def test_many_photos_go_onto_several_pages() -> None:
    images = torch.rand(14, 3, 4, 6)
    found = feature_maps(capture(Known(), images, layers=["relu"], gradients=False), "relu")
    parts = found.sheets()
    assert len(parts) > 1
    assert [one.image for part in parts for one in part.every] == [f"image {n}" for n in range(14)]
    assert parts[-1].figure()._suptitle.get_text().endswith("of 14")


def test_the_largest_values_below_the_maps_stand_to_one_place(held: Capture) -> None:
    found = feature_maps(held, "maps", image=0, order="index")
    peaks = np.array([7.96, 5.3, 4.0, 0.0004, 0.0])
    found = replace(found, peak=peaks, dead=np.zeros(5, bool))
    labels = [found.label(channel) for channel in found.shown]
    assert labels == ["0: 7.96", "1: 5.30", "2: 4.00", "3: 4.0e-04", "4: 0.00"]


@pytest.mark.parametrize(("last", "said"), [(nn.ReLU(), "zero"), (nn.Tanh(), "zero or below")])
def test_behind_a_relu_positions_are_zero_and_not_below(last: nn.Module, said: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), last, nn.Flatten(), nn.Linear(144, 2)).eval()
    image = torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8)
    found = feature_maps(capture(network, image, layers="1", gradients=False))
    share = float((found.maps <= 0.0).mean())
    assert 0.0 < share < 1.0
    assert f"{share:.0%} of positions {said}, " in found.summary()
