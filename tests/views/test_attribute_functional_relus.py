"""Guided backpropagation and deconvnet where peers that look for ReLU modules go wrong.

GoogLeNet calls the function only, MobileNet v2 has ReLU6, DenseNet ends in a call of the function.
The reference replaces the functions themselves, in double precision.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnviz.introspection.backward_rules import Rule
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from tests.helpers.architectures import shallow, small_input

CLASS = 7
NETWORKS = ("googlenet", "mobilenet_v2", "densenet121", "resnet18", "vgg16")


def by_hand(rule: Rule, most: float) -> Callable[..., torch.Tensor]:
    """Return a rectifier written from nothing but sums, products and a tensor's own hook."""

    def rectifier(
        input: torch.Tensor, *limits: float, inplace: bool = False, **_: float
    ) -> torch.Tensor:
        values = input * 1.0
        on = (values > 0) & (values < most)
        if rule == "deconvnet":
            output = values + (values.clamp(0, most) - values).detach()
        else:
            output = values * on + torch.where(values >= most, most, 0.0).nan_to_num(0.0)
        output.register_hook(lambda gradient: gradient.clamp(min=0.0))
        return output

    return rectifier


@lru_cache(maxsize=1)
def in_double(name: str) -> tuple[Model, np.ndarray]:
    """Return a network whose rectifiers jump where the reference's do, and its plain gradient."""
    # Single precision moves a few values across zero.
    single = shallow(name)
    module = copy.deepcopy(single.module).double()
    double = Model(module, name=name, preprocessing=single.preprocessing)
    images = small_input(name).double()
    plain = capture(double, images, layers=(), target=CLASS).input_gradient
    return double, plain.numpy()


def reference(name: str, rule: Rule, images: torch.Tensor) -> np.ndarray:
    network = in_double(name)[0].module
    start = images.double().requires_grad_()
    with (
        patch.object(F, "relu", by_hand(rule, np.inf)),
        patch.object(F, "hardtanh", by_hand(rule, 6.0)),
        patch.object(F, "relu6", by_hand(rule, 6.0)),
    ):
        output = network(start)
    (found,) = torch.autograd.grad(output[:, CLASS].sum(), start)
    return found.numpy()


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_form_of_relu_in_real_networks(name: str, rule: Rule) -> None:
    images = small_input(name)
    wanted = reference(name, rule, images)
    double, plain = in_double(name)
    held = capture(double, images.double(), layers=(), target=CLASS, rule=rule)
    found = held.input_gradient.numpy()
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
    assert np.abs(plain - wanted).max() > 0.1 * np.abs(wanted).max()
