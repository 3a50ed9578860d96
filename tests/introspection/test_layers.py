"""Names, kinds and selection of layers."""

import pytest
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from cnnviz.errors import LayerError
from cnnviz.introspection.layer_tensors import LayerTensors
from cnnviz.introspection.layers import kind, named_layers, select, split
from tests.helpers.each_case import each_case


@pytest.fixture
def network() -> nn.Module:
    shared = nn.ReLU()
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), shared),
        nn.Sequential(nn.Conv2d(4, 4, 3), shared, nn.BatchNorm2d(4)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


@each_case(
    ("module", "expected"),
    [
        (nn.Conv2d(1, 1, 1), "conv"),
        (nn.ConvTranspose2d(1, 1, 1), "conv"),
        (nn.Linear(1, 1), "linear"),
        (nn.BatchNorm2d(1), "norm"),
        (nn.GroupNorm(1, 1), "norm"),
        (nn.LayerNorm(1), "norm"),
        (nn.ReLU6(), "activation"),
        (nn.SiLU(), "activation"),
        (nn.Softmax(1), "activation"),
        (nn.AdaptiveAvgPool2d(1), "pool"),
        (nn.Dropout2d(), "dropout"),
        (nn.Flatten(), "flatten"),
        (nn.Identity(), "identity"),
        (nn.Sequential(nn.ReLU()), "container"),
        (nn.PixelShuffle(2), "other"),
    ],
)
def test_kind(module: nn.Module, expected: str) -> None:
    assert kind(module) == expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("conv", ["0.0", "1.0"]),
        ("norm, linear", ["1.2", "4"]),
        ("1.*", ["0.1", "1.0", "1.2"]),
        (["2", "0.0"], ["0.0", "2"]),
        ("activation", ["0.1"]),
        ("[04].*", ["0.0", "0.1"]),
    ],
)
def test_selection(network: nn.Module, selection: str | list[str], expected: list[str]) -> None:
    found = select(network, selection)
    modules = {id(layer) for layer in found.values()}
    assert len(modules) == len(found), "a module is chosen once, whatever names it has"
    if selection != "1.*":
        assert list(found) == expected
    else:
        assert set(found.values()) == {network[0][1], network[1][0], network[1][2]}


def test_a_shared_module_has_all_its_names(network: nn.Module) -> None:
    assert named_layers(network)["0.1"] is named_layers(network)["1.1"]


def test_split() -> None:
    assert split(" conv , layer3.* ") == ["conv", "layer3.*"]
    assert split(["a,b", "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("selection", "what", "remedy"),
    [
        ("1.O", "no layer '1.O'", "'1.0'"),
        ("linaer", "no layer 'linaer'", "Did you mean 'linear'"),
        ("1.0#1", "one call of a layer", "Name '1.0'"),
        ("dropout", "no layer of the kind 'dropout'", "activation, conv, flatten"),
        ("layer9.*", "No layer matches the pattern 'layer9", "named like '0'"),
        ("???????", "No layer matches", "named like"),
    ],
)
def test_a_selection_of_nothing_says_what_there_is(
    network: nn.Module, selection: str, what: str, remedy: str
) -> None:
    with pytest.raises(LayerError) as caught:
        select(network, selection)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


_NO_LAYERS = {
    "0.parametrizations.weight.0": "computes the weight of layer '0'",
    "0.parametrizations": "computes the weight of layer '0'",
    "0.parametrizations.weight.original0": "is a tensor of layer '0'",
    "0.weight": "is a tensor of layer '0'",
    "0.bias": "is a tensor of layer '0'",
}


@each_case("name", _NO_LAYERS)
def test_what_makes_or_is_a_weight_is_no_layer(name: str) -> None:
    network = nn.Sequential(weight_norm(nn.Conv2d(1, 2, 1)))
    held = LayerTensors({}, {"0.parametrizations": "is not called"}, network)
    for choose in (lambda: select(network, name), lambda: held.resolve(name)):
        with pytest.raises(LayerError, match=_NO_LAYERS[name]) as refused:
            choose()
        assert refused.value.remedy == "Name '0'."
    assert list(select(network, "*")) == ["0"]
