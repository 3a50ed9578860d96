"""Networks that call no layers: flat exported programs, and functions with raw parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import LayerError, UsageError
from tests.helpers.exported import exported

# What torch warns of as it exports is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class _Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(4, 6, 3, dilation=2)
        self.up, self.head = nn.ConvTranspose2d(6, 6, 2, 2), nn.Linear(6, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = self.up(F.relu(self.second(F.relu(self.first(image)))))
        return self.head(maps.mean((2, 3)))


class _Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kernels = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.votes = nn.Parameter(torch.randn(3, 4))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.linear(F.relu(F.conv2d(image, self.kernels)).mean((2, 3)), self.votes)


def _program(network: nn.Module) -> torch.export.ExportedProgram:
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    return exported(network.eval(), (IMAGES,), dynamic_shapes=sizes)


@cache
def _program_of_layers() -> torch.export.ExportedProgram:
    return _program(_Layers())


@cache
def _operators() -> nn.Module:
    """Return the program as a network, which tests share: they leave it as it is."""
    return _program_of_layers().module()


@cache
def _functions() -> nn.Module:
    """Return the network of functions that tests share as well."""
    return _Functions().eval()


def _captured(network: nn.Module) -> cnnviz.Capture:
    return cnnviz.capture(network, IMAGES, layers="stages")


VIEWS: dict[str, Callable[[nn.Module], object]] = {
    "top_activations": lambda network: cnnviz.top_activations(network, IMAGES),
    "deconvnet": lambda network: cnnviz.deconvnet(network, IMAGES),
    "cam": lambda network: cnnviz.cam(_captured(network)),
    "hierarchy": lambda network: cnnviz.hierarchy(network, IMAGES),
    "receptive_field": lambda network: cnnviz.receptive_field(network, IMAGES),
    "invariance": lambda network: cnnviz.invariance(network, IMAGES[:1]),
    "compare": lambda network: cnnviz.compare(network, IMAGES, network),
}


@pytest.mark.parametrize("view", VIEWS)
def test_what_has_no_layers_to_look_at_is_said_with_the_way_out(view: str) -> None:
    with pytest.raises(LayerError, match=r"calls operators.* Give torch.export.unflatten"):
        VIEWS[view](_operators())
    with pytest.raises(LayerError, match=r"_Functions has no layers.* Make a module of what"):
        VIEWS[view](_functions())


@pytest.mark.parametrize("decomposed", [False, True])
def test_filters_of_a_program_are_those_of_its_module(decomposed: bool) -> None:
    module = _Layers()
    program = _program_of_layers()
    layers = torch.export.unflatten(program.run_decompositions() if decomposed else program)
    for name in ("first", "second"):
        found, wanted = cnnviz.filters(layers, name), cnnviz.filters(module, name)
        np.testing.assert_array_equal(found.kernels, wanted.kernels)
        assert (found.layer, found.as_colour) == (name, name == "first")
    with pytest.raises(LayerError, match=r"'up' is a transposed convolution"):
        cnnviz.filters(layers, "up")
    with pytest.raises(LayerError, match=r"'head' is not a convolution"):
        cnnviz.filters(layers, "head")


def test_of_a_program_that_computes_its_kernels_none_are_read() -> None:
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)))
    with pytest.raises(LayerError, match=r"'0' of the exported program holds no kernels"):
        cnnviz.filters(torch.export.unflatten(_program(normed)))


def test_a_report_says_why_it_shows_no_filters() -> None:
    def lead(network: nn.Module) -> str:
        (section,) = cnnviz.report(network, IMAGES[:1], sections=["filters"]).sections
        return " ".join(section.lead)

    assert "no layer that is a convolution" in lead(_functions())
    assert "calls operators, not layers" in lead(_operators())
    told = lead(torch.export.unflatten(_program_of_layers()))
    assert "The network has 3 convolutions" not in told
    assert "The network has 2 convolutions" in told


def test_weights_that_no_layer_holds_are_not_redrawn() -> None:
    network = _functions()
    options = {"random": 2, "stages": 2, "steps": 2, "baselines": ("mean",)}
    found = cnnviz.faithfulness(network, IMAGES, "saliency", **options)
    assert "randomisation" not in found.results
    assert any("randomisation was not measured" in note for note in found.notes)
    assert "with the weights" not in found.summary()
    with pytest.raises(UsageError, match=r"calls no layer that holds weights.*other measures"):
        cnnviz.faithfulness(network, IMAGES, "saliency", measures=("randomisation",), **options)


def test_a_program_itself_is_told_what_to_give() -> None:
    program = _program_of_layers()
    for call in (cnnviz.load, cnnviz.architecture):
        with pytest.raises(UsageError, match=r"not ExportedProgram. Give torch.export.unflatten"):
            call(program)  # type: ignore[operator]
