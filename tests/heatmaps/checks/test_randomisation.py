import copy

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.heatmaps.checks.explained_batch import ExplainedBatch
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.random_maps import random_maps
from cnnviz.heatmaps.checks.randomisation import (
    Randomisation,
    all_layers,
    beside_gradient,
    plain_gradient,
    randomisation,
    redraw,
    weighted_layers,
)
from cnnviz.heatmaps.checks.stability import stability
from cnnviz.heatmaps.checks.verdicts import AgainstRandomisation, similarity_limit
from cnnviz.models import Model
from tests.helpers.architectures import shallow, small_input
from tests.helpers.explained import by_name


def of_the_photo(model, batch, classes):
    """Explain nothing: return the photo itself."""
    return batch.tensor.mean(1).numpy()


def of_the_weights(model, batch, classes):
    """Return a map that every other weight makes another."""
    total = float(sum(p.detach().double().abs().sum() for p in model.module.parameters()))
    rng = np.random.default_rng(int(total * 1e6))
    return rng.standard_normal((len(batch), 12, 16)).astype(np.float32)


def judge(found, gradient=0.1):
    yardstick = Measure("g", "G", "", np.array([gradient]), np.zeros((1, 1)))
    held = {"similarity_kept": found.measures()[0], "gradient_similarity": yardstick}
    return AgainstRandomisation().verdict("It", held.__getitem__)


def randomised(subject, explain, **settings):
    own = explain(subject.model, subject.batch, subject.asked)
    chance = random_maps(own, 4, seed=0)
    return randomisation(subject, own, chance, explain, relu=False, **settings)


def test_layers_are_redrawn_from_the_top(subject):
    assert weighted_layers(subject.model, subject.inputs) == ["8", "4", "3", "0"]
    found = randomised(subject, of_the_photo, stages=8)
    assert found.stages == ("8", "4", "3", "0")
    assert found.redrawn == (1, 2, 3, 4)
    assert randomised(subject, of_the_photo, stages=2).stages == ("8", "0")


def test_each_stage_redraws_the_layers_above_and_no_other(subject):
    seen = []

    def look(model, batch, classes):
        seen.append({n: p.detach().clone() for n, p in model.module.named_parameters()})
        return of_the_photo(model, batch, classes)

    randomised(subject, look)
    trained, *stages = seen
    for layers, weights in zip((["8"], ["8", "4"], ["8", "4", "3"]), stages, strict=False):
        for name, value in weights.items():
            if name.split(".")[0] not in layers:
                assert torch.equal(value, trained[name]), name
    assert not torch.equal(stages[0]["8.weight"], trained["8.weight"])
    assert not torch.equal(stages[0]["8.weight"], stages[1]["8.weight"]), "each stage draws anew"


def test_a_map_of_the_photo_is_caught_and_a_map_of_the_weights_is_not(subject):
    # Of two images an interval would reach over every limit.
    images = torch.randn(8, 3, 12, 16, generator=torch.Generator().manual_seed(3))
    subject = ExplainedBatch.of(subject.model, subject.model.prepare(images), (1, 3) * 4)
    photo = randomised(subject, of_the_photo)
    np.testing.assert_allclose(photo.correlation, 1.0)
    np.testing.assert_allclose(photo.kept()[0], 1.0, atol=1e-9)
    caught = judge(photo)
    assert caught.passed is False
    assert "hardly changes when the weights are randomised" in caught.sentence
    weights = randomised(subject, of_the_weights)
    assert np.abs(weights.kept()[0]).max() < 0.2
    assert judge(weights).passed is True


def test_weights_are_drawn_as_he_et_al_draw_them():
    network = nn.Sequential(nn.Conv2d(16, 200, 3), nn.BatchNorm2d(200), nn.Linear(50, 400))
    network[1].running_mean.fill_(3.0)
    network.scale = nn.Parameter(torch.arange(5.0))
    redraw(network, ["0", "1", "2"], seed=0)
    assert float(network[0].weight.detach().std()) == pytest.approx((2 / 144) ** 0.5, rel=0.02)
    assert float(network[2].weight.detach().std()) == pytest.approx((2 / 50) ** 0.5, rel=0.02)
    assert not network[0].bias.any()
    assert not network[1].running_mean.any()
    assert network.scale.tolist() == [0, 1, 2, 3, 4]
    first = network[0].weight.detach().clone()
    redraw(network, ["0"], seed=1)
    assert not torch.equal(first, network[0].weight)


class Attending(nn.Module):
    """A class token and attention, whose last projection is read and never called."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.BatchNorm1d(8, affine=False)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return self.head(self.norm(self.attention(x, x, x)[0][:, 0]))


def test_no_trained_weight_is_left_where_all_are_redrawn():
    torch.manual_seed(0)
    model = Model(Attending().eval())
    model.module.norm.running_mean.fill_(3.0)
    inputs = torch.randn(2, 3, 8, 8)
    layers = weighted_layers(model, inputs)
    assert layers == ["head", "attention.out_proj", "attention", "patches"]
    assert all_layers(model, inputs) == [*layers, "", "norm"]
    network = copy.deepcopy(model.module)
    redraw(network, all_layers(model, inputs), seed=0)
    before, after = dict(model.module.named_parameters()), dict(network.named_parameters())
    kept = [name for name, value in after.items() if torch.equal(value, before[name])]
    # Those of attention are zeros as they were.
    assert kept == ["attention.in_proj_bias", "attention.out_proj.bias"]
    assert not network.norm.running_mean.any()


def test_a_gain_for_each_channel_is_no_kernel_and_keeps_its_size():
    network = nn.Sequential(nn.Conv2d(6, 6, 1, groups=6))
    network.gains = nn.Parameter(1e-6 * torch.arange(1.0, 7.0).reshape(6, 1, 1))
    redraw(network, ["0", ""], seed=0)
    assert sorted(network.gains.flatten().tolist()) == pytest.approx(
        [1e-6 * one for one in range(1, 7)]
    )
    assert float(network[0].weight.detach().abs().max()) > 0.1


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "convnext_tiny"])
def test_any_network_can_be_randomised(name):
    model = shallow(name)
    subject = ExplainedBatch.of(model, model.prepare(small_input(name)), (3,))
    found = randomised(subject, by_name("saliency"), stages=2)
    assert found.redrawn[-1] == found.layers
    assert np.isfinite(found.correlation).all()
    assert np.isfinite(found.similarity).all()
    assert found.kept()[0].shape == (1,)


def test_stability_of_a_map_that_never_changes_is_perfect(subject, maps):
    asked = []

    def fixed(model, batch, classes):
        asked.append(batch.tensor)
        return maps

    found = stability(subject, maps, random_maps(maps, 3, seed=0), fixed, copies=2)
    assert found.correlation.tolist() == pytest.approx([1.0, 1.0])
    assert found.change.tolist() == [0.0, 0.0]
    assert np.abs(found.random_correlation).max() < 0.3
    assert found.random_change.min() > 0.5
    assert (found.shift > 0).all()
    for noisy in asked:
        assert float((noisy - subject.inputs).std()) == pytest.approx(0.02 / 0.25, rel=0.5)
    assert not torch.equal(asked[0], asked[1])


def test_stability_measures_the_change_of_the_map(subject):
    own = of_the_photo(subject.model, subject.batch, subject.asked)
    found = stability(subject, own, random_maps(own, 1, seed=0), of_the_photo, copies=1, noise=0.1)
    std = torch.tensor(subject.model.preprocessing.std).mean()
    expected = 0.1 / float(std) / 3**0.5 / own.std()
    assert found.change.mean() == pytest.approx(expected, rel=0.15)


def test_a_map_of_one_value_is_not_compared(subject, maps):
    maps = maps.copy()
    maps[0] = 0.5

    def flat(model, batch, classes):
        return maps

    chance = random_maps(maps, 2, seed=0)
    found = randomisation(subject, maps, chance, flat, relu=False)
    assert np.isnan(found.correlation[:, 0]).all()
    np.testing.assert_allclose(found.correlation[:, 1], 1.0)
    kept = found.measures()[0]
    assert np.isnan(kept.values[0])
    assert kept.mean == pytest.approx(1.0)


def test_a_draw_without_a_map_is_drawn_again(subject):
    calls = []

    def now_and_then(model, batch, classes):
        calls.append(1)
        own = of_the_weights(model, batch, classes)
        return own * 0 if len(calls) % 2 == 0 else own

    found = randomised(subject, now_and_then, stages=2)
    assert np.isfinite(found.correlation).all()
    assert len(calls) == 5


def test_a_method_that_marks_nothing_fails(subject):
    def nothing(model, batch, classes):
        return np.zeros((2, 12, 16), np.float32)

    judged = judge(randomised(subject, nothing))
    assert not judged.passed
    assert "one value" in judged.sentence


def test_the_yardstick_is_the_gradient_under_the_same_weights(subject):
    own = randomised(subject, plain_gradient, seed=3)
    beside = beside_gradient(own, subject, count=4, stages=8, seed=3)
    np.testing.assert_array_equal(beside.gradient.correlation, own.correlation)
    assert [one.key for one in beside.measures()][:2] == ["similarity_kept", "gradient_similarity"]
    expected = by_name("saliency")(subject.model, subject.batch, subject.asked)
    found = plain_gradient(subject.model, subject.batch, subject.asked)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_is_kept_is_measured_between_random_maps_and_the_same_map():
    """Over the upper half alone, and not at all where random maps are as alike as the same one."""
    by_chance = np.array([[0.0, 0.2], [1.0, 1.0]])
    found = Randomisation(
        stages=("c", "b", "a"),
        redrawn=(1, 2, 4),
        layers=4,
        correlation=np.array([[0.5, 1.0], [0.3, 1.0], [-1.0, 1.0]]),
        similarity=np.array([[0.6, 0.5], [0.8, 0.5], [-1.0, 0.5]]),
        random_correlation=by_chance,
        random_similarity=np.array([[0.5, 0.5], [0.1, 0.3]]),
    )
    kept, random = found.kept()
    assert kept[0] == pytest.approx(0.5 * (0.4 - 0.1) / 0.9 + 0.5 * (0.7 - 0.5) / 0.5)
    assert random[0] == pytest.approx([0.5 * -0.1 / 0.9, 0.5 * 0.1 / 0.9])
    assert np.isnan(kept[1])
    assert np.isnan(random[1]).all()


def test_the_limit_follows_the_gradient_up_to_an_end(subject):
    assert similarity_limit(0.3) == pytest.approx(0.5)
    assert similarity_limit(-0.4) == similarity_limit(float("nan")) == pytest.approx(0.2)
    assert similarity_limit(0.9) == 0.6
    assert not judge(randomised(subject, of_the_photo), gradient=0.95).passed
