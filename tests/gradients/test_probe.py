"""What a probe finds, against autograd by hand and against networks that are hard to read."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import ModelError
from cnnviz.gradients.activation_calls import read_activation
from cnnviz.gradients.graph import between, is_leaf, trunk_of
from cnnviz.gradients.probe import probe
from cnnviz.models import as_model
from cnnviz.models.networks import depth_network
from tests.helpers.architectures import shallow, small_input
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def images(count: int = 3, side: int = 8, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def signs(count: int, classes: int) -> torch.Tensor:
    """Return what the default objective sends back, drawn here once more."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 2, (count, classes), generator=generator) * 2.0 - 1.0


class ByHand(nn.Module):
    """Two convolutions and a linear layer that keep what they computed, out of place."""

    def __init__(self, activation) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
            self.conv2 = nn.Conv2d(6, 8, 3, stride=2)
            self.fc = nn.Linear(8, 5)
        self.activation = activation

    def outputs(self, x: torch.Tensor) -> list[torch.Tensor]:
        first = self.conv1(x)
        second = self.conv2(self.activation(first.clone()))
        return [first, second, self.fc(self.activation(second.clone()).mean((2, 3)))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation(self.conv2(self.activation(self.conv1(x))))
        return self.fc(y.mean((2, 3)))


FORMS = {
    "function": F.relu,
    "in place": lambda x: F.relu(x, inplace=True),
    "method": lambda x: x.relu_(),
    "tanh": torch.tanh,
    "sigmoid": lambda x: x.sigmoid(),
}


@each_case("form", FORMS)
def test_norms_are_those_of_autograd_in_every_form_of_activation(form: str) -> None:
    module, x = ByHand(FORMS[form]).double(), images().double()
    found = probe(as_model(module), x)
    assert [point.label for point in found.points] == ["conv1", "conv2", "fc"]
    outputs = module.outputs(x)
    weights = [module.conv1.weight, module.conv2.weight, module.fc.weight]
    wanted = torch.autograd.grad(
        (outputs[-1] * signs(3, 5)).sum(), [*outputs, *weights], allow_unused=True
    )
    for place, point in enumerate(found.points):
        flat = wanted[place].flatten(1)
        assert point.gradient_norm == pytest.approx(flat.norm(dim=1).square().mean().sqrt().item())
        size = outputs[place].detach().flatten(1).norm(dim=1).square().mean().sqrt().item()
        assert point.activation_norm == pytest.approx(size)
        assert point.weight_gradient_norm == pytest.approx(wanted[3 + place].norm().item())
        assert point.weight_norm == pytest.approx(weights[place].detach().norm().item())
        ratio = point.weight_gradient_norm / point.weight_norm
        assert point.weight_figure == pytest.approx(ratio)
        assert point.histogram.sum() == flat.numel()
        assert point.on_trunk


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_what_arrives_before_a_normalisation_does_not_depend_on_the_weights_scale(
    norm: str,
) -> None:
    def arriving(factor: float) -> tuple[list[float], list[float]]:
        module = depth_network("plain-5", normalisation=norm, width=8)
        with torch.no_grad():
            module.stages[0][0][0].weight.mul_(factor)
        found = probe(as_model(module), images(8, 16))
        return [point.arriving for point in found.points], [p.weight_figure for p in found.points]

    plain, figures = arriving(1.0)
    scaled, others = arriving(30.0)
    assert scaled == pytest.approx(plain, rel=1e-2)
    assert others == pytest.approx(figures, rel=1e-2)


def test_the_gain_is_that_of_the_initialisation() -> None:
    found = probe(as_model(depth_network("conv-4:orthogonal", width=16)), images(2, 8))
    assert [point.gain for point in found.layers[1:-1]] == pytest.approx([math.sqrt(2)] * 2)


class Twice(nn.Module):
    """A layer that is called twice, and a function that has no module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.weight = nn.Parameter(torch.randn(4, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(self.conv(torch.relu(self.conv(x))).mean((2, 3)), self.weight)


def test_calls_are_told_apart_and_functions_have_the_name_of_their_module() -> None:
    found = probe(as_model(Twice()), images())
    assert [point.label for point in found.points] == ["conv#0", "conv#1", "(network)"]
    assert all(point.gradient_norm > 0 for point in found.points)
    assert found.points[2].weight_norm > 0
    first, second = found.points[:2]
    assert first.weight_gradient_norm == second.weight_gradient_norm, "the weights are shared"


class Branches(nn.Module):
    """A residual sum, and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.left, self.right = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 3, 1)
        self.last = nn.Conv2d(5, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.inner(torch.relu(x))
        y += x
        return self.last(torch.cat([self.left(y), self.right(y)], 1)).mean((2, 3))


def test_the_trunk_is_what_no_path_goes_around() -> None:
    found = probe(as_model(Branches()), images())
    assert {point.label: point.on_trunk for point in found.points} == {
        "stem": True,
        "inner": False,
        "add": True,
        "left": False,
        "right": False,
        "cat": True,
        "last": True,
    }


def test_the_trunk_is_that_of_every_path_one_by_one() -> None:
    """Against a search of all paths through a small graph."""
    x = torch.randn(3, requires_grad=True)
    a = x.sin()
    b, c = a.cos(), a.exp()
    d = b * c
    e = d.sin() + d
    out = e.sum()
    found = trunk_of(between(out.grad_fn, is_leaf(x)))

    def paths(node):
        below = [one for one, _ in node.next_functions if one is not None]
        return [[node]] if not below else [[node, *p] for one in below for p in paths(one)]

    every = [set(path) for path in paths(out.grad_fn)]
    assert found == set.intersection(*every)
    assert b.grad_fn not in found
    assert d.grad_fn in found


def test_dead_channels_and_saturation_are_counted_where_they_are() -> None:
    module = ByHand(torch.relu)
    with torch.no_grad():
        module.conv1.bias[:2] = -1000.0
    found = probe(as_model(module), images())
    assert found.units[0].dead.tolist() == [True] * 2 + [False] * 4
    assert found.units[0].dead_fraction == pytest.approx(1 / 3)
    assert math.isnan(found.units[0].saturated)
    flat = ByHand(torch.tanh)
    nn.init.constant_(flat.conv1.bias, 50.0)
    units = probe(as_model(flat), images()).units[0]
    assert (units.kind, units.saturated, units.dead) == ("tanh", 1.0, None)


def test_channels_that_a_skip_pads_with_zeros_are_empty_and_not_dead() -> None:
    found = probe(as_model(depth_network("resnet-8:skipinit", width=4)), images(4, 16))
    assert max(unit.dead_fraction for unit in found.units) < 0.5


def test_a_head_of_zeros_and_a_softmax_do_not_stop_the_gradient() -> None:
    fixup = probe(as_model(depth_network("resnet-8:fixup", width=4)), images(4, 16))
    assert fixup.head_is_zero
    assert fixup.layers[0].gradient_norm > 0
    assert "all zero, as Fixup begins them" in fixup.notes[0]
    sure = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Softmax(1))
    with torch.no_grad():
        sure[1].weight.mul_(1e4)
    found = probe(as_model(sure), images())
    assert found.points[0].gradient_norm == pytest.approx(2.0), "four signs"
    assert "ends in a softmax" in found.notes[0]


@pytest.mark.parametrize("name", ["lenet5", "squeezenet1_0", "mobilenet_v3_small", "densenet121"])
def test_known_architectures_are_read_and_left_as_they_were(name: str) -> None:
    model = shallow(name)
    model.module.train()
    try:
        before = state(model.module)
        random = torch.random.get_rng_state()
        with torch.inference_mode():
            found = probe(model, small_input(name, 2))
        assert state(model.module) == before
        assert torch.equal(torch.random.get_rng_state(), random)
    finally:
        model.module.eval()
    assert sum(point.is_layer for point in found.points) >= 5
    assert all(math.isfinite(point.arriving) for point in found.points)
    assert found.points[0].on_trunk


def test_batch_norms_that_never_saw_data_are_fed_and_put_back() -> None:
    module = depth_network("plain-8", width=4)
    before = state(module)
    found = probe(as_model(module), images(8, 16))
    assert state(module) == before
    assert "7 batch norms had seen no data" in found.notes[0]
    with torch.no_grad():
        module.train()(images(8, 16))
    # One batch replaces a tenth of the first statistics: they are still nobody's.
    assert "7 batch norms" in probe(as_model(module), images(8, 16)).notes[0]
    with torch.no_grad():
        for _ in range(40):
            module(images(8, 16))
    assert probe(as_model(module), images(8, 16)).notes == ()


def test_one_vector_cannot_feed_a_batch_norm_and_that_is_said() -> None:
    module = depth_network("mlp-3", normalisation="batch", input_size=(3, 8, 8))
    found = probe(as_model(module), images(1))
    assert found.uncalibrated
    assert "one value a channel, which has no variance" in found.notes[0]
    assert not probe(as_model(module), images(4)).uncalibrated


class Vmapped(nn.Module):
    """Runs its convolution and its activation within vmap, and its head outside of it or inside."""

    def __init__(self, outside: bool) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.outside = outside

    def one(self, image: torch.Tensor) -> torch.Tensor:
        found = self.conv(image[None]).relu().mean((2, 3))[0]
        return found if self.outside else self.head(found)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = torch.func.vmap(self.one)(x)
        return self.head(found) if self.outside else found


def test_layers_within_vmap_are_told_as_not_measured() -> None:
    found = probe(as_model(Vmapped(outside=True)), images())
    assert [point.label for point in found.points] == ["head"]
    assert found.notes == (
        "Nothing is measured within torch.vmap, where the network calls conv2d: the verdict is of "
        "the other layers alone.",
    )
    with pytest.raises(ModelError, match=r"within torch\.vmap, where .* conv2d and l"):
        probe(as_model(Vmapped(outside=False)), images())


def test_networks_without_layers_or_a_gradient_are_refused() -> None:
    with pytest.raises(ModelError, match="calls no convolution and no linear layer"):
        probe(as_model(nn.Sequential(nn.ReLU(), nn.Flatten())), images())

    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x).mean((2, 3)).detach()

    with pytest.raises(ModelError, match="does not depend on its input in a differentiable way"):
        probe(as_model(Detached()), images())

    class Overwritten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.conv(x))
            y += 1.0
            return y.mean((2, 3))

    with pytest.raises(ModelError, match="No gradient can be sent through Overwritten"):
        probe(as_model(Overwritten()), images())


SLOPES = {
    "relu": (F.relu, {}),
    "relu6": (F.relu6, {}),
    "hardtanh": (F.hardtanh, {"min_val": -2.0, "max_val": 2.0}),
    "hardsigmoid": (F.hardsigmoid, {}),
    "hardswish": (F.hardswish, {}),
    "threshold": (F.threshold, {"threshold": 0.5, "value": 0.0}),
}


@each_case("name", SLOPES)
def test_flat_parts_are_where_autograd_finds_a_slope_of_zero(name: str) -> None:
    function, options = SLOPES[name]
    x = torch.linspace(-8, 8, 999, requires_grad=True)
    call = read_activation(function, (x,), options)
    (slope,) = torch.autograd.grad(function(x, **options).sum(), x)
    # hardswish has one more point of zero slope, at -1.5, which is not flat.
    assert torch.equal(call.slope(x.detach()), slope != 0)


@pytest.mark.parametrize(("function", "steepest"), [(torch.sigmoid, 0.25), (torch.tanh, 1.0)])
def test_slopes_of_bounded_activations_are_those_of_autograd(function, steepest: float) -> None:
    x = torch.linspace(-30, 30, 501, dtype=torch.float64, requires_grad=True)
    call = read_activation(function, (x,), {})
    (slope,) = torch.autograd.grad(function(x).sum(), x)
    torch.testing.assert_close(call.slope(x.detach()), slope, rtol=1e-6, atol=1e-14)
    assert call.steepest == steepest
    assert call.slope(x.detach()).max().item() == pytest.approx(steepest, rel=1e-2)


def test_a_network_under_no_grad_is_not_said_to_have_no_layers() -> None:
    class Frozen(nn.Sequential):
        @torch.no_grad()
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs)

    network = Frozen(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match="in a differentiable way"):
        probe(as_model(network), images())
