"""Projections against a deconvnet built by hand, against captum, and against the whole gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import LayerError, ModelError, UsageError
from cnnviz.introspection.backward_rules import Rule, backward_rule
from cnnviz.introspection.receptive_fields import PixelBox
from cnnviz.introspection.tracing import trace
from cnnviz.models import as_model, load
from cnnviz.passes.call_order import call_order
from cnnviz.units.projection import UnitPosition, UnitProjections, project
from tests.helpers.architectures import (
    OF_OTHER_BLOCKS,
    build,
    lasting_network,
    shallow,
    small_input,
    tiny_network,
)
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def images(count: int = 1, side: int = 24, channels: int = 3, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, side, side, generator=generator)


class HandBuilt:
    """The deconvnet of `shapes-plain`: each layer turned round by a layer of its own.

    Zeiler and Fergus 2013, section 2.1: unpool by the switches of the way up, rectify, filter with
    the transposed kernels. Nothing of it differentiates anything.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        self.layers = layers

    def up(self, image: torch.Tensor, end: int) -> tuple[torch.Tensor, list[Callable]]:
        """Return the output of layer `end`, and the way back, first step first."""
        back: list[Callable] = []
        maps = image
        for layer in list(self.layers)[: end + 1]:
            if isinstance(layer, nn.Conv2d):
                back.insert(0, self.transposed(layer, maps.shape[2:]))
                maps = F.conv2d(maps, layer.weight, layer.bias, layer.stride, layer.padding)
            elif isinstance(layer, nn.MaxPool2d):
                shape = maps.shape
                maps, switches = F.max_pool2d(
                    maps, layer.kernel_size, layer.stride, layer.padding, return_indices=True
                )
                back.insert(0, self.unpooled(switches, shape))
            else:
                maps = maps.clamp(min=0)
                back.insert(0, lambda signal: signal.clamp(min=0))
        return maps, back

    @staticmethod
    def transposed(layer: nn.Conv2d, size: torch.Size) -> Callable:
        turned = nn.ConvTranspose2d(
            layer.out_channels,
            layer.in_channels,
            layer.kernel_size,
            layer.stride,
            layer.padding,
            bias=False,
        )
        turned.weight = layer.weight
        return lambda signal: turned(signal, output_size=list(size))

    @staticmethod
    def unpooled(switches: torch.Tensor, shape: torch.Size) -> Callable:
        """Windows that overlap may share a winner, whose signals add up, where unpooling keeps one.

        Windows of 3 at stride 2 meet their neighbours only, so every second one goes on its own.
        """
        unpool = nn.MaxUnpool2d(kernel_size=4, stride=4)

        def back(signal: torch.Tensor) -> torch.Tensor:
            parts = [
                unpool(signal[part].contiguous(), switches[part].contiguous(), list(shape))
                for part in np.ndindex(2, 2)
                for part in [(..., slice(part[0], None, 2), slice(part[1], None, 2))]
            ]
            return torch.stack(parts).sum(0)

        return back


@pytest.mark.parametrize("layer", [1, 4, 7, 11])
def test_deconvnet_of_the_shipped_network_is_the_one_built_by_hand(layer: int) -> None:
    model = load("shapes-plain", device="cpu")
    x = images(2, 96)
    picks = [UnitPosition(image, channel) for image in range(2) for channel in (3, 17)]
    found = project(model, x, f"features.{layer}", picks)
    assert found.active.any()
    for place, pick in enumerate(picks):
        with torch.no_grad():
            maps, back = HandBuilt(model.module.features).up(x[pick.image, None], layer)
            signal = torch.zeros_like(maps)
            row, column = found.rows[place], found.columns[place]
            assert maps[0, pick.channel].max() == maps[0, pick.channel, row, column]
            signal[0, pick.channel, row, column] = maps[0, pick.channel, row, column]
            for step in back:
                signal = step(signal)
        wanted = whole(signal[0].numpy(), found.windows[place])
        reach = float(signal.abs().max())
        np.testing.assert_allclose(found.signals[place], wanted, atol=1e-5 * reach)
        assert np.abs(found.signals[place]).max() == pytest.approx(reach, rel=1e-5)


def whole(signal: np.ndarray, window) -> np.ndarray:
    """Return [C, h, w] of a signal [C, H, W] with zeros around it."""
    pad = 200
    padded = np.pad(signal, ((0, 0), (pad, pad), (pad, pad)))
    return padded[:, window.top + pad : window.bottom + pad, window.left + pad : window.right + pad]


@pytest.mark.parametrize("name", OF_OTHER_BLOCKS)
def test_projections_of_every_network_are_its_whole_gradient(name: str) -> None:
    """Brute force, with no crop and no stop: nothing lies outside the window, and all inside."""
    model, x = shallow(name), small_input(name, 2)
    layer = call_order(model, x).stages()[1]
    before = state(model.module)
    rule: Rule = ("deconvnet", "guided", "gradient")[len(name) % 3]
    picks = [UnitPosition(1, 1), UnitPosition(0, 0, 0, 0), UnitPosition(1, 2)]
    found = project(model, x, layer, picks, rule)
    field = trace(model.module, tuple(x.shape[1:])).find(layer).receptive_field
    assert field is not None
    assert found.active.any()
    for place in np.flatnonzero(found.active):
        row, column = found.rows[place], found.columns[place]
        image, channel = picks[place].image, picks[place].channel
        signal = brute(model.module, x[image, None], layer, channel, row, column, rule)
        reach = float(signal.abs().max())
        wanted = whole(signal[0].numpy(), found.windows[place])
        np.testing.assert_allclose(found.signals[place], wanted, atol=1e-3 * reach)
        share = float(1 - np.abs(wanted).sum() / signal.abs().sum())
        assert found.outside[place] == pytest.approx(share, abs=1e-4)
        if field.gateless is None:
            assert found.outside[place] == 0
    assert state(model.module) == before


class Enough(Exception):  # noqa: N818
    """Ends a forward pass."""


def brute(
    module: nn.Module, x: torch.Tensor, layer: str, channel: int, row: int, column: int, rule: Rule
) -> torch.Tensor:
    held: list[torch.Tensor] = []

    def stop(*arguments) -> None:
        held.append(arguments[2])
        raise Enough

    handle = module.get_submodule(layer).register_forward_hook(stop)
    leaf = x.clone().requires_grad_()
    with handle, backward_rule(rule), pytest.raises(Enough):
        module(leaf.clone())
    value = held[0][0, channel, row, column]
    (signal,) = torch.autograd.grad(value, leaf)
    return signal if rule == "gradient" else signal * value.detach()


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
def test_networks_of_relu_modules_give_what_captum_gives(rule: Rule) -> None:
    from captum.attr import NeuronDeconvolution, NeuronGuidedBackprop

    module = tiny_network()
    module[1].inplace = False  # captum cannot follow it otherwise.
    x = images()
    found = project(as_model(module), x, "5", [UnitPosition(0, 3), UnitPosition(0, 5, 4, 6)], rule)
    peer = (NeuronDeconvolution if rule == "deconvnet" else NeuronGuidedBackprop)(module, module[5])
    for place, channel in enumerate((3, 5)):
        position = (channel, int(found.rows[place]), int(found.columns[place]))
        with pytest.warns(UserWarning, match="backward hooks"):
            wanted = peer.attribute(x.clone().requires_grad_(), position).detach()
        wanted *= float(found.activations[place])
        np.testing.assert_allclose(
            found.signals[place], whole(wanted[0].numpy(), found.windows[place]), atol=1e-6
        )
    assert str(found.coverage) == "The rule was applied at 2 of 2 activation functions"


def network(*, coordinates: bool = False) -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(5, 8, 3, padding=1)
            self.again = nn.Conv2d(8, 8, 3, padding=1)
            self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.first(x), inplace=True)
            if coordinates:
                x = x * torch.linspace(0.5, 2.0, x.shape[3])
            x = self.again(x).relu_()
            return self.pool(F.relu(self.again(self.pool(x))))

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return Net().eval()


def both_ways(model, x, layer, picks, rule, monkeypatch) -> tuple[UnitProjections, UnitProjections]:
    cropped = project(model, x, layer, picks, rule)
    monkeypatch.setattr("cnnviz.units.projection.crops.WORTH", 0.0)
    return cropped, project(model, x, layer, picks, rule)


def refuse(*_: object) -> None:
    raise AssertionError("the other way was taken")


@pytest.mark.parametrize("side", [40, 43, 46])
@pytest.mark.parametrize("rule", ["deconvnet", "guided", "gradient"])
def test_crops_give_what_whole_images_give(rule: Rule, side: int, monkeypatch) -> None:
    """At every corner, edge and inside, of five channels, through a layer that is called twice."""
    model, x = as_model(network()), images(2, side, 5)
    last = trace(model.module, (5, side, side)).find("pool", 1).output_shape[2] - 1
    corners = [(row, column) for row in (0, 1, last // 2, last) for column in (0, 3, last)]
    picks = [UnitPosition(i, c, *corner) for i in (1, 0) for c in (0, 4, 7) for corner in corners]
    with monkeypatch.context() as patch:
        patch.setattr("cnnviz.units.projection.project_units.whole_images", refuse)
        project(model, x, "pool#1", picks, rule)
    cropped, plain = both_ways(model, x, "pool#1", picks, rule, monkeypatch)
    assert cropped.windows == plain.windows
    assert plain.active.sum() >= 20
    np.testing.assert_allclose(cropped.activations, plain.activations, rtol=1e-5)
    np.testing.assert_allclose(cropped.signals, plain.signals, atol=1e-6)
    assert not cropped.outside.any()
    assert cropped.size == (15, 15)


def test_a_network_that_knows_its_places_is_not_cropped(monkeypatch) -> None:
    model, x = as_model(network(coordinates=True)), images(1, 40, 5)
    picks = [UnitPosition(0, channel) for channel in range(4)]
    cropped, plain = both_ways(model, x, "again#0", picks, "deconvnet", monkeypatch)
    np.testing.assert_array_equal(cropped.signals, plain.signals)
    np.testing.assert_array_equal(cropped.activations, plain.activations)


def test_a_network_that_takes_one_size_only_is_not_cropped() -> None:
    class Sized(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[2:] == (32, 32), "Wrong image size!"
            return super().forward(x)

    network, x = Sized(nn.Conv2d(3, 4, 8, stride=8), nn.Flatten(), nn.Linear(64, 2)), images(1, 32)
    nn.init.constant_(network[0].bias, 9.0)
    found = project(as_model(network), x, "0", [UnitPosition(0, 1)], "gradient")
    np.testing.assert_allclose(found.signals[0], network[0].weight[1].detach())
    with pytest.raises(ModelError, match=r"cannot run on an input \[1, 3, 24, 24\]: Wrong image"):
        project(as_model(network), images(1, 24), "0", [UnitPosition(0, 1)])


def test_calls_of_one_layer_are_told_apart() -> None:
    model, x = as_model(network()), images(1, 40, 5)
    first, second = (project(model, x, f"again#{call}", [UnitPosition(0, 1)]) for call in range(2))
    assert first.size == (5, 5)
    assert second.size == (11, 11)
    with pytest.raises(LayerError, match="was called 2 times"):
        project(model, x, "again", [UnitPosition(0, 1)])


def test_a_unit_at_the_border_keeps_its_place_in_its_window() -> None:
    model, x = as_model(network()), images(1, 40, 5)
    found = project(model, x, "again#0", [UnitPosition(0, c, 0, 39) for c in range(8)])
    assert set(found.windows) == {PixelBox(37, -2, 42, 3)}
    assert found.active.any()
    assert not found.signals[:, :, :2].any()
    assert not found.signals[:, :, :, 3:].any()
    assert found.signals[found.active][:, :, 2:, :3].any((1, 2, 3)).all()


def test_a_dead_unit_sends_nothing() -> None:
    module = tiny_network()
    with torch.no_grad():
        module[0].bias[2] = -100.0
    found = project(
        as_model(module),
        images(2),
        "1",
        [UnitPosition(0, 2), UnitPosition(1, 0), UnitPosition(1, 2)],
    )
    assert found.active.tolist() == [False, True, False]
    assert found.activations[[0, 2]].tolist() == [0.0, 0.0]
    assert not found.signals[[0, 2]].any()
    only = project(as_model(module), images(2), "1", [UnitPosition(0, 2)])
    assert only.signals.shape == (1, 3, 3, 3)
    assert not only.signals.any()


def test_the_strongest_position_is_found_in_each_image() -> None:
    module, x = tiny_network(), images(3)
    found = project(as_model(module), x, "5", [UnitPosition(image, 4) for image in (2, 0, 1)])
    with torch.no_grad():
        maps = module[:6](x)[:, 4]
    wanted = [divmod(int(maps[image].argmax()), maps.shape[2]) for image in (2, 0, 1)]
    assert list(zip(found.rows, found.columns, strict=True)) == wanted
    np.testing.assert_allclose(found.activations, maps.amax((1, 2))[[2, 0, 1]], rtol=1e-6)


def test_a_layer_without_positions_sees_the_whole_image() -> None:
    model, x = as_model(lasting_network()), images(2)
    found = project(
        model, x, "8", [UnitPosition(0, 1), UnitPosition(1, 1), UnitPosition(1, 2)], "gradient"
    )
    assert set(found.windows) == {PixelBox(0, 0, 24, 24)}
    leaf = x.clone().requires_grad_()
    scores = tiny_network()(leaf)
    for place, (image, channel) in enumerate([(0, 1), (1, 1), (1, 2)]):
        score = scores[image, channel]
        (wanted,) = torch.autograd.grad(score, leaf, retain_graph=True)
        wanted = wanted[image] * float(score.detach() > 0)
        np.testing.assert_allclose(found.signals[place], wanted.numpy(), atol=1e-7)


def test_maps_with_their_channels_last_are_read() -> None:
    model, x = build("convnext_tiny"), small_input("convnext_tiny")
    last = project(model, x, "features.1.0.block.1", [UnitPosition(0, 5)])
    first = project(model, x, "features.1.0.block.0", [UnitPosition(0, 5)])
    assert last.windows == first.windows or last.rows != first.rows
    with pytest.raises(LayerError, match="no channel 96"):
        project(model, x, "features.1.0.block.2", [UnitPosition(0, 96)])


def test_a_surrounding_inference_mode_and_train_mode_do_not_reach_in() -> None:
    picks = [UnitPosition(0, 1), UnitPosition(1, 4)]
    wanted = project(as_model(lasting_network()), images(2), "5", picks)
    module = tiny_network().train()
    before = state(module)
    with torch.inference_mode():
        found = project(as_model(module), images(2), "5", picks)
    assert state(module) == before
    np.testing.assert_array_equal(found.signals, wanted.signals)


def test_progress_counts_picks() -> None:
    told: list[tuple[int, int]] = []
    picks = [UnitPosition(image, channel) for channel in range(3) for image in range(2)]
    project(
        as_model(lasting_network()),
        images(2),
        "8",
        picks,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert told[0] == (0, 6)
    assert told[-1] == (6, 6)
    assert told == sorted(told)


@each_case(
    ("pick", "layer", "error", "message"),
    [
        (UnitPosition(3, 0), "1", UsageError, "no image 3: there are 2"),
        (UnitPosition(0, 0, row=1), "1", UsageError, "a row without a column"),
        (
            UnitPosition(0, 0, 24, 0),
            "1",
            UsageError,
            r"Position \(24, 0\) lies outside the 24 x 24 maps",
        ),
        (UnitPosition(0, 6), "1", LayerError, "no channel 6"),
        (UnitPosition(0, 0), "11", LayerError, "no layer '11'"),
    ],
)
def test_bad_picks_are_sentences(pick, layer: str, error, message: str) -> None:
    with pytest.raises(error, match=message):
        project(as_model(lasting_network()), images(2), layer, [pick])


def test_bad_rules_and_no_picks_are_sentences() -> None:
    model = as_model(lasting_network())
    with pytest.raises(UsageError, match="There is no rule 'lrp'"):
        project(model, images(), "1", [UnitPosition(0, 0)], "lrp")
    with pytest.raises(UsageError, match="No unit was picked"):
        project(model, images(), "1", [])


def test_a_layer_that_is_not_called_or_not_of_maps_is_a_sentence() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Identity()).eval()
    module.spare = nn.Conv2d(3, 4, 3)
    module.forward = lambda x: module[1](module[0](x))
    model = as_model(module)
    with pytest.raises(LayerError, match="Layer 'spare' is not called"):
        project(model, images(), "spare", [UnitPosition(0, 0)])
    # Flattened maps are maps.
    assert project(model, images(), "1", [UnitPosition(0, 0)]).rows.tolist() == [
        project(model, images(), "0", [UnitPosition(0, 0)]).rows[0]
    ]


def test_a_layer_that_does_not_answer_image_by_image_is_a_sentence() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.table = nn.Conv2d(3, 4, 3), nn.Conv2d(1, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.conv(x) + self.table(torch.ones(1, 1, 1, 1))).mean((2, 3))

    with pytest.raises(LayerError, match="does not depend on the image"):
        project(as_model(Biased()), images(2), "table", [UnitPosition(0, 0), UnitPosition(1, 0)])
