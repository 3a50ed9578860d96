"""The order of the layers' calls, and the last layer at each resolution."""

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.models import Model, as_model
from cnnviz.passes.call_order import call_order


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(self.conv(x)) + x)


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        Block(),
        Block(),
        nn.Dropout(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 10, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def test_class_names_that_choose_a_head_choose_its_stages() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 7, 3)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"age": self.first(x).mean((2, 3)), "breed": self.second(x).mean((2, 3))}

    network, x = Heads(), torch.rand(1, 3, 8, 8)
    for names, other in (("abcde", "second"), ("abcdefg", "first")):
        order = call_order(Model(network, categories=list(names)), x)
        assert order.unreached == {(other, 0)}


def test_stages_are_the_last_layer_at_each_resolution(network: nn.Module) -> None:
    order = call_order(as_model(network), torch.zeros(1, 3, 8, 8))
    # 8 x 8 ends with the ReLU, 4 x 4 with the second block; 2 x 2 holds the class maps only.
    assert order.stages() == ("1", "4")
    assert order.classes == 10


def test_a_stage_ends_with_a_block_and_not_inside_the_next() -> None:
    class Down(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Conv2d(4, 4, 1)
            self.narrow = nn.Conv2d(4, 4, 3, stride=2, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.narrow(self.wide(x))

    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Block(), Down())
    order = call_order(as_model(network), torch.zeros(1, 3, 8, 8))
    assert order.stages() == ("1", "2.narrow")


def test_a_list_of_blocks_is_no_block() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.blocks = nn.ModuleList([Block(), Block()])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return x

    order = call_order(as_model(Listed()), torch.zeros(1, 3, 8, 8))
    assert order.stages() == ("blocks.1",)


def test_channels_last_maps_are_maps() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 30, 1)
            self.norm = nn.LayerNorm(30)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.conv(x).permute(0, 2, 3, 1))

    order = call_order(as_model(Last()), torch.zeros(1, 3, 8, 8))
    assert order.stages() == ("norm",)


def test_calls_are_counted_in_order(network: nn.Module) -> None:
    order = call_order(as_model(network), torch.zeros(1, 3, 8, 8))
    names = [(call.name, call.index) for call in order.calls]
    assert names[:6] == [("0", 0), ("1", 0), ("2", 0), ("3.conv", 0), ("3.relu", 0), ("3.relu", 1)]
    assert order.last(["3.relu", "1"]) == ("3.relu", 1)
    assert order.last(["nowhere"]) is None


def test_how_the_output_is_read_is_told_of_a_network_that_another_model_was_around(
    network: nn.Module,
) -> None:
    images = torch.rand(1, 3, 32, 32)
    first, second, named = Model(network), Model(network), Model(network, output="labels")
    for model in (first, second, named):
        call_order(model, images)
    assert first.provenance().output
    assert second.provenance() == first.provenance()
    assert named.provenance().output != first.provenance().output


def test_the_order_is_found_anew_when_a_layer_is_exchanged(network: nn.Module) -> None:
    model = as_model(network)
    first = call_order(model, torch.zeros(1, 3, 8, 8))
    assert call_order(model, torch.zeros(2, 3, 8, 8)) is first
    network[6] = nn.Identity()
    assert call_order(model, torch.zeros(1, 3, 8, 8)) is not first


def test_maps_of_another_shape_than_the_image_end_stages_where_there_are_no_others() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=(2, 1), padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=(2, 1), padding=1),
    )
    order = call_order(as_model(network), torch.zeros(1, 3, 16, 16))
    assert order.stages() == ("1", "2")


def test_every_view_takes_the_last_call_of_a_layer_that_goes_on_over_its_own_maps() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)
            self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            given = self.a(x)
            state = torch.zeros_like(given)
            for _ in range(3):
                state = self.b(torch.cat([given, state], 1)).tanh()
            scores: torch.Tensor = self.head(state.mean((2, 3)))
            return scores

    model, x = Model(Recurrent()), torch.rand(1, 3, 12, 12)
    order = call_order(model, x)
    assert order.stage_layers() == ("a", "b")
    assert order.stage_keys() == (("a", 0), ("b", 2))
    assert cnnviz.deconvnet(model, x).layer == "b#2"
    assert cnnviz.receptive_field(model, x).layers == ("a", "b#2")
