"""The strongest patches of a layer: found as a full search finds them, and sent back rightly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnviz.datasets.shapes import Shapes
from cnnviz.errors import ImageError, LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model, load
from cnnviz.passes.captures import capture
from cnnviz.units.projection import UnitPosition, project
from cnnviz.views.pictures import top_activations as picture
from cnnviz.views.top_activations import TopActivations, top_activations
from tests.helpers.architectures import lasting_network, shallow, small_input, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.font_subsets import cut_anew
from tests.helpers.undrawn import undrawn

SIDE = 24


@pytest.fixture
def model() -> Model:
    preprocessing = Preprocessing(SIDE, (SIDE, SIDE), (0.5,) * 3, (0.25,) * 3)
    return Model(lasting_network(), preprocessing=preprocessing, categories=list("abcd"))


def photos(count: int, side: int = SIDE) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (side, side, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize(("layer", "k"), [("0", 3), ("5", 2), ("8", 4)])
def test_it_finds_what_a_full_search_finds(model, layer: str, k: int) -> None:
    given = photos(11)
    found = top_activations(model, given, layer, k=k)
    held = capture(model, given, layers=[layer], gradients=False).activations[layer]
    maps = held[:, :, None, None] if held.ndim == 2 else held
    tops, places = maps.flatten(2).max(2)
    order = tops.T.argsort(1, descending=True)[:, :k]
    np.testing.assert_array_equal(found.images, order)
    np.testing.assert_allclose(found.values, tops.T.gather(1, order), rtol=1e-5)
    width = maps.shape[3]
    np.testing.assert_array_equal(found.rows * width + found.columns, places.T.gather(1, order))
    typical = tops.clamp(min=0).mean(0)
    np.testing.assert_allclose(found.typical, typical, rtol=1e-5, atol=1e-7)
    assert found.seen == 11


def test_patches_and_projections_are_those_of_the_places_found(model) -> None:
    given = photos(7)
    found = top_activations(model, given, "3", k=2, top=3)
    batch = model.prepare(given)
    field = trace(model.module, (3, SIDE, SIDE)).find("3").receptive_field
    assert field is not None
    assert found.size == field.size == (8, 8)
    factor = picture.TILE // 8
    assert found.patches.shape == (3, 2, 8 * factor, 8 * factor, 3)
    for place, channel in enumerate(found.shown):
        for slot, one in enumerate(found.strongest(channel)):
            padded = np.full((SIDE + 16, SIDE + 16, 3), picture.EMPTY, np.uint8)
            padded[8:-8, 8:-8] = given[one.image]
            window = field.box(one.row, one.column, clipped=False)
            patch = padded[window.top + 8 : window.bottom + 8, window.left + 8 : window.right + 8]
            np.testing.assert_array_equal(found.patches[place, slot, ::factor, ::factor], patch)
            pick = UnitPosition(one.image, channel, one.row, one.column)
            alone = project(model, batch.tensor, "3", [pick])
            inside = (patch != picture.EMPTY).any(2)
            drawn = found.projections[place, slot, ::factor, ::factor]
            level = picture.paint(alone.signals[0]).astype(int)
            assert np.abs(drawn[inside].astype(int) - level[inside]).max() <= 1
            assert float(alone.activations[0]) == pytest.approx(one.value, rel=1e-4)


@pytest.mark.parametrize("rule", ["guided", "gradient"])
def test_each_rule_draws_its_own_projections(model, rule) -> None:
    given = photos(5)
    plain = top_activations(model, given, "3", k=2)
    other = top_activations(model, given, "3", k=2, rule=rule)
    np.testing.assert_array_equal(plain.patches, other.patches)
    assert not np.array_equal(plain.projections, other.projections)
    assert "deconvnet rule" in plain.caption()
    assert "deconvnet rule" not in other.caption()


def test_channels_are_chosen_as_they_are_asked_for(model) -> None:
    given = photos(20)
    by_contrast = top_activations(model, given, "0", k=3, top=4)
    least, typical = by_contrast.values[:, -1], by_contrast.typical
    wanted = np.argsort(-np.maximum(least, 0) / typical, kind="stable")[:4]
    assert by_contrast.shown == tuple(wanted)
    by_peak = top_activations(model, given, "0", k=3, top=2, order="peak")
    assert by_peak.shown == tuple(np.argsort(-by_peak.values[:, 0])[:2])
    assert "2 of 6 channels, the largest activation first" in by_peak.caption()
    assert top_activations(model, given, "0", top=0, order="index").shown == tuple(range(6))
    named = top_activations(model, given, "0", "4,0-1")
    assert named.shown == (4, 0, 1)
    assert named.values.shape == (6, 9)


def _with_channel_below_zero() -> nn.Sequential:
    network = tiny_network()
    with torch.no_grad():
        network[0].weight[2], network[0].bias[2] = 0.0, -1.0
    return network


def test_a_channel_that_is_never_above_zero_is_said_to_be_so_and_shows_nothing() -> None:
    module = _with_channel_below_zero()
    found = top_activations(module, torch.rand(4, 3, 16, 16), "1", top=0, order="index", k=2)
    assert found.never_above_zero.tolist() == [channel == 2 for channel in range(6)]
    assert not found.drawn[2].any()
    assert (found.patches[2] == picture.EMPTY).all()
    assert "; 1 never above zero" in found.summary()
    assert "Never above zero in these images: 1 of 6 (2)." in found.caption()
    # A batch norm may shift it above zero: nothing says that it is dead.
    assert "dead" not in found.caption() + found.summary()
    words = [text.get_text() for text in found.figure().axes[0].texts]
    assert "2:  none above 0" in words
    assert found.to_json()["channels"][2]["never_above_zero"] is True


def test_there_are_no_more_patches_than_images(model) -> None:
    found = top_activations(model, photos(2), "1", k=4, top=0)
    assert found.images.shape == found.drawn.shape == (6, 2)
    assert (np.sort(found.images, axis=1) == [0, 1]).all()
    assert len(found.strongest(0)) == 2
    assert "the 2 strongest patches of 6 channels in 2 images" in found.summary()
    assert "All of only 2 images are shown" in found.caption()
    least = np.maximum(found.values[list(found.shown), -1], 0.0)
    contrast = least / found.typical[list(found.shown)]
    assert (np.diff(contrast) <= 1e-12).all()


def test_names_and_classes_come_with_the_places(model, tmp_path: Path) -> None:
    for place, pixels in enumerate(photos(6)):
        path = tmp_path / "data" / ("cat" if place % 2 else "dog") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "data" / "cat" / "broken.png").write_bytes(b"no photo")
    found = top_activations(model, tmp_path / "data", "0", k=2)
    for place in found.strongest(3):
        label, _, file = place.name.partition("/")
        assert (place.label, label) == (("cat",) * 2 if int(file[0]) % 2 else ("dog",) * 2)
    data = json.loads(found.save(tmp_path / "a.json").read_text("utf-8"))
    first = data["channels"][3]["strongest"][0]
    assert first["name"] == found.strongest(3)[0].name
    assert first["value"] == pytest.approx(found.values[3, 0])
    assert len(data["channels"]) == 6
    assert found.seen == 6
    (note,) = found.provenance.notes
    assert note.startswith("1 image could not be read and was left out (cat/broken.png: this is no")
    names = {source.name for source in found.provenance.images}
    assert names == {p.name for channel in found.shown for p in found.strongest(channel)}
    assert found.data == "data, 7 images in 2 folders"
    assert len(top_activations(model, tmp_path / "data", "0", k=2, count=3).names) <= 3


def test_a_data_set_that_changes_what_it_gives_is_told_of(model) -> None:
    class Random:
        draws = 0

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> np.ndarray:
            self.draws += 1
            return np.random.default_rng(self.draws).integers(0, 256, (SIDE, SIDE, 3), np.uint8)

    notes = top_activations(model, Random(), "0", k=2).provenance.notes
    assert re.search(
        r"images? came out otherwise .* such as image \d: the data set changes", notes[0]
    )
    assert top_activations(model, photos(4), "0", k=2).provenance.notes == ()


def test_photos_of_several_sizes_have_patches_of_several_sizes() -> None:
    free = Model(
        lasting_network(), preprocessing=Preprocessing(None, None, (0.5,) * 3, (0.25,) * 3)
    )
    given = [*photos(3, 20), *photos(2, 30)]
    found = top_activations(free, given, "4", k=3, top=2)
    apart = top_activations(free, photos(2, 30), "4", k=2)
    assert found.seen == 5
    assert found.drawn.any()
    assert apart.values.shape == (8, 2)


def test_all_channels_go_on_several_pages(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(picture, "PER_PAGE", 3)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.ReLU())
    found = top_activations(network, torch.rand(3, 3, 12, 12), "0", top=0, k=2)
    assert found.pages == 2
    assert "2 pages" in found.summary()
    assert "page 1 of 2" in found.caption()
    texts = [len(found.figure(page).axes[0].texts) for page in (1, 2)]
    per_page = picture.PER_PAGE
    assert [count // per_page for count in texts] == [1, 1]
    with cut_anew():
        pages, again = (found.save(tmp_path / f"{name}.pdf").read_bytes() for name in "ab")
    assert len(re.findall(rb"/Type /Page\b", pages)) == 2
    assert again == pages, "nothing in it tells the time"
    with pytest.raises(UsageError, match=r"no page 3. There are 2, from 1"):
        found.figure(3)
    # In pictures of one page each, every channel stands on one of them.
    with undrawn():
        assert found.save(tmp_path / "a.png", dpi=30) == tmp_path / "a-1.png"
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        f"a-{page}.png" for page in (1, 2)
    ]
    assert [each.page for each in found.sheets()] == [1, 2]
    assert "page 2 of 2" in found.sheets()[1].caption()
    rows = [row for each in found.sheets() for row in picture.rows_of_page(each)]
    assert rows == list(range(6))
    assert found.save(tmp_path / "a.npz").name == "a.npz"


def test_the_picture_has_a_bar_for_each_activation(model) -> None:
    found = top_activations(model, photos(9), "5", k=4, top=1)
    block = picture.block(found, 0)
    side = found.patches.shape[2]
    bar = block[side + 1, :side]
    assert (bar == picture._INK).all(), "the first bar is whole"
    last = block[2 * (side + picture._BAR) + picture._GAP - 1]
    right = last[-side:]
    share = found.values[found.shown[0], 3] / found.values[found.shown[0], 0]
    assert int((right == picture._INK).all(1).sum()) == round(side * share)


def test_the_picture_alone_says_how_many_channels_it_shows(model) -> None:
    figure = top_activations(model, photos(3), "1", k=2, top=3).figure()
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.xaxis.label.get_window_extent().x1 <= figure.bbox.x1
    assert axes.get_xlabel().startswith("3 of 6 channels; above each: the channel")
    every = top_activations(model, photos(3), "1", k=2, top=0)
    assert every.figure().axes[0].get_xlabel().startswith("all 6 channels")


def test_the_words_above_the_patches_do_not_overlap(model, monkeypatch) -> None:
    found = top_activations(model, photos(3), "1", k=2, top=3)
    words = {text.get_text() for text in found.figure().axes[0].texts}
    assert "sent back" in words
    monkeypatch.setattr(picture, "label", lambda found, row: f"{row}: " + 30 * "9")
    words = {text.get_text() for text in found.figure().axes[0].texts}
    assert "sent back" not in words


def test_the_default_layer_is_the_last_stage(model) -> None:
    assert top_activations(model, photos(2)).layer == "5"


@pytest.mark.parametrize("name", ["squeezenet1_0", "convnext_tiny", "mobilenet_v3_small"])
def test_known_networks_show_patches(name: str) -> None:
    """In-place rectifiers, channels-last blocks and gates that see the whole image."""
    network = shallow(name)
    found = top_activations(network, small_input(name, 3), k=2, top=2)
    assert isinstance(found, TopActivations)
    assert found.drawn.any()
    assert found.provenance.notes == network.notes


def test_progress_goes_from_images_to_patches(model) -> None:
    told: list[tuple[int, int, str]] = []
    top_activations(model, photos(5), "0", k=2, top=2, progress=lambda *one: told.append(one))
    assert [one[1] for one in told if "images/s" in one[2]] == [5]
    assert told[-1] == (4, 4, "done")


@each_case(
    ("keywords", "error", "message"),
    [
        ({"k": 0}, UsageError, "k cannot be 0"),
        ({"top": -1}, UsageError, "top cannot be -1"),
        ({"rule": "lrp"}, UsageError, "no rule 'lrp'"),
        ({"order": "mean"}, UsageError, "no order 'mean'"),
        ({"layer": "nine"}, LayerError, "no layer 'nine'"),
        ({"layer": "0", "channels": 6}, LayerError, "Layer '0' has no channel 6"),
        ({"data": "nowhere"}, UsageError, "no folder 'nowhere'"),
        ({"data": [np.zeros(3)]}, ImageError, "image 0: an array of float64 is no image"),
    ],
)
def test_bad_arguments_are_sentences(model, keywords, error, message: str) -> None:
    with pytest.raises(error, match=message):
        top_activations(model, **{"data": photos(2), **keywords})


def test_what_all_patches_send_back_alike_is_drawn_once() -> None:
    data, shipped = Shapes(split="held-out"), load()
    scenes = [data[place].image for place in range(6)]
    early = top_activations(shipped, scenes, layer="features.1", top=3)
    late = top_activations(shipped, scenes, layer="features.7", top=3)
    rows = range(len(early.shown))
    assert all(picture.sends_one_back(early, row) for row in rows)
    assert not any(picture.sends_one_back(late, row) for row in rows)
    # One enlarged picture has no gap of white between tiles.
    left = picture.block(early, 0)[:, : picture.block(early, 0).shape[1] // 2 - 4]
    assert not (left == 255).all(-1).all(0).any()
    drawn = early.figure().axes[0].get_xlabel()
    assert "once where that is the same for all" in drawn
    assert "one large picture" not in late.figure().axes[0].get_xlabel()
