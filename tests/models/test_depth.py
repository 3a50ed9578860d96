"""The family of depths: what its names mean, what its weights are, and what it leaves alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cnnviz.errors import ModelError, UsageError
from cnnviz.models import available, load
from cnnviz.models.networks import depth_network
from cnnviz.models.networks.depth import EXAMPLES, is_name, read_name
from cnnviz.models.networks.depth_modules import Block
from cnnviz.models.networks.depth_weights import ACTIVATIONS
from tests.helpers.each_case import each_case

INPUT = (3, 16, 16)


def weights(module: nn.Module) -> list[nn.Module]:
    return [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]


@each_case("name", ["plain-2", "plain-9", "plain-20", "resnet-4", "resnet-20"])
def test_a_name_counts_the_layers_with_weights(name: str) -> None:
    module = depth_network(name, input_size=INPUT, width=4)
    assert len(weights(module)) == int(name.split("-")[1])
    assert module(torch.zeros(2, *INPUT)).shape == (2, 10)


@pytest.mark.parametrize("name", ["conv-5", "mlp-7"])
def test_chains_count_theirs_too(name: str) -> None:
    module = depth_network(name, input_size=INPUT, width=4, classes=3)
    assert len(weights(module)) == int(name.split("-")[1])
    assert module(torch.zeros(2, *INPUT)).shape == (2, 3)


@pytest.mark.parametrize(("depth", "parameters"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_resnets_for_cifar_have_the_parameters_of_the_paper(depth: int, parameters: int) -> None:
    # He et al. (2016), table 6: 0.27 M, 0.85 M and 1.7 M. Skips of option A have none.
    for family in ("resnet", "plain"):
        module = depth_network(f"{family}-{depth}")
        assert sum(one.numel() for one in module.parameters()) == parameters


@each_case("activation", ACTIVATIONS)
@each_case("norm", ["batch", "group", "layer", "instance", "none"])
def test_every_activation_goes_with_every_normalisation(activation: str, norm: str) -> None:
    for name in ("plain-5", "resnet-6", "conv-3", "mlp-3"):
        module = depth_network(
            name, activation=activation, normalisation=norm, input_size=INPUT, width=4
        )
        assert torch.isfinite(module(torch.randn(4, *INPUT))).all()
        kinds = {type(one).__name__ for one in module.modules()}
        assert any("Norm" in kind for kind in kinds) == (norm != "none")


@pytest.mark.parametrize(
    ("scheme", "activation", "variance"),
    [
        ("kaiming", "tanh", 2 / 400),
        ("lecun", "relu", 1 / 400),
        ("xavier", "relu", 2 / 800),
        ("orthogonal", "relu", 2 / 400),
        ("orthogonal", "tanh", 1 / 400),
        ("default", "relu", 1 / 3 / 400),
    ],
)
def test_weights_have_the_variance_of_their_scheme(
    scheme: str, activation: str, variance: float
) -> None:
    for gain in (1.0, 3.0):
        module = depth_network(
            "mlp-4", initialisation=scheme, activation=activation, width=400, gain=gain
        )
        middle = weights(module)[1].weight
        assert middle.var().item() == pytest.approx(variance * gain**2, rel=0.02)
        bias = weights(module)[1].bias
        assert bool(bias.any()) == (scheme == "default")


def test_orthogonal_weights_are_orthogonal() -> None:
    weight = weights(depth_network("mlp-3:tanh:orthogonal", width=32))[1].weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(32), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scheme", ["fixup", "skipinit", "zero-gamma"])
def test_residual_schemes_make_blocks_identities_at_first(scheme: str) -> None:
    module = depth_network("resnet-14", initialisation=scheme, width=4)
    block = next(one for one in module.modules() if isinstance(one, Block))
    x = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(block.train()(x), x)
    kinds = {type(one) for one in module.modules()}
    assert (nn.BatchNorm2d in kinds) == (scheme == "zero-gamma")


def test_fixup_scales_the_first_convolution_and_zeroes_the_head() -> None:
    fixup = depth_network("resnet-14", initialisation="fixup", width=16)
    plain = depth_network("resnet-14", normalisation="none", width=16)
    ratio = fixup.stages[1][1].conv1.weight.std() / plain.stages[1][1].conv1.weight.std()
    assert ratio.item() == pytest.approx(1 / math.sqrt(6), rel=0.05)
    assert not fixup.last.weight.any()
    assert fixup(torch.rand(2, 3, 16, 16)).shape == (2, 10)


def test_a_block_adds_its_skip_with_zeros_for_new_channels() -> None:
    module = depth_network("resnet-14:skipinit:identity", width=4)
    block = module.stages[1][0]
    x = torch.randn(2, 4, 8, 8)
    found = block(x)
    assert torch.equal(found[:, :4], x[:, :, ::2, ::2])
    assert not found[:, 4:].any()


def test_seeds_tell_networks_apart_and_leave_the_global_state() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again = depth_network("conv-3"), depth_network("conv-3")
    other = depth_network("conv-3", seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )
    assert not torch.equal(weights(first)[0].weight, weights(other)[0].weight)


def test_names_carry_options() -> None:
    options = read_name("MLP-10:sigmoid:batch:xavier:gain=3:width=8:seed=2")
    assert (options.family, options.depth, options.activation) == ("mlp", 10, "sigmoid")
    assert (options.norm, options.initialisation, options.gain) == ("batch", "xavier", 3.0)
    assert (options.channels, options.seed) == (8, 2)
    named = depth_network("conv-4:tanh:xavier")
    given = depth_network("conv-4", activation="tanh", initialisation="xavier")
    assert torch.equal(weights(named)[1].weight, weights(given)[1].weight)


@each_case("name", EXAMPLES)
def test_examples_are_names(name: str) -> None:
    assert is_name(name)
    assert name in available()["depth"]


def test_load_knows_the_family() -> None:
    model = load("Plain-8:none", device="cpu")
    assert (model.name, model.weights) == ("plain-8:none", "random, seed 0")
    assert model.notes == ("plain-8:none comes with random weights only",)
    assert "for ImageNet is called resnet50" in load("resnet-50").notes[-1]
    assert not model.module.training
    assert model.input_shape == (3, 32, 32)
    assert load("plain-8", "random").notes == ()


def test_load_takes_a_checkpoint(tmp_path) -> None:
    state = depth_network("mlp-3", seed=4).state_dict()
    torch.save(state, tmp_path / "mlp.pth")
    model = load("mlp-3", tmp_path / "mlp.pth", device="cpu")
    assert model.weights == "checkpoint mlp.pth"
    assert torch.equal(model.module.state_dict()["1.weight"], state["1.weight"])


@each_case(
    ("name", "options", "error", "message"),
    [
        ("plain", {}, ModelError, "There is no network 'plain' in the family"),
        ("resnet-7", {}, UsageError, "two layers each. Use resnet-6 or resnet-8"),
        ("plain-1", {}, UsageError, "plain-1 cannot be built. Give a depth from 2"),
        ("conv-9999", {}, UsageError, "a depth from 2 to 2000"),
        ("plain-8:sigmod", {}, UsageError, "'sigmod' is no option.*Did you mean 'sigmoid'"),
        ("plain-8:gain=x", {}, UsageError, "gain cannot be 'x'"),
        ("plain-8:fixup", {}, UsageError, "no initialisation 'fixup' here"),
        ("plain-8", {"activation": "rellu"}, UsageError, "no activation 'rellu'.*'relu'"),
        ("plain-8", {"normalisation": "bath"}, UsageError, "no normalisation 'bath'.*'batch'"),
        ("resnet-8:zero-gamma:none", {}, UsageError, "zero-gamma needs a normalisation"),
        ("mlp-3", {"gain": 0.0}, UsageError, "Sizes and gains are positive"),
        ("mlp-3", {"width": -1}, UsageError, "Sizes and gains are positive"),
    ],
)
def test_what_cannot_be_built(
    name: str, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        depth_network(name, **options)


def test_load_knows_no_such_weights() -> None:
    with pytest.raises(UsageError, match="plain-8 has no weights called 'IMAGENET1K_V1'"):
        load("plain-8", "IMAGENET1K_V1")
