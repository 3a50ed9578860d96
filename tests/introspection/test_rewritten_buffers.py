"""Gradients at the image come through a buffer that is rewritten, and through nothing else so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import ModelError
from cnnviz.passes.captures import capture
from cnnviz.views.attribute import attribute
from cnnviz.views.deconvnet import deconvnet

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Scaling(nn.Module):
    """Multiplies the image with a buffer, and rewrites that after it."""

    def __init__(self, *, rewrites: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.rewrites = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), rewrites
        self.register_buffer("scale", torch.full((1, 3, 1, 1), 2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x * self.scale).relu()
        if self.rewrites:
            self.scale.mul_(0.5)
        return self.head(maps.mean((2, 3)))


def test_a_rewritten_buffer_counts_as_it_was_when_the_image_met_it() -> None:
    rewriting, plain = Scaling(rewrites=True), Scaling(rewrites=False)
    rewriting(IMAGES).sum().backward()  # torch trains it
    rewriting.scale.fill_(2.0)
    found, wanted = (capture(each, IMAGES, layers=["conv"]) for each in (rewriting, plain))
    torch.testing.assert_close(found.input_gradient, wanted.input_gradient)
    for method in ("saliency", "guided_backprop", "integrated_gradients", "smoothgrad"):
        maps = [attribute(each, IMAGES, method, 1, steps=3).maps[0] for each in (rewriting, plain)]
        np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-7)
    sent = [deconvnet(each, IMAGES, "conv", [0]).signals for each in (rewriting, plain)]
    np.testing.assert_allclose(*sent, rtol=1e-4, atol=1e-7)
    assert bool((rewriting.scale == 2.0).all())


class Overwriting(Scaling):
    """Writes to what its own gradient needs: torch does not train it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x * self.scale).tanh()
        self.scale.mul_(0.5)
        maps.mul_(2.0)
        return self.head(maps.mean((2, 3)))


def test_what_torch_cannot_train_is_refused_still() -> None:
    with pytest.raises(ModelError, match="No gradient can be sent through"):
        capture(Overwriting(rewrites=True), IMAGES, layers=["conv"])
