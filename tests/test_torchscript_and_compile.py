"""Networks that torch has turned into something else: seen where they can be, refused elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import LayerError
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.views.architecture import architecture
from cnnviz.views.attribute import attribute
from cnnviz.views.filters import filters
from cnnviz.views.loss_landscape import loss_landscape
from cnnviz.views.normalization import normalization
from cnnviz.views.occlusion import occlusion
from tests.helpers.architectures import tiny_network
from tests.helpers.state import state

IMAGE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["scripted", "traced", "a scripted part"])
def script(request: pytest.FixtureRequest) -> nn.Module:
    network = tiny_network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if request.param == "traced":
            return torch.jit.trace(network, IMAGE)
        if request.param == "scripted":
            return torch.jit.script(network)
        return nn.Sequential(torch.jit.script(network[:6]), *network[6:])


BLIND: dict[str, Callable[[nn.Module], object]] = {
    "architecture": lambda module: architecture(module, 16),
    "conv": lambda module: capture(module, IMAGE),
    "stages": lambda module: capture(module, IMAGE, layers="stages"),
    "a layer": lambda module: capture(module, IMAGE, layers=["0"]),
    "guided": lambda module: attribute(module, IMAGE, "guided_backprop"),
    "deeplift": lambda module: attribute(module, IMAGE, "deeplift"),
    "filters": filters,
    "normalization": lambda module: normalization(module, IMAGE),
    "loss_landscape": lambda module: loss_landscape(module, IMAGE, [1], points=3),
}


@pytest.mark.parametrize("what", BLIND)
def test_what_needs_the_layers_of_torchscript_is_a_sentence(script: nn.Module, what: str) -> None:
    with pytest.raises(LayerError, match=r"(The network|Layer '0') is TorchScript.*Give the torch"):
        BLIND[what](script)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_what_needs_no_layer_of_torchscript_is_the_same(script: nn.Module, method: str) -> None:
    found = attribute(script, IMAGE, method, steps=4).maps[0]
    np.testing.assert_allclose(
        found, attribute(tiny_network(), IMAGE, method, steps=4).maps[0], rtol=1e-4, atol=1e-7
    )
    hidden = occlusion(script, IMAGE, 8, 4).maps[0]
    np.testing.assert_allclose(hidden, occlusion(tiny_network(), IMAGE, 8, 4).maps[0], atol=1e-6)


class _Written(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self:
            x = layer(x)
        return x


@pytest.mark.parametrize("form", ["wrapped", "in place"])
def test_a_compiled_network_runs_as_it_was_written(form: str) -> None:
    graphs: list[object] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> object:
        graphs.append(graph)
        return graph.forward

    # With torch 2.6 a forward of torch's own is not compiled in place.
    network = _Written(*tiny_network().eval())
    if form == "wrapped":
        network = torch.compile(network, backend=backend)
    else:
        network.compile(backend=backend)
    before = state(network)
    for method in ("saliency", "guided_backprop", "smoothgrad"):
        found = attribute(Model(network), IMAGE, method, steps=3).maps[0]
        np.testing.assert_array_equal(
            found, attribute(tiny_network(), IMAGE, method, steps=3).maps[0]
        )
    held = capture(network, IMAGE)
    assert list(held.activations) == list(capture(tiny_network(), IMAGE).activations)
    plain = capture(tiny_network(), IMAGE)
    for one, other in zip(held.gradients.values(), plain.gradients.values(), strict=True):
        assert torch.equal(one, other)
    assert architecture(network, 16).trace.macs == architecture(tiny_network(), 16).trace.macs
    assert graphs == []
    assert state(network) == before
    with torch.no_grad():
        network(IMAGE)
    assert len(graphs) == 1, "outside of a view it is compiled as before"
