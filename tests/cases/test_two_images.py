"""A network of two images: each can be the one that is explained, and it is said which it is."""

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import UsageError


class Siamese(nn.Module):
    """How far two images are apart, seen by one and the same branch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.branch = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(6, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        seen = [self.branch(one).mean((2, 3)) for one in (left, right)]
        return self.head((seen[0] - seen[1]).square())


LEFT, RIGHT = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def _model(**inputs: object) -> cnnviz.Model:
    given = inputs.get("given", (cnnviz.IMAGE, RIGHT))
    return cnnviz.Model(Siamese().eval(), inputs=given, output="value")


@pytest.mark.parametrize(
    "given", [(cnnviz.IMAGE, RIGHT), {"left": cnnviz.IMAGE, "right": RIGHT}], ids=["place", "name"]
)
@pytest.mark.parametrize("which", ["right", 1])
def test_each_of_two_images_is_explained(given: object, which: str | int) -> None:
    left = _model(given=given)
    right = left.explaining(which, LEFT)
    network = Siamese().eval()
    for model, image, call, name in ((left, LEFT, 0, "left"), (right, RIGHT, 1, "right")):
        held = cnnviz.capture(model, image, layers="stages")
        np.testing.assert_allclose(held.logits.numpy(), network(LEFT, RIGHT).detach(), rtol=1e-5)
        found = cnnviz.cam(held)
        assert found.layers == (f"branch.1#{call}",)
        assert f"Of the images that go in, '{name}' is explained" in found.caption()
        assert any(f"'{name}' is explained" in note for note in found.provenance.notes)
        # The gradient is that of the image that is said to be explained.
        leaf = image.clone().requires_grad_()
        pair = (leaf, RIGHT) if name == "left" else (LEFT, leaf)
        (by_hand,) = torch.autograd.grad(network(*pair).sum(), leaf)
        torch.testing.assert_close(held.input_gradient, by_hand)


def test_every_heatmap_says_which() -> None:
    model = _model().explaining("right", LEFT)
    for found in (
        cnnviz.attribute(model, RIGHT, "saliency"),
        cnnviz.occlusion(model, RIGHT, window=8, stride=8),
    ):
        assert "'right' is explained, and 'left' stays as it is" in found.caption()


def test_what_is_no_image_input_is_refused_and_a_single_image_needs_no_word() -> None:
    with pytest.raises(UsageError, match="no image input 'middle'; there is 'left' and 'right'"):
        _model().explaining("middle", LEFT)
    alone = cnnviz.Model(nn.Conv2d(3, 2, 3))
    assert alone.explained_input == ""
    with pytest.raises(UsageError, match="no image input 0; there is none"):
        alone.explaining(0, LEFT)


class _OfTwoKinds(nn.Module):
    """A photo, and a map of depth that is as wide as nothing that is tried of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.colour, self.depth = nn.Conv2d(3, 4, 3), nn.Conv2d(1, 4, 3)

    def forward(self, rgb: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        return (self.colour(rgb) + self.depth(depth)).relu().mean((2, 3))


def test_another_input_takes_what_fits_the_tensor_that_stood_there() -> None:
    """It was guessed from squares of usual sizes, none of which fits beside the held photo."""
    depth = torch.rand(1, 1, 20, 34)
    prepared = cnnviz.Preprocessing((20, 34), None, (0.5,) * 3, (0.25,) * 3)
    model = cnnviz.Model(_OfTwoKinds(), preprocessing=prepared, inputs=(cnnviz.IMAGE, depth))
    photo = np.zeros((20, 34, 3), np.uint8)
    of_depth = model.explaining("depth", photo)
    assert of_depth.input_shape == (1, 20, 34)
    assert "20 x 34 px is the size of the tensor given for it" in of_depth.preprocessing.origin
    assert cnnviz.attribute(of_depth, depth, "saliency").maps[0].shape == (1, 20, 34)
    # Back again, by the tensor that the photo became.
    assert of_depth.explaining("rgb", depth).input_shape == (3, 20, 34)
    # As many channels, in another size.
    larger = cnnviz.Model(Siamese(), preprocessing=prepared, inputs=(cnnviz.IMAGE, RIGHT))
    assert larger.explaining("right", photo).input_shape == (3, 16, 16)
