"""What a network that does not fit its input is told, and that one that does is left to itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import LayerError, ModelError
from cnnviz.introspection.forward import check_differentiable, forward
from tests.helpers.each_case import each_case


class Pair(nn.Module):
    """Returns what no check of shapes could make sense of."""

    def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"same": inputs}


def test_what_the_network_returns_comes_back_untouched() -> None:
    images = torch.zeros(1, 3, 4, 4)
    assert forward(Pair(), images)["same"] is images


def test_a_misfit_tells_both_shapes_and_keeps_what_torch_said() -> None:
    network = nn.Conv2d(3, 4, 3)
    with pytest.raises(ModelError, match=r"mine cannot run on an input \[1, 1, 8, 8\]") as caught:
        forward(network, torch.zeros(1, 1, 8, 8), "mine", lambda: [(3, 9, 8)])
    assert caught.value.remedy == "It runs on an input [1, 3, 9, 8]: give such an image."
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "expected input[1, 1, 8, 8] to have 3 channels" in str(caught.value.__cause__)
    # One line of what torch said, without the full stop that the sentence has.
    assert "\n" not in caught.value.what
    assert not caught.value.what.endswith("..")


def test_another_shape_is_proposed_only_where_the_network_runs_on_it() -> None:
    class Single(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            assert len(inputs) == 1
            return inputs

    class Never(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            raise ValueError("not today")

    def remedy(network: nn.Module, *shape: int) -> str:
        with pytest.raises(ModelError, match=f"{type(network).__name__} cannot run") as caught:
            cnnviz.Model(network).forward(torch.zeros(shape))
        return caught.value.remedy

    assert remedy(nn.Conv2d(1, 2, 3), 1, 3, 8, 8).startswith("It runs on an input [1, 1, 224, 224]")
    assert remedy(nn.Linear(28, 2), 1, 3, 8, 8).startswith("It runs on an input [1, 3, 28, 28]")
    assert remedy(Single(), 2, 3, 8, 8) == "It runs on an input [1, 3, 8, 8]: give one image."
    assert remedy(nn.Linear(5, 2), 1, 3, 8, 8).startswith("It runs on an input [1, 3, 5, 5]")
    told = remedy(Never(), 1, 3, 8, 8)
    assert told.startswith("It does not run on 1 other shape either. Call it by itself")


def test_no_shape_is_proposed_that_nobody_has_tried() -> None:
    with pytest.raises(ModelError, match="Linear cannot run") as caught:
        forward(nn.Linear(5, 2), torch.zeros(1, 3, 8, 8))
    assert caught.value.remedy.startswith("Call it by itself, on zeros of the shape")
    with pytest.raises(ModelError, match="Linear cannot run"):
        forward(nn.Linear(5, 2), torch.zeros(3))


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (nn.Conv1d(3, 4, 3), "Conv1d only"),
        (nn.Sequential(nn.Conv1d(3, 4, 3), nn.Conv3d(3, 4, 3)), "Conv1d and Conv3d only"),
    ],
)
def test_a_network_of_other_things_than_images_is_told_so(network: nn.Module, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        forward(network, torch.zeros(1, 3, 8, 8, 1)[..., 0], expected=lambda: (3, 8, 8))
    assert said in caught.value.remedy


@pytest.mark.parametrize("kind", [ValueError, TypeError, IndexError, AssertionError])
def test_networks_refuse_a_size_in_many_ways(kind: type[Exception]) -> None:
    class Picky(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            raise kind

    with pytest.raises(ModelError, match=rf"Picky cannot run .*: {kind.__name__}"):
        forward(Picky(), torch.zeros(1, 3, 8, 8))


@each_case(
    ("kind", "met", "said"),
    [
        (KeyboardInterrupt, KeyboardInterrupt, "other"),
        (MemoryError, ModelError, "There is too little memory to run Broken"),
        (KeyError, ModelError, "Broken fails on an input .*: KeyError: 'other'"),
    ],
)
def test_what_is_no_misfit_is_told_as_what_it_is(
    kind: type[BaseException], met: type[BaseException], said: str
) -> None:
    class Broken(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            raise kind("other")

    with pytest.raises(met, match=said):
        forward(Broken(), torch.zeros(1, 3, 8, 8))


def test_an_output_without_a_graph_is_a_sentence() -> None:
    images = torch.zeros(1, 3, requires_grad=True)
    check_differentiable(images * 2.0, "mine")
    with pytest.raises(ModelError, match="The output of mine does not depend on its input"):
        check_differentiable(images.detach() * 2.0, "mine")


@each_case(
    ("convolution", "shape", "order"),
    [
        (nn.Conv1d, (1, 3, 9), "N, L, C"),
        (nn.Conv2d, (1, 3, 9, 8), "N, H, W, C"),
        (nn.Conv3d, (1, 3, 5, 6, 7), "N, D, H, W, C"),
    ],
)
def test_a_network_that_takes_the_channels_last_is_told_so(convolution, shape, order):
    class ChannelsLast(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = convolution(3, 2, 1)

        def forward(self, x):
            return self.inner(x.movedim(-1, 1))

    with pytest.raises(ModelError) as refused:
        forward(ChannelsLast(), torch.zeros(shape))
    assert f"takes the axes in the order {order}, and is given N, C" in refused.value.remedy
    assert "x.movedim(1, -1)" in refused.value.remedy


def test_a_layer_within_vmap_is_refused_by_name_and_not_by_its_size() -> None:
    class Mapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.vmap(lambda image: self.conv(image[None])[0].mean((1, 2)))(inputs)

    with pytest.raises(LayerError, match=r"'conv' is called within torch\.vmap"):
        cnnviz.capture(Mapped(), torch.zeros(1, 3, 8, 8), layers=["conv"])
