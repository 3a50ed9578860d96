"""The networks that are built from their papers: sizes and parameters as the papers have them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.introspection.tracing import trace
from cnnviz.models import available, load
from cnnviz.models.networks.lenet_1998 import LeNet5of1998, PartialConvolution
from cnnviz.models.paper_models import PAPERS


def parameters(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def test_lenet_has_the_parameters_of_every_layer_of_the_paper() -> None:
    network = LeNet5of1998()
    counted = {name: parameters(layer) for name, layer in network.features.named_children()}
    counted = {name: number for name, number in counted.items() if number}
    assert counted == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120}
    assert parameters(network.f6) == 10164
    assert parameters(network) == 60000


def test_a_partial_convolution_reads_what_it_is_connected_to() -> None:
    layer = PartialConvolution(((0, 2), (1,)), 3, 2)
    x = torch.randn(1, 3, 4, 4)
    kernels, bias = layer.kernels.detach(), layer.bias.detach()
    found = layer(x).detach()
    first = nn.functional.conv2d(x[:, [0, 2]], kernels[None, :2], bias[:1])
    second = nn.functional.conv2d(x[:, [1]], kernels[None, 2:], bias[1:])
    torch.testing.assert_close(found, torch.cat([first, second], 1))


def test_the_answer_of_lenet_is_the_nearest_code() -> None:
    network = LeNet5of1998()
    codes = network.output.codes
    assert network.output(codes).argmax(1).tolist() == list(range(10))
    assert float(network.output(codes).max()) == 0.0


@pytest.mark.parametrize(
    ("name", "published", "within"),
    [("mobilenet_v1", 4.2e6, 0.01), ("inception_v2", 13.6e6, 0.18), ("zfnet", 62.4e6, 0.01)],
)
def test_the_others_have_about_the_parameters_of_their_papers(
    name: str, published: float, within: float
) -> None:
    with torch.device("meta"):
        network = PAPERS[name][0]()
    assert parameters(network) == pytest.approx(published, rel=within)


def test_mobilenet_costs_what_the_paper_says() -> None:
    model = load("mobilenet_v1", device="cpu")
    found = trace(model.module, model.input_shape)
    assert found.macs == pytest.approx(569e6, rel=0.001)
    assert model.untrained
    assert "random weights only" in model.notes[0]


def test_the_maps_of_zfnet_have_the_sizes_of_its_figure() -> None:
    with torch.device("meta"):
        network = PAPERS["zfnet"][0]()
        x = torch.empty(1, 3, 224, 224)
        sizes = []
        for layer in network.features:
            x = layer(x)
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                sizes.append(tuple(x.shape[1:3]))
    assert sizes == [
        *((96, 110), (96, 55), (256, 26), (256, 13)),
        *((384, 13), (384, 13), (256, 13), (256, 6)),
    ]


def test_inception_v2_halves_where_its_figure_does() -> None:
    with torch.device("meta"):
        network = PAPERS["inception_v2"][0]().eval()
        x = torch.empty(1, 3, 224, 224)
        found = {}
        for name, layer in network.features.named_children():
            x = layer(x)
            found[name] = tuple(x.shape[1:3])
    assert found["inception3a"] == (256, 28)
    assert found["inception3c"] == (576, 14)
    assert found["inception4b"] == (576, 14)
    assert found["inception5b"] == (1024, 7)


def test_they_are_listed_and_have_no_other_weights() -> None:
    assert available()["papers"] == list(PAPERS)
    with pytest.raises(UsageError, match="has no weights called 'IMAGENET'"):
        load("mobilenet_v1", "IMAGENET", device="cpu")
