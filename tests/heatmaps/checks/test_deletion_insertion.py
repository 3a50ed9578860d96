from dataclasses import replace

import numpy as np
import pytest
import torch

from cnnviz.heatmaps.checks.deletion_insertion import deletion_insertion
from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.heatmaps.checks.random_maps import random_maps
from cnnviz.images.baselines import baseline_images
from tests.helpers.pass_counter import counted
from tests.helpers.reference_scores import probability
from tests.helpers.state import state

STEPS = 6


def by_hand(subject, image, values, missing, *, insert):
    """Exchange the brightest pixels one by one, and ask after every sixth of them."""
    start, source = subject.inputs[image].clone(), missing
    if insert:
        start, source = missing.clone(), subject.inputs[image]
    places = sorted(np.ndindex(values.shape), key=lambda place: -values[place])
    found = [probability(subject, image, start)]
    for count, (row, column) in enumerate(places, start=1):
        start[:, row, column] = source[:, row, column]
        if count % (len(places) // STEPS) == 0:
            found.append(probability(subject, image, start))
    return found


@pytest.mark.parametrize("kind", ["blur", "mean"])
def test_the_curves_are_those_of_removing_pixel_after_pixel(subject, maps, kind):
    chance = random_maps(maps, 2, seed=1)
    found = deletion_insertion(subject, maps, chance, baselines=("black", kind), steps=STEPS)
    missing = baseline_images(subject.model.preprocessing, subject.inputs, kind)
    assert found.baselines == ("black", kind)
    for image in range(2):
        for own, values in [(None, maps[image]), *enumerate(chance[image])]:
            for name, insert in (("deletion", False), ("insertion", True)):
                curves = getattr(found, name if own is None else f"random_{name}")[1, image]
                curve = curves if own is None else curves[own]
                expected = by_hand(subject, image, values, missing[image], insert=insert)
                np.testing.assert_allclose(curve, expected, atol=1e-6)


def test_the_areas_are_means_on_the_way(subject, maps):
    found = deletion_insertion(subject, maps, random_maps(maps, 2, seed=1), steps=STEPS)
    keys = [one.key for one in found.measures()]
    assert keys == ["deletion_blur", "insertion_blur", "deletion_mean", "insertion_mean", "gain"]
    measures = {one.key: one for one in found.measures()}
    curve = found.deletion[0, 1]
    area = (curve[0] / 2 + curve[1:-1].sum() + curve[-1] / 2) / STEPS
    assert measures["deletion_blur"].values[1] == pytest.approx(area)
    gain = sum(
        measures[f"insertion_{kind}"].values - measures[f"deletion_{kind}"].values
        for kind in ("blur", "mean")
    )
    np.testing.assert_allclose(measures["gain"].values, gain / 2)
    assert measures["gain"].random.shape == (2, 2)


def test_steps_that_do_not_divide_the_pixels_stand_where_they_were_measured(subject, maps):
    # Of 192 pixels: 27, 55, 82, 110, 137 and 165, which are not sevenths.
    found = deletion_insertion(subject, maps, random_maps(maps, 1, seed=1), steps=7)
    pixels = [0, 27, 55, 82, 110, 137, 165, 192]
    np.testing.assert_allclose(found.shares, np.array(pixels) / 192, rtol=1e-12)
    area = np.trapezoid(found.insertion[1], np.array(pixels) / 192, axis=-1)
    measures = {one.key: one for one in found.measures()}
    np.testing.assert_allclose(measures["insertion_mean"].values, area, rtol=1e-12)


def test_the_map_that_knows_the_network_beats_one_that_is_upside_down():
    """A network that looks at one corner: its own map must be the best there is."""
    from cnnviz.models import as_model

    class Corner(torch.nn.Module):
        def forward(self, x):
            bright = x[:, :, :4, :4].mean((1, 2, 3)) - x[:, :, 4:, 4:].mean((1, 2, 3))
            return torch.stack([9 * bright, torch.zeros_like(bright)], dim=1)

    model = as_model(Corner())
    images = torch.zeros(1, 3, 16, 16)
    images[..., :4, :4] = 1.0
    subject = ExplainedBatch.of(model, model.prepare(images), (0,))
    map_ = np.zeros((1, 16, 16), np.float32)
    map_[:, :4, :4] = 1.0
    found = deletion_insertion(subject, map_, -map_[:, None], baselines=("mean",))
    gain = found.measures()[-1]
    assert gain.values[0] > 0.3
    assert gain.random[0, 0] < -0.3


def test_nothing_of_the_network_is_changed(subject, maps):
    before = state(subject.model.module)
    deletion_insertion(subject, maps, random_maps(maps, 1, seed=0), steps=2)
    assert state(subject.model.module) == before


def passes_of(subject, maps, chance):
    with counted(subject.model.module) as passes:
        found = deletion_insertion(subject, maps, chance, steps=STEPS)
    return found, passes.computed().total()


def test_what_was_asked_of_an_image_is_not_asked_again(subject, maps):
    """A map with another order within the steps, and one the other way round, ask nothing new."""
    place = np.argsort(np.argsort(-maps.reshape(2, -1))).reshape(maps.shape)
    coarse = -(place // (maps[0].size // STEPS)).astype(np.float32)
    first, asked = passes_of(subject, coarse, coarse[:, None])
    # Two images: whole, without anything by two baselines, and at five steps both ways by each.
    assert asked == 2 * (1 + 2 + 2 * 2 * (STEPS - 1))
    again, asked = passes_of(subject, maps, -maps[:, None])
    assert asked == 0
    np.testing.assert_array_equal(again.deletion, first.deletion)
    np.testing.assert_array_equal(again.random_insertion[:, :, 0], first.deletion[..., ::-1])
    _, asked = passes_of(replace(subject, shares_trials=False), maps, maps[:, None])
    assert asked == 2 * (1 + 2 + 2 * 2 * (STEPS - 1))
