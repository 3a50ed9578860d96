"""The channels of every stage on one page: the same patches as layer by layer, chosen apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.results import drawing
from cnnviz.results.legibility import crowded

PREPARED = Preprocessing(24, (24, 24), (0.0,) * 3, (1.0,) * 3)


@pytest.fixture(scope="module")
def model() -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU(),
            nn.Conv2d(8, 5, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(5, 4),
        )  # fmt: skip
    return Model(module, preprocessing=PREPARED, categories=list("abcd"))


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (24, 24, 3)).astype(np.uint8) for _ in range(30)]


def test_every_stage_is_what_top_activations_finds_there(model, images):
    found = cnnviz.hierarchy(model, images, k=3, top=2)
    assert [stage.layer for stage in found.stages] == ["1", "3", "5"]
    for stage in found.stages:
        alone = cnnviz.top_activations(model, images, stage.layer, list(stage.shown), k=3)
        np.testing.assert_array_equal(stage.values, alone.values)
        np.testing.assert_array_equal(stage.images, alone.images)
        np.testing.assert_array_equal(stage.patches, alone.patches)
        np.testing.assert_array_equal(stage.projections, alone.projections)


def test_receptive_fields_by_hand(model, images):
    found = cnnviz.hierarchy(model, images, k=2, top=1)
    # 3; 3 + 2 x 1; 5 + 2 x 2.
    assert found.fields.tolist() == [[3, 3], [5, 5], [9, 9]]
    assert found.input_size == (24, 24)
    assert found.shares == pytest.approx([9 / 576, 25 / 576, 81 / 576])
    assert "of 6 at layer 1" in found.caption()


def test_no_two_channels_of_a_stage_answer_to_the_same_images(images):
    module = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU())
    with torch.no_grad():
        # The second is twice the first: another strength, and the same images.
        module[0].weight[:, :, 0, 0] = torch.tensor(
            [[1.0, -0.5, -0.5], [2.0, -1.0, -1.0], [-0.5, 1.0, -0.5], [-1.0, -1.0, -1.0]]
        )
    found = cnnviz.hierarchy(Model(module, preprocessing=PREPARED), images, ["1"], k=3, top=2)
    (stage,) = found.stages
    assert len({0, 1} & set(stage.shown)) == 1
    assert 2 in stage.shown
    assert found.passed_over == (1,)
    # Where more are wanted than there are, those passed over come after all, and dead ones last.
    more = cnnviz.hierarchy(Model(module, preprocessing=PREPARED), images, ["1"], k=3, top=4)
    assert more.stages[0].shown[-1] == 3
    assert set(more.stages[0].shown) == {0, 1, 2, 3}
    assert more.passed_over == (0,)


def test_many_stages_are_evenly_chosen_and_the_others_named(images):
    layers: list[nn.Module] = []
    for _ in range(8):
        layers += [nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 1)]
    model = Model(nn.Sequential(*layers), preprocessing=PREPARED)
    found = cnnviz.hierarchy(model, images[:4], k=1, top=1)
    every = list(cnnviz.capture(model, images[0], layers="stages", gradients=False).activations)
    shown = [stage.layer for stage in found.stages]
    assert len(shown) == 6
    assert (shown[0], shown[-1]) == (every[0], every[-1])
    assert set(found.left) == set(every) - set(shown)
    assert all(name in found.caption() for name in found.left)


def test_on_a_flat_canvas_what_a_stage_sees_stands_below_its_name(model, images):
    found = cnnviz.hierarchy(model, images, k=3, top=2)
    figure = found.draw(drawing.new_figure(8.0, 5.0))
    figure.draw_without_rendering()
    texts = [axes.texts for axes in figure.axes if axes.texts]
    rows = [found for found in texts if found[0].get_weight() == "bold"]
    assert len(rows) == 3
    for name, said in rows:
        assert "channels" in said.get_text()
        assert said.get_window_extent().y1 <= name.get_window_extent().y0


def test_on_a_slide_patches_are_as_wide_as_it_is_and_fields_beside_them(model, images):
    found = cnnviz.hierarchy(model, images, k=9, top=4)
    figure = found.figure(figure=drawing.new_figure(10.0, 5.625))
    assert crowded(figure) == ""
    images_of = [axes for axes in figure.axes if axes.images]
    assert len(images_of) == 3
    assert min(axes.bbox.width for axes in images_of) > 0.7 * figure.bbox.width


def test_layers_by_name_and_arrays(model, images, tmp_path: Path):
    found = cnnviz.hierarchy(model, images, "1, 5", k=4, top=2)
    assert [stage.layer for stage in found.stages] == ["1", "5"]
    found.save(tmp_path / "found.npz")
    with np.load(tmp_path / "found.npz") as held:
        np.testing.assert_array_equal(held["5 values"], found.stages[1].values)
    names = [source.name for source in found.provenance.images]
    assert len(names) == len(set(names))


def test_what_is_refused(model, images):
    with pytest.raises(UsageError, match="top cannot be 0"):
        cnnviz.hierarchy(model, images, top=0)
    with pytest.raises(UsageError, match="no rule 'deconv'"):
        cnnviz.hierarchy(model, images, rule="deconv")
    with pytest.raises(LayerError):
        cnnviz.hierarchy(model, images, ["nowhere"])
    with pytest.raises(UsageError, match="No layer was named"):
        cnnviz.hierarchy(model, images, [])
