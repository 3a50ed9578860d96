"""Projections against a deconvnet built by hand, against captum, and against the whole gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.backward_rules import Rule
from cnnviz.errors import LayerError, UsageError
from cnnviz.models import as_model, load
from cnnviz.projecting import Pick, project
from cnnviz.stages import call_order
from cnnviz.tracing import trace
from tests.architectures import ARCHITECTURES, build, small_input, tiny_network
from tests.test_hooks import state


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
    picks = [Pick(image, channel) for image in range(2) for channel in (3, 17)]
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
        assert np.abs(found.signals[place]).max() == pytest.approx(reach)


def whole(signal: np.ndarray, window) -> np.ndarray:
    """Return [C, h, w] of a signal [C, H, W] with zeros around it."""
    pad = 200
    padded = np.pad(signal, ((0, 0), (pad, pad), (pad, pad)))
    return padded[:, window.top + pad : window.bottom + pad, window.left + pad : window.right + pad]


@pytest.mark.parametrize("rule", ["deconvnet", "guided", "gradient"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nothing_comes_back_from_outside_the_window(name: str, rule: Rule) -> None:
    """Brute force: the sum of all picks' signals, through the whole network without a crop."""
    model, x = build(name), small_input(name, 2)
    layer = call_order(model, x).stages()[0]
    before = state(model.module)
    found = project(model, x, layer, [Pick(1, 1), Pick(0, 0, 0, 0), Pick(1, 2)], rule)
    assert state(model.module) == before
    assert found.active[0]
    gated = trace(model.module, tuple(x.shape[1:])).find(layer).receptive_field.gateless
    if gated is None:
        assert not found.outside.any()
    else:
        assert (found.outside >= 0).all()
    assert np.isfinite(found.signals).all()
    assert found.signals.any((1, 2, 3)).tolist() == found.active.tolist()
