"""The small trainings of the view of overfitting, beside loops that are written out."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.course.overfitting import (
    RATE,
    Recipe,
    draw_scenes,
    recipes,
    small_network,
    train,
)
from cnnviz.course.small_trainings import measure, sign_flip
from tests.helpers.each_case import each_case

PLAIN, AUGMENTED, DROPPED, DECAYED = recipes(0.5, 1.0)


def test_a_seed_gives_its_numbers_again_and_leaves_the_global_generators_alone() -> None:
    scenes = draw_scenes(0, "train", 0, 20)
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.no_grad():
        first = train(DROPPED, scenes, [scenes], 2, seed=3)
    after = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert all(np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True))
    assert before[2] == after[2]
    torch.rand(5)
    np.testing.assert_array_equal(train(DROPPED, scenes, [scenes], 2, seed=3), first)
    assert not np.array_equal(train(DROPPED, scenes, [scenes], 2, seed=4), first)


def test_the_threads_of_torch_change_no_number_and_are_put_back() -> None:
    scenes = draw_scenes(0, "train", 0, 20)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(train(PLAIN, scenes, [scenes], 2, seed=0))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])


def test_every_recipe_changes_the_training_and_nothing_else() -> None:
    scenes = draw_scenes(0, "train", 0, 20)
    found = [train(recipe, scenes, [scenes], 1, 0) for recipe in recipes(0.5, 100.0)]
    assert len({curves.tobytes() for curves in found}) == 4
    # With nothing of it each is the plain training: same weights, same batches.
    np.testing.assert_array_equal(train(Recipe("none"), scenes, [scenes], 1, 0), found[0])


def test_the_first_step_is_that_of_adam_on_the_first_batch() -> None:
    scenes = draw_scenes(0, "train", 0, 10)  # One batch: its order changes no mean.
    torch.manual_seed(5)
    network = small_network()
    pixels = scenes.images.permute(0, 3, 1, 2).float() / 255.0
    inputs = (pixels - 0.5) / 0.25
    nn.CrossEntropyLoss()(network(inputs), scenes.labels).backward()
    with torch.no_grad():
        for one in network.parameters():
            # The first step of Adam is g / (|g| + eps), whatever its moments decay by.
            one -= RATE * one.grad / (one.grad.abs() + 1e-8)
        logits = network(inputs).double()
    chances = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    loss = -torch.log(chances[torch.arange(10), scenes.labels]).mean()
    found = train(PLAIN, scenes, [scenes], 1, seed=5)
    assert found.shape == (2, 1, 1)
    assert found[0, 0, 0] == pytest.approx(float(loss), rel=1e-6)


def test_a_network_is_measured_without_dropout() -> None:
    network = nn.Sequential(nn.Dropout(0.9), nn.Identity()).train()
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    loss, share = measure(network, logits, torch.tensor([0, 1, 1]))
    expected = np.mean([np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0)), np.log1p(np.exp(3.0))])
    assert loss == pytest.approx(expected, rel=1e-5)
    assert share == pytest.approx(2 / 3)


def test_training_and_held_out_scenes_have_every_class_as_often_and_none_in_common() -> None:
    sets = [draw_scenes(0, "train", 0, 20), draw_scenes(0, "train", 20, 20)]
    sets += [draw_scenes(0, "held-out", 0, 20), draw_scenes(0, "held-out", 20, 20)]
    for one in sets:
        assert one.images.shape == (20, 32, 32, 3)
        assert torch.bincount(one.labels).tolist() == [2] * 10
    pictures = {picture.numpy().tobytes() for one in sets for picture in one.images}
    assert len(pictures) == 80


@each_case(
    ("differences", "chance"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2 / 64),  # All of one sign: this and its mirror image.
        ([-0.1] * 6, 2 / 64),
        ([0.0] * 6, 1.0),
        ([1.0, 1.0, -1.0], 1.0),  # Every sum of three signs is as far from 0 as this one.
        ([3.0, 1.0, -1.0], 6 / 8),  # The sums are 5, 3, 3, 1 and their mirror images.
        ([2.0], 1.0),
    ],
)
def test_chance_is_counted_over_all_signs(differences: list[float], chance: float) -> None:
    count = len(differences)
    sums = [
        abs(sum(d if number >> place & 1 else -d for place, d in enumerate(differences)))
        for number in range(2**count)
    ]
    by_hand = sum(one >= abs(sum(differences)) - 1e-9 for one in sums) / len(sums)
    assert sign_flip(np.array(differences)) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(chance)
