"""A call is written alike wherever a reader meets it, and what is read can be typed."""

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.introspection.call_names import call_name, operation_name


class Twice(nn.Module):
    """One convolution that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.shared(torch.relu(self.shared(torch.relu(self.stem(x)))))
        return self.head(found.relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("times", "written"), [(1, "relu"), (2, "relu#0")], ids=["the only call", "one of two"]
)
def test_only_a_call_among_several_has_a_number(times, written):
    assert call_name("relu", 0, times) == written


def test_what_tables_call_a_layer_is_what_options_take():
    model, photo = cnnviz.Model(Twice().eval()), torch.rand(1, 3, 8, 8)
    flow = cnnviz.gradient_flow(model, photo)
    calls = cnnviz.architecture(model, 8).layers
    assert list(flow.points) == ["stem", "shared#0", "shared#1", "head"]
    assert [call.label for call in calls if call.operation is None] == list(flow.points)
    held = cnnviz.capture(model, photo, layers="conv")
    assert list(held.activations) == ["stem", "shared#0", "shared#1"]
    for name in held.activations:
        assert cnnviz.cam(held, name).settings.layers == (
            (name.partition("#")[0], int(name[-1:] == "1")),
        )


def test_calls_of_functions_are_not_written_like_what_options_take():
    calls = cnnviz.architecture(cnnviz.Model(Twice().eval()), 8).layers
    functions = [call.label for call in calls if call.operation is not None]
    assert functions == ["relu (1 of 3)", "relu (2 of 3)", "relu (3 of 3)", "mean"]
    assert operation_name("block", "add", 1, 2) == "block: add (2 of 2)"
    assert operation_name("block", "add", 0, 1) == "block: add"
