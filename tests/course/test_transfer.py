"""New tasks for a trained network, and its new last layer, beside independent references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.utils import parametrizations, prune

from cnnviz.course.transfer import (
    BATCH,
    Samples,
    accuracy,
    fit_head,
    headless,
    run,
    train_whole,
    with_new_head,
)
from cnnviz.course.transfer_tasks import SIDE, TASKS
from cnnviz.datasets.shapes import Factors, draw
from cnnviz.datasets.shapes.outlines import outline
from cnnviz.datasets.shapes.scene import paint

LETTERS, DIRECTIONS = TASKS["letters"], TASKS["directions"]


@pytest.fixture
def features() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    labels = torch.arange(60) % 4
    means = 0.8 * torch.randn(4, 12, generator=generator)
    values = means[labels] + torch.randn(60, 12, generator=generator)
    # Of any scale, and one that says nothing.
    values = values * torch.logspace(-2, 2, 12) + 3.0
    values[:, 5] = 7.0
    return values, labels


def small() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, 7),
    ).eval()  # fmt: skip


def test_the_frozen_head_is_the_logistic_regression_of_scikit_learn(features) -> None:
    values, labels = features
    found = fit_head(values, labels, 4)
    scaled = StandardScaler().fit(values.double().numpy())
    given = scaled.transform(values.double().numpy())
    expected = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(given, labels.numpy())
    np.testing.assert_allclose(found.weight.T.numpy(), expected.coef_, atol=2e-5)
    bias = found.bias - found.bias.mean()  # A number more for every class changes nothing.
    np.testing.assert_allclose(
        bias.numpy(), expected.intercept_ - expected.intercept_.mean(), atol=2e-5
    )
    other = values.flip(0) + 0.3
    assert found.accuracy(other, labels) == pytest.approx(
        expected.score(scaled.transform(other.double().numpy()), labels.numpy())
    )


def test_a_head_is_the_same_for_features_of_any_scale(features) -> None:
    values, labels = features
    one, two = fit_head(values, labels, 4), fit_head(100.0 * values - 5.0, labels, 4)
    np.testing.assert_allclose(one.weight.numpy(), two.weight.numpy(), atol=1e-4)


def test_a_network_without_its_head_answers_the_features_and_stays_as_it_was() -> None:
    network = small()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.randn(3, 3, 9, 9)
    found = run(headless(network, "4"), images)
    with torch.no_grad():
        np.testing.assert_allclose(network[4](found).numpy(), network(images).numpy(), rtol=1e-6)
    new = with_new_head(network, "4", 4)
    assert new[4].weight.shape == (4, 5)
    assert not any(one.any() for one in new[4].parameters())
    assert torch.equal(new[0].weight, network[0].weight)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_nothing_is_drawn_for_a_new_head() -> None:
    network = small()
    before = torch.get_rng_state()
    with_new_head(network, "4", 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_head_whose_weight_is_computed_is_exchanged_as_any_other() -> None:
    for computed in (parametrizations.spectral_norm, prune.identity):
        network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        computed(network[1], "weight")
        new = with_new_head(network, "1", 2)
        assert type(new[1]) is nn.Linear
        assert new(torch.ones(1, 4)).tolist() == [[0.0, 0.0]]


def test_what_was_frozen_by_its_owner_learns_in_the_copy_alone() -> None:
    network = small()
    network[0].weight.requires_grad_(False)
    assert with_new_head(network, "4", 4)[0].weight.requires_grad
    assert not network[0].weight.requires_grad


def test_the_first_step_is_that_of_adam_with_a_rate_for_each_part() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = Samples(torch.randn(6, 3, 9, 9, generator=generator), torch.arange(6) % 3)
    network = with_new_head(small(), "4", 3)
    with torch.no_grad():
        network[4].weight += torch.randn(3, 5, generator=generator)
    reference = with_new_head(small(), "4", 3)
    reference.load_state_dict(network.state_dict())
    nn.CrossEntropyLoss()(reference(samples.inputs), samples.labels).backward()
    rates = {"0": 1e-3, "4": 3e-3}
    with torch.no_grad():
        for name, one in reference.named_parameters():
            # One step of one: it takes half of the rate. Decay first, then g / (|g| + eps).
            rate = 0.5 * rates[name[0]]
            one -= rate * (0.05 * one + one.grad / (one.grad.abs() + 1e-8))
    train_whole(network, "4", samples, (1e-3, 3e-3), 1, seed=0)
    for one, other in zip(network.parameters(), reference.parameters(), strict=True):
        np.testing.assert_allclose(
            one.detach().numpy(), other.detach().numpy(), atol=2e-6, rtol=1e-4
        )
    assert not network.training


def test_every_sample_is_seen_once_an_epoch_in_batches_of_nearly_one_size() -> None:
    seen: list[list[int]] = []

    class Noted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x[:, 0].int().tolist())
            return self.last(x)

    count = BATCH + 1  # A last batch of one would not do.
    samples = Samples(torch.arange(float(count))[:, None], torch.arange(count) % 2)
    train_whole(with_new_head(Noted(), "last", 2), "last", samples, (1e-3, 1e-3), 3, seed=2)
    assert [len(one) for one in seen] == [9, 8] * 3
    orders = [seen[at] + seen[at + 1] for at in (0, 2, 4)]
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert orders[0] != orders[1]


def test_accuracy_is_of_all_samples() -> None:
    network = nn.Identity()
    logits = torch.eye(2)[torch.arange(300) % 2]
    labels = torch.arange(300) % 2
    labels[:30] = 1 - labels[:30]
    assert accuracy(network, Samples(logits, labels)) == pytest.approx(0.9)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_scenes_have_every_class_as_often_and_none_twice(task) -> None:
    sets = [task.draw(seed, split, 0, 8) for seed in (0, 1) for split in ("train", "held-out")]
    for one in sets:
        assert one.images.shape == (8, SIDE, SIDE, 3)
        assert torch.bincount(one.labels).tolist() == [2] * 4
    assert len({image.numpy().tobytes() for one in sets for image in one.images}) == 32
    again = task.draw(0, "train", 4, 4)
    assert torch.equal(again.images, sets[0].images[4:])


def test_an_arrow_points_where_its_class_says() -> None:
    for label, (right, down) in enumerate([(1, 0), (0, -1), (-1, 0), (0, 1)]):
        for rotation in (-180.0, 0.0, 180.0):
            factors = DIRECTIONS.posed(label, Factors(rotation=rotation))
            angle = np.radians(factors.rotation)
            along = np.cos(angle) * right - np.sin(angle) * down
            assert along >= np.cos(np.radians(25.0)) - 1e-9


def test_letters_are_within_the_circle_and_differ() -> None:
    for form in (-1.0, 0.0, 1.0):
        shapes = [LETTERS.contours(label, form) for label in range(4)]
        assert all(np.hypot(*one[0].T).max() <= 1.0 + 1e-9 for one in shapes)
        masks = [
            paint(one, Factors(), seed=0, index=0, split="train", size=SIDE)[2] for one in shapes
        ]
        apart = [np.abs(a - b).mean() for at, a in enumerate(masks) for b in masks[:at]]
        assert min(apart) > 0.02


def test_a_scene_is_painted_around_an_outline_as_around_its_class() -> None:
    factors = Factors(texture="dots", clutter=3, occlusion=0.1)
    sample = draw("heart", factors, seed=2, index=5, size=48)
    image, visible, alpha = paint(
        outline(8, factors.form), factors, seed=2, index=5, split="train", size=48
    )
    np.testing.assert_array_equal(image, sample.image)
    np.testing.assert_array_equal(visible >= 0.5, sample.mask)
    np.testing.assert_array_equal(alpha >= 0.5, sample.full_mask)
