from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import cnnviz.models
from cnnviz.datasets.shapes import CLASSES
from cnnviz.models.networks import INPUT_SIZES, MEAN, SHIPPED, STD, LeNet5
from cnnviz.models.training import TRAINABLE, draw_samples
from cnnviz.models.training.card import correct, pointing

WEIGHTS = Path(cnnviz.models.__file__).parent / "weights"
trained_only = pytest.mark.parametrize("name", list(TRAINABLE))


@pytest.fixture(scope="module")
def held_out():
    """Samples that no training with seed 0 and no model card has seen.

    The card tells how many of thousands are right, and belongs to the file: a test that reads both.
    """
    return draw_samples(200, seed=20, split="held-out", workers=1)


def shipped(name):
    network = SHIPPED[name]()
    state = load_file(WEIGHTS / f"{name}.safetensors")
    network.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    )
    return network.eval()


@pytest.mark.parametrize("name", list(SHIPPED))
def test_networks_turn_a_batch_into_ten_logits(name):
    network = SHIPPED[name]().eval()
    assert network(torch.zeros(2, *INPUT_SIZES[name])).shape == (2, 10)
    assert type(network)(num_classes=3)(torch.zeros(2, *INPUT_SIZES[name])).shape == (2, 3)


@trained_only
def test_the_head_of_the_maps_is_the_forward_pass(name):
    network = SHIPPED[name]().eval()
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    maps = network.maps(images)
    assert maps.shape == (2, 128, 12, 12)
    assert torch.equal(network.head(maps), network(images))


def test_plain_is_a_zfnet_in_small():
    network = SHIPPED["shapes-plain"]()
    first = network.features[0]
    assert (first.kernel_size, first.stride) == ((7, 7), (2, 2))
    kinds = {type(module) for module in network.features}
    assert kinds == {nn.Conv2d, nn.ReLU, nn.MaxPool2d}


def test_residual_adds_its_shortcuts():
    network = SHIPPED["shapes-residual"]().eval()
    block = network.layer1[0]
    nn.init.zeros_(block.bn2.weight)
    x = torch.randn(1, 32, 8, 8, generator=torch.Generator().manual_seed(0)).relu()
    assert torch.equal(block(x), x)


def test_lenet_has_the_layers_and_the_parameters_of_the_paper():
    network = LeNet5()
    counts = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    # LeCun et al. (1998) count 156, 48,120, 10,164; C3 sees all six maps here: 16 (6 * 25 + 1).
    assert counts == {
        "features.c1": 156,
        "features.c3": 2416,
        "features.c5": 48120,
        "classifier.f6": 10164,
        "classifier.output": 850,
    }
    assert sum(counts.values()) == 61706
    shapes, x = {}, torch.zeros(1, 1, 32, 32)
    for name, layer in network.features.named_children():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes["c1"] == (6, 28, 28)
    assert shapes["s2"] == (6, 14, 14)
    assert shapes["c3"] == (16, 10, 10)
    assert shapes["s4"] == (16, 5, 5)
    assert shapes["c5"] == (120, 1, 1)


@trained_only
def test_the_shipped_file_is_small_and_half_precision(name):
    path = WEIGHTS / f"{name}.safetensors"
    assert path.stat().st_size <= 1_000_000
    state = load_file(path)
    assert {v.dtype for v in state.values()} <= {torch.float16, torch.int64}
    assert state.keys() == SHIPPED[name]().state_dict().keys()
    assert all(torch.isfinite(v).all() for v in state.values())


@trained_only
def test_the_metadata_says_how_to_use_the_weights(name):
    with safe_open(WEIGHTS / f"{name}.safetensors", framework="pt") as opened:
        metadata = opened.metadata()
    assert metadata["network"] == name
    assert tuple(json.loads(metadata["classes"])) == CLASSES
    assert tuple(json.loads(metadata["mean"])) == MEAN
    assert tuple(json.loads(metadata["std"])) == STD
    assert int(metadata["steps"]) > 0


@trained_only
def test_the_card_belongs_to_the_file(name):
    content = (WEIGHTS / f"{name}.safetensors").read_bytes()
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    assert card["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["file"]["bytes"] == len(content)
    assert card["file"]["parameters"] == sum(p.numel() for p in SHIPPED[name]().parameters())
    results = card["results"]
    assert results["samples"] >= 2000
    assert results["accuracy"] >= 0.97
    assert list(results["classes"]) == list(CLASSES)
    counts = results["classes"].values()
    assert sum(c["samples"] for c in counts) == results["samples"]
    assert sum(c["correct"] for c in counts) / results["samples"] == pytest.approx(
        results["accuracy"]
    )


@trained_only
def test_the_shipped_weights_know_shapes_they_have_not_seen(name, held_out):
    images, labels, _ = held_out
    assert correct(shipped(name), images, labels).mean() >= 0.97


@trained_only
def test_grad_cam_has_its_maximum_on_the_object(name, held_out):
    few = [part[:150] for part in held_out]
    assert pointing(shipped(name), *few).mean() >= 0.85


@trained_only
def test_first_layer_filters_are_smooth_and_alive(name):
    """Neighbouring weights of a filter agree, which those of noise do not."""
    kernels = next(m for m in shipped(name).modules() if isinstance(m, nn.Conv2d)).weight
    w = kernels.detach().numpy().astype(np.float64)
    energy = (w**2).sum((1, 2, 3))
    neighbours = (w[..., 1:] * w[..., :-1]).sum((1, 2, 3)) + (w[:, :, 1:] * w[:, :, :-1]).sum(
        (1, 2, 3)
    )
    assert np.median(neighbours / (2 * energy)) > 0.45
    assert (energy > 1e-3 * energy.max()).mean() > 0.9
