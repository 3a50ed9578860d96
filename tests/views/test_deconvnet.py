"""The view over projections: which channels, beside which patches, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch import nn

from cnnviz.errors import LayerError, UsageError
from cnnviz.models import as_model
from cnnviz.results import drawing
from cnnviz.units.projection import UnitPosition, project
from cnnviz.units.projection.windows import overlap
from cnnviz.views.deconvnet import deconvnet
from cnnviz.views.pictures.deconvnet import (
    REACH,
    _grid,
    _labels,
    _name_place,
    _on_photo,
    _pair,
    in_place,
    paint,
    reach_of,
)
from tests.helpers.architectures import lasting_network, shallow, small_input, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def images(count: int = 1, side: int = 24, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("rule", ["deconvnet", "guided", "gradient"])
def test_each_channel_is_sent_back_from_its_strongest_position(rule) -> None:
    module, x = tiny_network(), images(2)
    found = deconvnet(module, x, "5", "4,1-2", rule)
    assert found.channels == (4, 1, 2)
    picks = [UnitPosition(image, channel) for channel in (4, 1, 2) for image in range(2)]
    wanted = project(as_model(module), x, "5", picks, rule)
    np.testing.assert_array_equal(found.signals.reshape(6, 3, *wanted.size), wanted.signals)
    np.testing.assert_array_equal(found.rows.ravel(), wanted.rows)
    np.testing.assert_array_equal(found.columns.ravel(), wanted.columns)
    assert [each for row in found.windows for each in row] == list(wanted.windows)
    assert found.signals.any()


def test_the_strongest_channels_are_chosen_by_their_mean_peak() -> None:
    module, x = tiny_network(), images(3)
    with torch.no_grad():
        peaks = module[:2](x).amax((2, 3)).mean(0)
    order = torch.argsort(peaks, descending=True).tolist()
    found = deconvnet(module, x, "1", top=4)
    assert list(found.channels) == order[:4]
    assert found.total == 6
    assert "4 of 6 channels, those with the largest activation on average over" in found.caption()
    every = deconvnet(module, x[:1], "1", top=0)
    assert sorted(every.channels) == list(range(6))
    assert "all 6 channels" in every.caption()


def test_a_patch_is_what_the_network_saw_at_the_same_pixels() -> None:
    module, x = lasting_network(), images()
    found = deconvnet(module, x, "1", [0, 1, 2, 3])
    seen = as_model(module).preprocessing.invert(x[0])
    np.testing.assert_array_equal(found.photos[0], seen)
    beyond = 0
    for place in range(4):
        window = found.windows[place][0]
        for row, column in np.ndindex(3, 3):
            y, z = window.top + row, window.left + column
            inside = 0 <= y < 24 and 0 <= z < 24
            beyond += not inside
            wanted = seen[y, z] if inside else drawing.FLAT
            assert found.patches[place, 0, row, column].tolist() == list(wanted)
    assert beyond or all(w[0].top >= 0 and w[0].left >= 0 for w in found.windows)


def test_what_lies_beyond_the_image_is_told_where_a_patch_reaches_there() -> None:
    module, x = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1, bias=False)).eval(), images()
    nn.init.dirac_(module[0].weight)
    for row, column, told in ((0, 5, True), (5, 23, True), (1, 22, False), (9, 9, False)):
        lit = torch.zeros_like(x)
        lit[:, :, row, column] = 1.0
        assert ("lies beyond the image" in deconvnet(module, lit, "0").caption()) == told


def test_the_last_stage_is_the_default() -> None:
    assert deconvnet(lasting_network(), images()).layer == "5"


def test_a_dead_unit_is_told_and_drawn_as_nothing() -> None:
    module = tiny_network()
    with torch.no_grad():
        module[0].bias[2] = -100.0
    found = deconvnet(module, images(), "1", [2, 3])
    assert found.active.tolist() == [[False], [True]]
    assert "; 1 not active" in found.summary()
    assert "its place stays empty" in found.caption()
    texts = {text.get_text() for text in found.figure().findobj(lambda a: hasattr(a, "get_text"))}
    assert "2:  0.00\nnot active" in texts
    assert (paint(found.signals[0, 0]) == drawing.FLAT).all()
    assert found.to_json()["active"] == [[False], [True]]
    assert "not active" not in deconvnet(module, images(), "1", [3]).caption()


def test_the_picture_alone_explains_its_numbers_and_keeps_them_on_the_photo() -> None:
    figure = deconvnet(lasting_network(), images(), "1", top=6).figure()
    figure.draw_without_rendering()
    photo = figure.axes[0]
    assert "the channel, its value,\nand after ± where the colours end" in photo.get_xlabel()
    assert photo.get_tightbbox().y0 >= 0
    for edge in (0.0, 24.0):
        _name_place(photo, (edge, 12.0), [182, 207, 3], (24, 24), 2.6)
    figure.draw_without_rendering()
    for text in photo.texts:
        box = text.get_window_extent()
        assert photo.bbox.x0 - 3 <= box.x0
        assert box.x1 <= photo.bbox.x1 + 3


def test_where_windows_are_most_of_the_photo_projections_lie_in_their_place_on_it() -> None:
    small, large = (deconvnet(lasting_network(), images(), name, top=4) for name in ("1", "5"))
    assert (in_place(small), in_place(large)) == (False, False)
    cropped = deconvnet(lasting_network(), images(side=12), "5", top=4)
    assert in_place(cropped)
    for place in range(4):
        window, photo = cropped.windows[place][0], cropped.photos[0]
        inside, there = overlap(window, photo.shape[:2])
        tile = _on_photo(cropped, place, 0)
        scale = tile.shape[0] // photo.shape[0]
        seen = tile[::scale, ::scale]
        np.testing.assert_array_equal(seen[inside], paint(cropped.signals[place, 0])[there])
        outside = np.ones(photo.shape[:2], bool)
        outside[inside] = False
        middle = tile[scale // 2 :: scale, scale // 2 :: scale][outside]
        faint = 0.3 * photo[outside] + 0.7 * np.array(drawing.FLAT)
        np.testing.assert_allclose(middle, faint, atol=0.51)
        assert (tile == (42, 111, 219)).all(-1).any() == outside.any()


def test_a_photo_that_windows_nearly_fill_is_drawn_once() -> None:
    one = deconvnet(lasting_network(), images(side=12), "5", top=4)
    assert len(_grid(one)[1].corners) == 4
    assert "on the right, in its place on the image, what each unit sends back" in one.caption()
    figure = one.figure()
    assert not figure.axes[0].texts
    assert "framed: what it sees" in figure.axes[0].get_xlabel()
    many = deconvnet(lasting_network(), images(3, 12), "5", top=4)
    corners = _grid(many)[1].corners
    # Two groups, each with the three photos above and two of the four channels.
    assert len(corners) == 2 * 3 + 12
    assert "drawn above; below it, in its place on the image" in many.caption()
    labels = [text for text in many.figure().axes[0].texts if "±" in text.get_text()]
    below = corners[6:9] + np.array([0, _grid(many)[1].side[0] + 2])
    assert [text.get_position() for text in labels[:3]] == list(map(tuple, below.tolist()))
    whole = deconvnet(lasting_network(), images(side=8), "5", top=4)
    assert (
        "A unit sees the whole image (receptive field: 8 x 8), which is drawn once"
        in whole.caption()
    )
    assert "framed" not in whole.figure().axes[0].get_xlabel() + whole.caption()


def test_labels_near_the_edge_stay_on_a_photo_that_is_drawn_small() -> None:
    figure = deconvnet(lasting_network(), images(), "1", top=2).figure()
    photo = figure.axes[0]
    for text in list(photo.texts):
        text.remove()
    photo.set_position((0.05, 0.3, 1.2 / figure.get_figwidth(), 1.2 / figure.get_figheight()))
    figure.set_layout_engine("none")
    for middle in (4.0, 8.0, 17.0, 22.0):
        _name_place(photo, (middle, 12.0), [182, 207, 3], (24, 24), 1.2)
    figure.draw_without_rendering()
    for text in photo.texts:
        box = text.get_window_extent()
        assert photo.bbox.x0 - 3 <= box.x0
        assert box.x1 <= photo.bbox.x1 + 3


def test_values_beside_each_other_are_written_in_one_form() -> None:
    found = deconvnet(lasting_network(), images(), "1", top=4)
    signals = found.signals * np.array([1.0, 1e6, 1.0, 1.0], np.float32).reshape(4, 1, 1, 1, 1)
    reaches = [label.split("±")[1] for label in _labels(replace(found, signals=signals))]
    assert all(" × 10" in reach for reach in reaches)


def test_colours_are_signed_and_end_at_the_stated_percentile() -> None:
    signal = np.zeros((3, 20, 20), np.float32)
    signal[0, 0, 0], signal[1, 0, 0] = 100.0, -50.0
    signal[2] = np.linspace(-1, 1, 400).reshape(20, 20)
    reach = reach_of(signal)
    assert reach == pytest.approx(np.percentile(np.abs(signal), REACH))
    painted = paint(signal)
    assert painted[5, 5, :2].tolist() == [128, 128]
    assert painted[0, 0].tolist()[:2] == [255, 0]
    assert painted[0, 0, 2] == round(127.5 - 127.5 * min(1.0, 1.0 / reach))
    lone = np.zeros((3, 20, 20), np.float32)
    lone[0, 3, 3] = -2.0
    assert reach_of(lone) == 2.0
    assert paint(lone)[3, 3, 0] == 0


@pytest.mark.parametrize("channels", [2, 7])  # Of 1 and of 4 it is a law.
def test_any_number_of_input_channels_is_drawn(channels: int) -> None:
    found = deconvnet(lasting_network(channels), images(2, 20, channels), "3", top=3)
    assert found.signals.shape[:3] == (3, 2, channels)
    assert len(found.figure().axes) == 1


def test_gates_are_told_with_what_lies_outside() -> None:
    model = shallow("mobilenet_v3_small")
    layer = "features.1.block.1"
    found = deconvnet(model, small_input("mobilenet_v3_small"), layer, "0-3")
    assert found.signals.shape[3:] == (7, 7)
    assert 0 < found.outside.max() < 1
    assert "Gates let the units see the whole image" in found.caption()
    assert "whole image (7 x 7 without gates)" in found.caption()


def test_the_caption_says_which_activations_followed_the_rule() -> None:
    module, x = lasting_network(), images()
    said = deconvnet(module, x, "5").caption()
    assert "The rule was applied at 2 of 2 activation functions." in said
    assert "the rules do not differ" in deconvnet(module, x, "0").caption()
    assert "rules" not in deconvnet(module, x, "0", rule="gradient").caption()
    assert "Springenberg" in deconvnet(module, x, "5", rule="guided").caption()


def test_nothing_is_changed_and_all_is_data() -> None:
    module, x = tiny_network().train(), images(2)
    before, kept = state(module), x.clone()
    found = deconvnet(module, x, "4")
    assert state(module) == before
    assert torch.equal(x, kept)
    assert set(found.arrays()) >= {"signals", "patches", "photos", "activations", "outside"}
    json.dumps(found.to_json(), allow_nan=False)


@each_case(
    ("arguments", "error", "message"),
    [
        ({"top": -1}, UsageError, "top cannot be -1"),
        ({"channels": [99]}, LayerError, "no channel 99"),
        ({"channels": []}, UsageError, "No unit was picked"),
        ({"rule": "lrp"}, UsageError, "There is no rule 'lrp'"),
        ({"layer": "convolution"}, LayerError, "no layer 'convolution'"),
    ],
)
def test_bad_arguments_are_sentences(arguments, error, message: str) -> None:
    with pytest.raises(error, match=message):
        deconvnet(lasting_network(), images(), **{"layer": "1", **arguments})


def test_a_network_without_maps_needs_a_named_layer() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5), nn.ReLU()).eval()
    with pytest.raises(LayerError, match="no layer that is known to hold a map"):
        deconvnet(module, images(side=8))
    found = deconvnet(module, images(side=8), "2")
    assert found.signals.shape == (5, 1, 3, 8, 8)
    found.figure()


def test_channels_of_several_images_stand_in_groups_instead_of_a_tower() -> None:
    found = deconvnet(lasting_network(), images(2), "1", top=5)
    assert not in_place(found)
    figure = found.figure()
    width, height = figure.get_size_inches()
    assert width > height
    (axes,) = figure.axes
    pixels = axes.images[0].get_array()[..., :3]
    texts = [text for text in axes.texts if "\n" in text.get_text()]
    assert len(texts) == 10
    columns = sorted({text.get_position()[0] for text in texts})
    assert len(columns) > 2
    for text in texts:
        left, below = (int(one) for one in text.get_position())
        channel = int(text.get_text().partition(":")[0])
        tile = _pair(found, found.channels.index(channel), columns.index(left) % 2)
        tall, across = tile.shape[:2]
        assert (pixels[below - 2 - tall : below - 2, left : left + across] == tile).all()


def test_values_beside_each_other_stand_to_one_place() -> None:
    found = deconvnet(lasting_network(), images(), "1", top=2)
    held = replace(found, activations=np.array([[5.0], [4.789]], np.float32))
    said = [label.split(":")[1].split()[0] for label in _labels(held)]
    assert said == ["5.00", "4.79"]


def test_units_behind_a_dead_layer_are_told_to_be_constant() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.ReLU()
    ).eval()
    image = torch.rand(1, 3, 12, 12)
    nn.init.constant_(network[3].bias, 0.5)  # type: ignore[arg-type]
    alive = deconvnet(network, image, "3")
    nn.init.constant_(network[0].bias, -100.0)  # type: ignore[arg-type]
    dead = deconvnet(network, image, "3")
    assert dead.active.all()
    assert dead.signals.any()
    assert (alive.constant.any(), dead.constant.all()) == (False, True)
    (told,) = (one for one in dead.remarks() if "units 0, 1, 2 keep their values" in one)
    assert told in dead.caption()
    texts = [text.get_text() for text in dead.figure().findobj(Text)]
    assert sum("constant; " in text for text in texts) == 3
