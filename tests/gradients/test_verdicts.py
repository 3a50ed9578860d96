"""Verdicts, causes and remedies on networks whose fault is known; the long list is a benchmark."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.gradients.causes import explain
from cnnviz.gradients.forward_recorder import ForwardRecorder
from cnnviz.gradients.probe import probe
from cnnviz.gradients.remedies import reinitialised, try_remedies
from cnnviz.gradients.verdicts import EDGES, GradientVerdict, band, edges_for, is_normalised, judge
from cnnviz.models import as_model
from cnnviz.models.networks import depth_network
from cnnviz.results.text import number
from tests.helpers import gradient_families as families
from tests.helpers.architectures import shallow, small_input
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def images(count: int = 8, side: int = 16) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def read(name: str, edit=None, **options):
    module = depth_network(name, input_size=(3, 16, 16), **options)
    if edit is not None:
        edit(module, torch.Generator().manual_seed(0))
    model = as_model(module)
    found = probe(model, images())
    return model, found, judge(found)


# Networks that the rules were not settled on have seeds from 3; these are quick ones.
QUICK = list(families.cases((6,), quick=True))


@cache
def judged(case: families.Case) -> GradientVerdict:
    return judge(probe(as_model(case.build()), case.images()))


@pytest.mark.parametrize("case", QUICK, ids=str)
def test_verdicts_are_those_of_the_literature(case: families.Case) -> None:
    verdict = judged(case)
    assert families.is_right(case.expected, verdict.label, verdict.findings), verdict


@pytest.mark.parametrize(
    "case", [case for case in QUICK if case.family.startswith(("ReLU, K", "ReLU, X", "plain"))]
)
def test_rescaling_weights_without_changing_the_function_changes_no_verdict(case) -> None:
    module, moved = case.build(), case.build()
    assert families.rescaled(moved, torch.Generator().manual_seed(1))
    x = case.images()
    module.train()
    moved.train()
    torch.testing.assert_close(moved(x), module(x), rtol=2e-2, atol=2e-2)
    plain, other = judged(case), judge(probe(as_model(moved), x))
    assert families.is_right(case.expected, other.label, other.findings), other
    assert other.decades == pytest.approx(plain.decades, abs=0.6)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 65_536.0])
def test_the_scale_of_a_loss_cancels(factor: float) -> None:
    model, _, plain = read("mlp-12:xavier")

    def loss(output: torch.Tensor) -> torch.Tensor:
        return (output[:, 0] * factor).sum()

    scaled = judge(probe(model, images(), loss))
    assert scaled.decades == pytest.approx(judge(probe(model, images(), "top")).decades, abs=0.5)
    assert scaled.label == plain.label


@pytest.mark.parametrize(
    ("depth", "place"),
    [(12, 0), (12, -3), (12, -2), (3, 0), (3, 1)],
    ids=["first", "last but one", "last hidden", "first of three", "second of three"],
)
def test_a_factor_of_an_end_layer_that_the_next_one_undoes_is_taken_out(depth, place) -> None:
    def move(module: nn.Module, generator: torch.Generator) -> None:
        layer, following = families.layers(module)[place:][:2]
        with torch.no_grad():
            layer.weight *= 1000.0
            layer.bias *= 1000.0
            following.weight /= 1000.0

    plain, moved = read(f"mlp-{depth}")[2], read(f"mlp-{depth}", move)[2]
    assert plain.rescaled == ()
    assert moved.label == plain.label
    # Of two hidden layers neither is usual, and a gain that keeps the size stands for it.
    assert moved.decades == pytest.approx(plain.decades, abs=0.1 if depth == 12 else 0.3)
    assert len(moved.rescaled) == (0 if place == -3 else 1)


def test_a_factor_of_an_end_layer_that_nothing_undoes_is_left_in() -> None:
    def move(module: nn.Module, generator: torch.Generator) -> None:
        first = families.layers(module)[0]
        with torch.no_grad():
            first.weight *= 10.0
            first.bias *= 10.0

    assert read("mlp-12", move)[2].rescaled == ()


def test_bands_are_those_of_the_page() -> None:
    said = [band(value) for value in (-5, -3, -1.5, 0, 1.5, 3, 5, float("inf"))]
    assert said == [
        *("vanished", "vanishing", "watch", "healthy"),
        *("watch", "exploding", "exploded", "exploded"),
    ]
    assert band(2.5, (-4, -2, -1, 3, 4, 6)) == "healthy"


def test_edges_move_for_normalised_layers_and_for_skips_around_them() -> None:
    def top(name: str) -> tuple[float, ...]:
        return edges_for(read(name)[1])[3:]

    assert top("conv-4") == top("resnet-8:none") == EDGES[3:]
    assert top("plain-8") == (2.0, 3.0, 5.0)
    # In a DenseNet a normalisation stands before each layer, behind a concatenation.
    dense = shallow("densenet121")
    assert edges_for(probe(dense, small_input("densenet121", 2)))[3:] == (2.0, 3.0, 5.0)
    assert top("resnet-8") == (3.0, 4.0, 6.0)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_network_without_depth_loses_nothing(depth: int) -> None:
    verdict = read(f"mlp-{depth}:sigmoid")[2]
    assert (verdict.label, verdict.decades, verdict.breaks_at) == ("healthy", 0.0, None)


def test_a_break_in_one_step_is_found_where_it_is() -> None:
    def blunt(module: nn.Module, generator: torch.Generator) -> None:
        nn.init.constant_(families.layers(module)[4].bias, 9.0)

    _, found, verdict = read("mlp-9:tanh:xavier", blunt)
    assert verdict.sudden
    # The flat tanh follows the fifth layer, so the gradient is whole before the sixth's input.
    assert found.points[verdict.breaks_at].label == "11"
    gradual = read("mlp-12:sigmoid")
    assert not gradual[2].sudden
    assert gradual[2].breaks_at is not None


def test_a_break_at_the_very_first_layer_is_found() -> None:
    def blunt(module: nn.Module, generator: torch.Generator) -> None:
        nn.init.constant_(families.layers(module)[0].bias, 9.0)

    verdict = read("mlp-9:tanh:xavier", blunt)[2]
    assert (verdict.label, verdict.breaks_at, verdict.sudden) == ("vanished", 1, True)


def test_where_a_gradient_begins_to_grow_is_named_before_it_explodes() -> None:
    def grow(module: nn.Module, generator: torch.Generator) -> None:
        for layer in families.layers(module)[1:-1]:
            layer.weight.data *= 1.5

    verdict = read("mlp-9:relu:kaiming", grow)[2]
    assert verdict.label == "watch"
    assert verdict.decades > 1.0
    assert (verdict.breaks_at, verdict.sudden) == (2, False)


def test_a_shallow_sigmoid_network_is_to_be_watched() -> None:
    verdict = read("mlp-3:sigmoid:xavier")[2]
    assert -1.0 < verdict.decades < 0.0
    assert (verdict.label, verdict.findings) == ("watch", ("steep",))


def test_the_first_layer_with_a_nan_is_named() -> None:
    def spoil(module: nn.Module, generator: torch.Generator) -> None:
        families.layers(module)[2].weight.data[0] = float("nan")

    verdict = read("mlp-6", spoil)[2]
    assert (verdict.label, verdict.side, verdict.bad_layer) == (*2 * ("non-finite",), "5.weight")
    overflow = read("mlp-12", gain=1e6)[2]
    assert overflow.label == "non-finite"
    assert overflow.bad_layer == "13", "six factors of a million pass the range of float32"


def test_of_layers_that_nan_comes_back_to_the_deepest_is_named() -> None:
    found = read("mlp-6")[1]
    points = [replace(point, nonfinite=1 * (place > 1)) for place, point in enumerate(found.points)]
    spoilt = judge(replace(found, points=tuple(points)))
    assert (spoilt.label, spoilt.bad_layer) == ("non-finite", points[-1].label)


def test_a_gradient_larger_than_any_number_is_named_though_no_value_is_infinite() -> None:
    module = depth_network("mlp-4", input_size=(3, 16, 16)).double()
    # So dark that no gradient of a weight is larger than any number; those of outputs stay.
    dark = images().double() * 1e-6
    found = probe(as_model(module), dark, lambda output: (output[:, 0] * 1.7e308).sum())
    assert not any(point.nonfinite for point in found.points)
    assert judge(found).label == "non-finite"
    large = probe(as_model(module), dark, lambda output: (output[:, 0] * 1e250).sum())
    assert judge(large).label == "healthy", "the squares alone are larger than any number"


class _BesideATower(nn.Module):
    """A shallow tower that is called first, beside a deep one."""

    def __init__(self) -> None:
        super().__init__()
        self.beside = nn.Conv2d(3, 2, 3, padding=1)
        self.deep = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        towers = self.beside(x).mean((2, 3)), self.deep(x).mean((2, 3))
        return self.head(torch.cat(towers, 1))


def test_the_first_layer_is_that_of_the_deepest_way_and_not_the_one_called_first() -> None:
    torch.manual_seed(0)
    found = probe(as_model(_BesideATower()), images())
    assert found.points[0].name == "beside"
    assert found.points[judge(found).first].name == "deep.0"


def test_zero_initialised_branches_are_no_fault() -> None:
    for name in ("resnet-14:fixup", "resnet-14:skipinit", "resnet-14:zero-gamma"):
        _, found, verdict = read(name)
        silent = [p for p in found.layers if p.gradient_norm == 0.0]
        assert (verdict.label, verdict.findings) == ("healthy", ())
        assert silent, "the first layers of the branches get nothing, by design"


CAUSES = {
    "mlp-10:sigmoid": ("activation", None),
    "mlp-24:xavier": ("initialisation", None),
    "mlp-10:gain=3": ("initialisation", None),
    "mlp-8": ("dead", families.biased(-8.0)),
    "mlp-8:tanh:xavier": ("saturation", families.biased(-8.0)),
    "conv-5": ("zero-weights", families.zeroed),
    "mlp-4": ("none", None),
}


@pytest.mark.parametrize("name", CAUSES)
def test_causes_and_remedies(name: str) -> None:
    key, edit = CAUSES[name]
    model, found, verdict = read(name, edit)
    before = state(model.module)
    cause = explain(found, verdict)
    assert cause.key == key
    tried = try_remedies(model, images(), found, verdict, cause, normalised=is_normalised(found))
    assert state(model.module) == before, "remedies are tried on a copy"
    if key == "none":
        assert tried == ()
        return
    assert tried[0].mends, "the first remedy is the one that fits the cause"
    assert -1.0 < tried[0].after < 1.0
    assert all(one.before == verdict.decades for one in tried)
    assert ("clipping" in {one.key for one in tried}) == (verdict.side == "exploding")


def test_the_cause_changes_the_gradient_as_the_verdict_says() -> None:
    chain, _ = read("mlp-4")[1:]
    skips, _ = read("resnet-8:none")[1:]
    for found, decades, sudden, told in (
        (chain, -1.5, False, "A little is lost in each of 4 layers, and no skip goes around them."),
        (chain, 1.5, False, "A little is added in each of 4 layers, and no skip goes around them."),
        (chain, -1.5, True, "One step makes the gradient smaller, not the depth."),
        (chain, 1.5, True, "One step makes the gradient larger, not the depth."),
        (skips, -1.5, False, f"A little is lost in each of {len(skips.layers)} layers."),
        (skips, 1.5, False, "Each block adds a branch"),
    ):
        verdict = replace(judge(found), label="watch", decades=decades, sudden=sudden, findings=())
        assert explain(found, verdict).sentence.startswith(told)


class _Called(nn.Module):
    """Activations called as functions have no name; all that the second layer gives is below 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.last = nn.Linear(4, 2)
        nn.init.constant_(self.second.bias, -50.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.second(self.first(images).relu()).relu()
        return self.last(seen.mean((2, 3)))


def test_where_units_are_dead_is_named_by_the_layer_before() -> None:
    torch.manual_seed(0)
    model = as_model(_Called())
    found = probe(model, images(4, 8))
    cause = explain(found, judge(found))
    assert cause.key == "dead"
    assert "dead: 100% of the channels of the relu after second pass no" in cause.sentence
    with torch.no_grad():
        sums = torch.nn.functional.conv2d(
            model.module.first(images(4, 8)).relu(), model.module.second.weight
        )
    assert sums.amax((0, 2, 3)).min() > 0.0
    reach = f"one of −50, where weighted sums reach {number(float(sums.max()))} at most"
    assert f"It is the bias that silences these: {reach}" in cause.sentence


class _Normalised(nn.Module):
    """The bias of a batch norm keeps all channels below zero, or of one its weight of zero."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.relu, self.last = nn.ReLU(inplace), nn.Linear(4, 2)
        nn.init.constant_(self.norm.bias, -50.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.relu(self.norm(self.first(images)))
        return self.last(seen.mean((2, 3)))


@pytest.mark.parametrize("inplace", [False, True])
def test_the_bias_of_a_batch_norm_is_found_to_silence(inplace: bool) -> None:
    torch.manual_seed(0)
    model = as_model(_Normalised(inplace))
    cause = explain(found := probe(model, images(4, 8)), judge(found))
    assert cause.key == "dead"
    with torch.no_grad():
        sums = model.module.first(images(4, 8))
        # The statistics that such a norm has gathered are those of the images, with n - 1.
        mean, deviation = sums.mean((0, 2, 3)), sums.transpose(0, 1).flatten(1).std(1)
        values = (sums - mean[:, None, None]) / deviation[:, None, None]
    why = "the bias of the normalisation that silences these: one of −50, where normalised values"
    reach = re.search(f"{why} reach ([0-9.]+) at most", cause.sentence)
    assert reach is not None
    assert float(reach[1]) == pytest.approx(float(values.max()), abs=0.006)
    with torch.no_grad():
        model.module.norm.weight[1:] = 0.0
    cause = explain(found := probe(model, images(4, 8)), judge(found))
    assert "silences 1 of these 4: one of −50" in cause.sentence


_BIAS = torch.full((4,), -50.0)
_VARIANCE = torch.tensor([1.0, 4.0, 9.0, 16.0])
_NORMALISATIONS = {
    "torch.batch_norm": lambda sums: torch.batch_norm(
        sums, None, _BIAS, torch.zeros(4), _VARIANCE, False, 0.1, 1e-12, False
    ),
    "F.batch_norm": lambda sums: F.batch_norm(
        sums, torch.zeros(4), _VARIANCE, bias=_BIAS, training=False, eps=1e-12
    ),
    "F.instance_norm": lambda sums: F.instance_norm(sums, bias=_BIAS, eps=1e-12),
    "F.group_norm": lambda sums: F.group_norm(sums, 2, bias=_BIAS, eps=1e-12),
    "torch.group_norm": lambda sums: torch.group_norm(sums, 2, None, _BIAS, 1e-12),
}
"""The same forms with the bias left out give the values that it is added to."""


class _CalledNorm(nn.Module):
    """A normalisation that is called as a function, whose bias keeps all channels below zero."""

    def __init__(self, normalise: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.normalise = normalise

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.normalise(self.first(images)).relu().mean((2, 3)))


@each_case("form", _NORMALISATIONS)
def test_the_bias_of_a_normalisation_in_any_form_of_call_is_found_to_silence(form: str) -> None:
    torch.manual_seed(0)
    network = _CalledNorm(_NORMALISATIONS[form])
    cause = explain(found := probe(as_model(network), images(4, 8)), judge(found))
    with torch.no_grad():
        values = network.normalise(network.first(images(4, 8))) + 50.0
    why = "the bias of the normalisation that silences these: one of −50, where normalised values"
    reach = re.search(f"{why} reach ([0-9.]+) at most", cause.sentence)
    assert reach is not None
    assert float(reach[1]) == pytest.approx(float(values.max()), abs=0.006)


@pytest.mark.parametrize("form", ["torch.batch_norm", "F.batch_norm"])
def test_what_a_batch_norm_divides_by_is_its_variance_in_both_forms(form: str) -> None:
    torch.manual_seed(0)
    network = _CalledNorm(_NORMALISATIONS[form])
    with ForwardRecorder() as recorder:
        network(images(4, 8))
    (scale,) = [met.scale for met in recorder.met if met.scale is not None]
    assert torch.allclose(scale, _VARIANCE.sqrt())


def test_a_bias_is_no_cause_where_weighted_sums_never_rise_above_zero() -> None:
    """Of four dead channels three have weights of -1 on what is never below zero."""
    torch.manual_seed(0)
    model = as_model(_Called())
    with torch.no_grad():
        model.module.second.weight[:3] = -1.0
    cause = explain(found := probe(model, images(4, 8)), judge(found))
    assert "It is the bias that silences 1 of these 4: one of −50" in cause.sentence
    with torch.no_grad():
        model.module.second.weight[3:] = -1.0
    cause = explain(found := probe(model, images(4, 8)), judge(found))
    assert cause.key == "dead"
    assert "bias" not in cause.sentence


def test_a_network_is_dead_from_three_quarters_of_its_channels_on() -> None:
    """Three of four channels of its only activation: below what one layer may have, 95%."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = as_model(network.append(nn.Linear(4, 2)))
    with torch.no_grad():
        network[0].bias.copy_(torch.tensor([-50.0, -50.0, -50.0, 50.0]))
    found = probe(model, images(4, 8))
    assert [unit.dead_fraction for unit in found.units] == [0.75]
    assert "dead" in judge(found).findings
    with torch.no_grad():
        network[0].bias[2] = 50.0
    assert "dead" not in judge(probe(model, images(4, 8))).findings


def test_a_layer_is_dead_from_95_percent_of_its_channels_on() -> None:
    """19 of 20 channels of one of two activations: too few of all for the network, 75%."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 20, 3), nn.ReLU(), nn.Conv2d(20, 20, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 2)),
    )
    with torch.no_grad():
        network[0].bias.fill_(-50.0)[0] = 50.0
        network[2].weight.abs_()
    found = probe(as_model(network), images(4, 8))
    assert [unit.dead_fraction for unit in found.units] == [0.95, 0.0]
    assert "dead" in judge(found).findings
    with torch.no_grad():
        network[0].bias[1] = 50.0
    assert "dead" not in judge(probe(as_model(network), images(4, 8))).findings


def test_depth_without_skips_is_mended_by_skips() -> None:
    model = as_model(depth_network("plain-56", width=8, input_size=(3, 8, 8)))
    found = probe(model, images(16, 8))
    verdict = judge(found)
    cause = explain(found, verdict)
    assert (verdict.side, cause.key) == ("exploding", "depth")
    (skips, *_) = try_remedies(model, images(16, 8), found, verdict, cause, normalised=True)
    assert (skips.key, skips.mends) == ("skips", True)
    assert " skips fit." in skips.note


def test_a_normalisation_that_is_put_in_is_the_one_of_a_network_that_has_it() -> None:
    from cnnviz.gradients.modifications import WithBatchNorm

    bare = depth_network("conv-6:sigmoid:xavier", width=8)
    whole = depth_network("conv-6:sigmoid:xavier:batch", width=8)
    for layer, other in zip(families.layers(bare), families.layers(whole), strict=True):
        other.weight.data.copy_(layer.weight.data)
        if other.bias is not None:
            other.bias.data.copy_(layer.bias.data)
    wanted = probe(as_model(whole), images())
    found = probe(as_model(bare), images(), change=WithBatchNorm(6))
    ours = [point.gradient_norm for point in found.points]
    assert ours == pytest.approx([point.gradient_norm for point in wanted.points], rel=1e-3)


def test_weights_drawn_anew_match_the_activation_and_leave_the_network() -> None:
    model = as_model(depth_network("mlp-4", width=300, gain=0.1))
    copy = reinitialised(model, "relu")
    gains = [point.gain for point in probe(copy, images(2, 32)).points]
    assert gains[1:3] == pytest.approx([math.sqrt(2)] * 2, rel=0.02)
    assert gains[-1] == pytest.approx(1.0, rel=0.1)
    assert probe(model, images(2, 32)).points[1].gain == pytest.approx(0.1414, rel=0.02)


class _Stepped(nn.Module):
    def __init__(self, step: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(12, 12), nn.Linear(12, 12)
        self.three, self.head = nn.Linear(12, 12), nn.Linear(12, 5)
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.two(self.one(x.flatten(1)).relu())
        return self.head(self.three(self.step(x).relu()).relu())


@each_case("step", [torch.round, torch.sign, lambda x: 0.0 * x, lambda x: x.clamp(5, 6)])
def test_what_is_constant_in_steps_is_no_fault_of_the_weights(
    step: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    model = as_model(_Stepped(step).eval())
    found = probe(model, images(2, 2))
    cause = explain(found, judge(found))
    assert (judge(found).label, cause.key) == ("blocked", "flat")
    assert cause.sentence.startswith("What comes after two changes by nothing")
