"""Who names a function where a layer is wanted is told which layer to name."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import LayerError

IMAGE = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu1 = nn.ReLU()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        early = F.relu(self.first(F.avg_pool2d(image, 2)))
        return F.max_pool2d(F.relu(self.second(early)) + early, 2).mean((2, 3))


WHAT_IT_READS = {
    "relu": "layers 'first' and 'second'",
    "relu (2 of 2)": "layer 'second'",
    "add": "layers 'first' and 'second'",
    "max_pool2d": "layers 'first' and 'second'",
    "avg_pool2d": "reads the image",
}


@pytest.mark.parametrize("text", WHAT_IT_READS)
def test_a_function_in_place_of_a_layer_says_what_lies_ahead(text: str) -> None:
    wanted = rf"'{text.replace('(', '.').replace(')', '.')}' is a function that forward calls"
    for ask in (
        lambda model: cnnviz.capture(model, IMAGE, layers=text),
        lambda model: cnnviz.receptive_field(model, layers=text, images=IMAGE),
        lambda model: cnnviz.top_activations(model, IMAGE, layer=text),
        lambda model: cnnviz.feature_visualization(model, f"{text}:1", steps=1),
        lambda model: cnnviz.cam(cnnviz.capture(model, IMAGE, layers="stages"), text),
    ):
        with pytest.raises(LayerError, match=f"{wanted}.*{WHAT_IT_READS[text]}"):
            ask(cnnviz.Model(_Network()))


def test_every_function_of_the_table_is_told_so() -> None:
    model = cnnviz.Model(_Network())
    rows = [call.label for call in cnnviz.architecture(model).trace.calls if call.operation]
    assert len(rows) == 6
    for row in rows:
        with pytest.raises(LayerError, match="is a function that forward calls"):
            cnnviz.capture(model, IMAGE, layers=[row])


def test_what_is_no_function_either_is_told_the_nearest_layer() -> None:
    with pytest.raises(LayerError, match=r"no layer 'relu2'. Did you mean 'relu1'"):
        cnnviz.capture(_Network(), IMAGE, layers="relu2")
