"""Networks that go by values which way they take: a layer that some images do not go through."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError
from cnnviz.models import Model, as_model
from cnnviz_gallery.scan.scan import scannable


class _GoesByValues(nn.Module):
    """A bright first image goes through one layer and a dark one, as zeros do, through another."""

    def __init__(self) -> None:
        super().__init__()
        self.light, self.dark, self.spare = (nn.Conv2d(3, 2, 3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.light if bool(x[0].mean() > 0) else self.dark)(x).mean((2, 3))


def _image(sign: float) -> torch.Tensor:
    return sign * torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return as_model(_GoesByValues().eval())


VIEWS: dict[str, Callable[[Model, torch.Tensor, str], object]] = {
    "deconvnet": cnnviz.deconvnet,
    "receptive_field": cnnviz.receptive_field,
    "top_activations": cnnviz.top_activations,
    "cam": lambda model, images, layer: cnnviz.cam(
        cnnviz.capture(model, images, layers=[layer]), layer
    ),
    "equivariance": lambda model, images, layer: cnnviz.equivariance(model, images, layers=layer),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_layer_that_the_image_goes_through_is_seen_though_zeros_pass_it_by(model, view) -> None:
    VIEWS[view](model, _image(1.0), "light")


@pytest.mark.parametrize("view", ["deconvnet", "receptive_field", "top_activations"])
@pytest.mark.parametrize(("sign", "other"), [(1.0, "dark"), (-1.0, "light")])
def test_a_layer_that_the_first_image_passes_by_is_told_to_be_passed_by_of_it(
    model, view, sign, other
) -> None:
    """Whatever an image before it went through, which is kept."""
    for earlier in (None, -sign):
        if earlier is not None:
            VIEWS[view](model, _image(earlier), other)
        with pytest.raises(LayerError, match=f"'{other}' is not called for the first image"):
            VIEWS[view](model, _image(sign), other)


def test_values_of_such_a_layer_are_those_of_the_image(model) -> None:
    image = _image(1.0)
    found = cnnviz.top_activations(model, image, "light", top=1)
    with torch.no_grad():
        largest = model.module.light(image).amax((0, 2, 3))
    np.testing.assert_allclose(np.ravel(found.values[:, 0]), largest.numpy(), rtol=1e-6)


def test_a_gallery_refuses_a_named_layer_that_a_blank_image_passes_by(model) -> None:
    """It was left out without a word."""
    assert scannable(model, "conv") == ("dark",)
    for layers in ("dark,light", ["light"], "spare"):
        with pytest.raises(LayerError, match="is not called for the blank image"):
            scannable(model, layers)
