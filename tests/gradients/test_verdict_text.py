"""The sentence of a verdict."""

import torch
from torch import nn

import cnnviz


def test_a_gradient_that_does_not_change_is_as_large_and_no_minus_zero() -> None:
    network = nn.Sequential(*(nn.Conv2d(3, 3, 1, bias=False) for _ in range(4)))
    for convolution in network:
        nn.init.dirac_(convolution.weight)
    said = cnnviz.gradient_flow(network.eval(), torch.rand(2, 3, 4, 4)).summary()
    assert "is as large as at " in said
    assert "(D = 0.0 decades" in said
    assert "-0.0" not in said
