"""The view: what it takes, what it tells, and that its pictures are those of the ascent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cnnviz.errors import LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model, load
from cnnviz.units.visualization import Direction
from cnnviz.views.feature_visualization import feature_visualization
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state

SIDE = 24


def tiny(channels: int = 3) -> Model:
    sized = Preprocessing(SIDE, (SIDE, SIDE), (0.5,) * channels, (0.25,) * channels)
    return Model(tiny_network(channels), preprocessing=sized)


def made(units="5:1", model: Model | None = None, **options):
    return feature_visualization(model or tiny(), units, **{"steps": 6, **options})


def test_every_kind_of_unit_has_its_pictures() -> None:
    units = ["3:1,2", "3:4@2x3", "class:1", "5", Direction("3", np.ones(8), "mean")]
    found = made(units, steps=20)
    assert found.units == ("3:1", "3:2", "3:4@2x3", "class:1", "5", "3:mean")
    assert found.kinds == ("channel", "channel", "position", "class", "layer", "direction")
    assert [each.shape for each in found.pictures] == [(1, 3, SIDE, SIDE)] * 6
    assert found.end.shape == (6, 1)
    assert bool((found.end > found.start).all())
    assert set(found.arrays()) >= {"pictures 3:1", "pictures class:1", "end", "start"}


def test_the_score_at_the_end_is_the_networks_own() -> None:
    model = tiny()
    found = made("3:1;class:2", model)
    inputs = (torch.from_numpy(np.concatenate(found.pictures)) - 0.5) / 0.25
    with torch.no_grad():
        channel = model.module[:4](inputs[:1])[0, 1].mean()
        logit = model.module(inputs[1:])[0, 2]
    np.testing.assert_allclose(found.end[:, 0], [float(channel), float(logit)], atol=1e-5)


def test_the_model_is_left_as_it_was_and_a_surrounding_mode_does_not_reach_in() -> None:
    model = tiny()
    model.module.train()
    before = state(model.module)
    with torch.inference_mode():
        inside = made(model=model)
    assert state(model.module) == before
    np.testing.assert_array_equal(inside.pictures[0], made().pictures[0])


def test_a_seed_gives_the_same_picture_again() -> None:
    first, again, other = (made(seed=seed, steps=2).pictures[0] for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_start_from_a_photo_stays_near_it_at_first() -> None:
    photo = np.random.default_rng(0).integers(30, 220, (SIDE, SIDE, 3)).astype(np.uint8)
    found = made(start=photo, steps=1)
    np.testing.assert_allclose(found.pictures[0][0].transpose(1, 2, 0), photo / 255, atol=0.06)
    assert found.provenance.images[0].name == found.started_from
    assert f"from the photo {found.started_from}" in found.caption()
    further = made("5", start=photo, steps=30)
    assert further.end[0, 0] > further.start[0, 0]
    resized = made(start=photo, steps=1, size=16)
    assert resized.pictures[0].shape == (1, 3, 16, 16)


def test_several_photos_to_start_from_are_refused() -> None:
    with pytest.raises(UsageError, match="2 photos were given to start from"):
        made(start=torch.rand(2, 3, SIDE, SIDE))


@pytest.mark.parametrize("method", ["fourier", "maco", "pixel"])
def test_every_method_raises_the_score_of_a_shipped_network(method) -> None:
    found = feature_visualization(load("shapes"), "features.7:3", 12, method=method, size=32)
    assert found.end[0, 0] > found.start[0, 0]
    assert found.method == method


@pytest.mark.parametrize("channels", [1, 2])  # Of 4 as well it is a law.
def test_other_numbers_of_channels_are_drawn(channels: int) -> None:
    found = made(model=tiny(channels), diverse=2)
    assert found.pictures[0].shape == (2, channels, SIDE, SIDE)
    found.figure().draw_without_rendering()
    assert ("the mean is shown as grey" in found.caption()) == (channels == 2)


def test_labels_tell_units_and_scores_before_and_after() -> None:
    found = made("3:1,2", diverse=2)
    figure = found.figure()
    figure.draw_without_rendering()
    key = figure.axes[0].xaxis.label
    assert "its score before → after" in key.get_text()
    assert key.get_window_extent().x1 <= figure.bbox.x1
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 4
    assert texts[0].startswith("3:1\n")
    assert "→" in texts[0]
    assert "kept unlike one another" in found.caption()


def test_a_dead_unit_is_named() -> None:
    model = tiny()
    with torch.no_grad():
        model.module[3].bias[2] = -1e4
    found = made("5:2", model)
    assert found.dead.all()
    assert "could not be woken: 5:2" in found.caption()
    assert "could not be woken" in found.figure().axes[0].texts[0].get_text()
    assert found.summary().endswith("1 could not be woken")


def test_a_caption_tells_of_budget_sizes_and_linear_layers(tmp_path: Path) -> None:
    told: list[str] = []
    found = made("0:1", size=32, state=tmp_path, announce=told.append)
    assert "The pictures have 32 x 32 px" in found.caption()
    assert "only what is above zero counts" in found.caption()
    assert len(told) == 1
    again = made("0:1", size=32, state=tmp_path, announce=told.append)
    assert len(told) == 1, "what is kept costs nothing"
    np.testing.assert_array_equal(found.pictures[0], again.pictures[0])


@each_case(
    ("options", "message"),
    [
        ({"steps": 0}, "steps cannot be 0"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"method": "fourrier"}, "There is no method 'fourrier'"),
        ({"diverse": 0}, "diverse cannot be 0"),
        ({"size": 4}, "size cannot be 4"),
        ({"budget": "soon"}, "'soon' is no time"),
        ({"units": "3:1@11x11", "size": 16}, "there is none like it at 16 px"),
    ],
)
def test_bad_arguments_are_sentences(options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(**options)


def test_an_unknown_unit_is_a_sentence() -> None:
    with pytest.raises(LayerError, match="no channel 99"):
        made("3:99")


def test_networks_of_other_precision_are_visualised() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        model = tiny()
        model.module.to(dtype)
        found = made("3:1;class:2", model, steps=10, diverse=2)
        assert bool((found.end > found.start).all())
        assert found.pictures[0].dtype == np.float32
