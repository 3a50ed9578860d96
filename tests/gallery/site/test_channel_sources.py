"""What the weights say: sources over the real graph, held to networks that are taken apart."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.images import Preprocessing
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model
from cnnviz_gallery.site.channel_sources import ChannelSources
from cnnviz_gallery.site.connections import channel_connections
from tests.helpers.each_case import each_case
from tests.helpers.gallery.tiny import Tiny, tiny_model

PREPROCESSING = Preprocessing(16, (16, 16), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def of(module: nn.Module) -> Model:
    return Model(module.eval(), preprocessing=PREPROCESSING)


def test_channels_are_followed_through_joins_sums_and_flattening():
    found = channel_connections(tiny_model(), [])
    assert set(found) == {"left", "right", "mixed", "head"}
    assert found["right"] == tuple((Unit("first", channel),) for channel in range(6))
    joined = [Unit("left", at) for at in range(4)] + [Unit("right", at) for at in range(5)]
    assert found["mixed"] == tuple((unit,) for unit in joined)
    # Four positions of each of the nine channels, each the sum of a channel and its shortcut.
    assert len(found["head"]) == 36
    assert set(found["head"][4 * 6]) == {Unit("mixed", 6), Unit("right", 2)}


def test_what_wiring_claims_is_what_a_change_of_a_unit_reaches():
    """A unit whose output is changed changes exactly the inputs that name it as a source."""
    model = tiny_model()
    sources = channel_connections(model, [])["head"]
    module = Tiny().eval()
    module.load_state_dict(model.module.state_dict())
    inputs = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    seen = []
    module.head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    with torch.no_grad():
        module(inputs)
        for channel in range(9):
            module.mixed.bias[channel] += 50.0
            module(inputs)
            module.mixed.bias[channel] -= 50.0
            moved = set(np.flatnonzero((seen[-1] - seen[0])[0].abs().numpy() > 1.0).tolist())
            claimed = {at for at, units in enumerate(sources) if Unit("mixed", channel) in units}
            assert moved == claimed


def test_norms_and_sums_are_those_of_the_weights():
    model = tiny_model()
    weights = ChannelSources(model, channel_connections(model, []))
    kernel = model.module.mixed.weight.detach().numpy()
    links = weights.inputs(Unit("mixed", 3), 9)
    assert [link.norm for link in links] == sorted((link.norm for link in links), reverse=True)
    for link in links:
        place = link.unit.channel + (4 if link.unit.layer == "right" else 0)
        assert np.array_equal(link.kernel, kernel[3, place])
        assert link.norm == pytest.approx(np.linalg.norm(kernel[3, place]), rel=1e-5)
        assert link.total == pytest.approx(kernel[3, place].sum(), abs=1e-5)
    head = model.module.head.weight.detach().numpy()
    out = {link.unit: link for link in weights.outputs(Unit("mixed", 3), 40)}
    assert set(out) == {Unit("head", at) for at in range(10)}
    for unit, link in out.items():
        assert link.norm == pytest.approx(np.linalg.norm(head[unit.channel, 12:16]), rel=1e-5)
        assert np.array_equal(link.kernel, head[unit.channel, 12:16].reshape(2, 2))


def test_what_arrives_is_told_feature_by_feature():
    model = tiny_model()
    weights = ChannelSources(model, channel_connections(model, []))
    assert weights.last_layer(10) == "head"
    arriving = weights.arriving("head")
    assert arriving[Unit("mixed", 6), Unit("right", 2)] == (24, 25, 26, 27)
    assert sorted(at for places in arriving.values() for at in places) == list(range(36))
    assert weights.arriving("first") == {}, "it reads the image"


def test_groups_read_their_own_channels_only():
    class Grouped(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3)
            self.second = nn.Conv2d(8, 4, 3, groups=2)

        def forward(self, x):
            return self.second(F.relu(self.first(x))).mean((2, 3))

    model = of(Grouped())
    weights = ChannelSources(model, channel_connections(model, []))
    assert {link.unit.channel for link in weights.inputs(Unit("second", 3), 9)} == {4, 5, 6, 7}
    assert {link.unit.channel for link in weights.outputs(Unit("first", 1), 9)} == {0, 1}
    link = weights.inputs(Unit("second", 3), 9)[0]
    kernel = model.module.second.weight.detach().numpy()[3, link.unit.channel - 4]
    assert np.array_equal(link.kernel, kernel)


def test_what_cannot_be_followed_is_not_told():
    class Shuffled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)
            self.third = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            x = self.first(x)
            count, _, height, width = x.shape
            x = x.view(count, 2, 4, height, width).transpose(1, 2).reshape(count, 8, height, width)
            return self.third(self.second(x)).mean((2, 3))

    model = of(Shuffled())
    found = channel_connections(model, [])
    assert set(found) == {"third"}
    assert ChannelSources(model, found).inputs(Unit("second", 0), 8) == ()


def test_layers_called_twice_and_layers_without_weights_are_sources_too():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.again = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
            self.act = nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.again(self.act(self.first(x)))
            return self.again(x).mean((2, 3))

    model = of(Twice())
    found = channel_connections(model, ["act"])
    assert found["again#0"][1] == (Unit("act", 1),)
    assert found["again#1"][1] == (Unit("again#0", 1),)
    weights = ChannelSources(model, found)
    assert weights.passed_on("act", 2) == (Unit("first", 2),)
    assert weights.passed_on("again#1", 2) == ()
    assert weights.image_kernel("first", 0, 3).shape == (3, 3, 3)
    assert weights.image_kernel("again#0", 0, 3) is None


class _Block(nn.Module):
    """Two branches side by side, as in SqueezeNet, and what was read added to them."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.left(x), self.right(x)], 1).relu() + x


def test_a_block_passes_on_what_it_makes_and_not_what_it_reads():
    up = nn.ConvTranspose2d(4, 4, 2, stride=2)
    model = of(nn.Sequential(nn.Conv2d(3, 4, 3), _Block(), up, nn.Conv2d(4, 5, 1), nn.Flatten()))
    weights = ChannelSources(model, channel_connections(model, ["1"]))
    assert weights.passed_on("1", 1) == (Unit("1.left", 1), Unit("0", 1))
    assert weights.passed_on("1", 3) == (Unit("1.right", 1), Unit("0", 3))
    # A transposed convolution mixes the channels that arrive: it passes on none of them.
    assert weights.passed_on("2", 0) == ()
    assert weights.inputs(Unit("3", 0), 1)[0].unit.layer == "2"


def test_the_network_is_left_as_it_was():
    model = tiny_model()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    model.module.train()
    channel_connections(model, ["relu"])
    assert model.module.training
    assert all(not child._forward_hooks for child in model.module.modules())
    for name, value in model.module.state_dict().items():
        assert torch.equal(value, before[name])


def test_reading_weights_that_are_normalised_changes_nothing():
    normed = torch.nn.utils.parametrizations.spectral_norm
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), normed(nn.Conv2d(4, 5, 3)))
    model = of(module)
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    links = ChannelSources(model, channel_connections(model, [])).inputs(Unit("2", 1), 4)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    kernels = module.eval()[2].weight.detach().numpy()
    for link in links:
        assert link.norm == pytest.approx(np.linalg.norm(kernels[1, link.unit.channel]), rel=1e-5)


class Between(nn.Module):
    """Two convolutions, what lies between them, and a layer that reads the result."""

    def __init__(self, between, reader: nn.Module) -> None:
        super().__init__()
        self.first, self.other = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(3, 6, 1)
        self.between, self.reader = between, reader

    def forward(self, x):
        x = F.adaptive_avg_pool2d(x, 6)
        return self.reader(self.between(self.first(x), self.other(x))).flatten(2).mean(2)


def _zeroed(x, _):
    x[:, :2] = 0.0
    return x


def _zeroed_view(x, _):
    x[:, 1:3].zero_()
    return x


def _added_through_a_view(x, y):
    seen = x.view(1, 6, 6, 6)
    x += y
    return seen


BETWEEN = {
    "a part written over": (_zeroed, 2),
    "a view written over": (_zeroed_view, 2),
    "a sum written through a view": (_added_through_a_view, 2),
    "channels moved on": (lambda x, _: F.pad(x, (0, 0, 0, 0, 1, -1)), 2),
    "rows in place of channels": (lambda x, _: x.mean(1), 1),
    "rows in place of channels, the largest": (lambda x, _: x.amax(dim=1), 1),
    "the larger of two": (torch.max, 2),
    "the maximum": (torch.maximum, 2),
    "columns united": (lambda x, _: x.mean(dim=(-1,)), 1),
    "columns united, the largest": (lambda x, _: x.max(3).values, 1),
    "a sum in place": (lambda x, y: x.add_(y), 2),
    "the blur of each channel": (lambda x, _: F.conv2d(x, torch.ones(6, 1, 2, 2), groups=6), 2),
    "a convolution of all": (lambda x, _: F.conv2d(x, torch.ones(6, 6, 1, 1)), 2),
    "a convolution of pairs": (lambda x, _: F.conv2d(x, torch.ones(6, 2, 1, 1), groups=3), 2),
    "a second map of each channel": (
        lambda x, _: F.conv2d(x, torch.ones(12, 1, 1, 1), None, 1, 0, 1, 6)[:, ::2],
        2,
    ),
}


@each_case("name", BETWEEN)
def test_what_is_claimed_between_two_layers_is_what_a_change_reaches(name: str) -> None:
    between, plane = BETWEEN[name]
    torch.manual_seed(0)
    reader = nn.Conv2d(6, 2, 1) if plane == 2 else nn.Conv1d(6, 2, 1)
    module = Between(between, reader).eval()
    claimed = channel_connections(of(module), []).get("reader")
    seen: list[torch.Tensor] = []
    module.reader.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    inputs = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        module(inputs)
        for layer in ("first", "other"):
            for channel in range(6):
                bias = getattr(module, layer).bias
                bias[channel] += 50.0
                module(inputs)
                bias[channel] -= 50.0
                moved = (seen[-1] - seen[0]).abs().flatten(2).amax((0, 2)) > 1.0
                unit = Unit(layer, channel)
                told = [unit in units for units in claimed or ()]
                assert claimed is None or told == moved.tolist()
    if name.startswith(("the ", "columns", "a sum in")):
        assert claimed is not None
