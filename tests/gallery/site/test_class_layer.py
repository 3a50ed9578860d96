"""Which layer's outputs are the classes, told by a trial."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from cnnviz import Model, Preprocessing
from cnnviz_gallery.site.class_layer import gives_classes
from tests.helpers.each_case import each_case

Function = Callable[[torch.Tensor, nn.Module], torch.Tensor]


class Headed(nn.Module):
    """A convolution and a linear layer, each with one output for each class."""

    def __init__(self, function: Function, classes: int, *, zero: bool = False) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, classes, 3), nn.Linear(classes, classes)
        self.function = function
        if zero:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.conv(x), self.head)


def over_all(x: torch.Tensor) -> torch.Tensor:
    return x.mean((2, 3))


def headed(x: torch.Tensor, head: nn.Module) -> torch.Tensor:
    return torch.as_tensor(head(over_all(x)))


CASES: dict[str, tuple[Callable[[], Headed], str]] = {
    "one output": (lambda: Headed(headed, 1), "head"),
    "one output, softened": (lambda: Headed(lambda x, h: headed(x, h).sigmoid(), 1), "head"),
    "one output of maps": (lambda: Headed(lambda x, h: over_all(F.relu(x)) / 0.07, 1), "conv"),
    "several": (lambda: Headed(headed, 4), "head"),
    "several of maps": (lambda: Headed(lambda x, h: over_all(x).softmax(1), 4), "conv"),
    "all zero": (lambda: Headed(headed, 4, zero=True), "head"),
}


@each_case("name", CASES)
def test_outputs_are_classes_where_the_scores_go_with_them(name: str) -> None:
    make, wanted = CASES[name]
    stated = Preprocessing(resize=None, crop=(8, 8), mean=(0.0,) * 3, std=(1.0,) * 3)
    model = Model(make().eval(), preprocessing=stated)
    assert gives_classes(model, wanted)
    if wanted == "head":
        assert not gives_classes(model, "conv")
