"""Layers whose output a later in-place layer overwrites: the map is that of the layer itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.introspection.layers import select
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.views.cam import cam
from tests.helpers.architectures import shallow, small_input

TARGET = 5


def by_plain_hooks(module: nn.Module, images: torch.Tensor, layers: list[str]) -> list[np.ndarray]:
    """Compute Grad-CAM on a copy that has no in-place layer at all."""
    module = copy.deepcopy(module)
    for child in module.modules():
        if getattr(child, "inplace", False):
            child.inplace = False
    held: dict[str, torch.Tensor] = {}
    for name in layers:
        module.get_submodule(name).register_forward_hook(
            # A clone on the way, since functions may be in-place as well.
            lambda _m, _i, output, name=name: held.setdefault(name, output).clone()
        )
    score = module(images.clone().requires_grad_())[:, TARGET].sum()
    gradients = torch.autograd.grad(score, [held[name] for name in layers])
    return [
        (gradient.mean((2, 3), keepdim=True) * held[name]).sum(1).detach().numpy()
        for name, gradient in zip(layers, gradients, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "kind", "count", "every"),
    # Of blocks whose layers are alike in turn some, at odd steps: each kind of a layer comes.
    [("vgg16", "conv", 13, 1), ("densenet121", "norm", 21, 1), ("resnet18", "norm", 20, 1),
     ("googlenet", "norm", 57, 5)],
)  # fmt: skip
def test_the_map_is_that_of_the_layer_before_it_was_overwritten(
    name: str, kind: str, count: int, every: int
) -> None:
    # In double precision on both sides: max pooling turns rounding into other places.
    module = copy.deepcopy(shallow(name).module).double()
    images = small_input(name).double()
    model = Model(module, preprocessing=shallow(name).preprocessing)
    held = capture(model, images, layers=kind, target=TARGET, gradients="layers")
    layers = [layer for layer in select(module, kind) if layer in held.activations]
    assert len(layers) == count
    layers = layers[::every]
    expected = by_plain_hooks(module, images, layers)
    for layer, reference in zip(layers, expected, strict=True):
        found = cam(held, layer).maps[0]
        reach = np.abs(reference).max()
        np.testing.assert_allclose(found / reach, reference / reach, atol=1e-6, err_msg=layer)
