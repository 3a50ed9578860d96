"""Networks that cut a part out of their input: maps lie over that part, not over all of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

import cnnviz

SIDE, PART = 32, 16
Cut = Callable[[torch.Tensor], torch.Tensor]
CUTS: dict[str, tuple[Cut, tuple[slice, slice]]] = {
    "corner": (lambda x: x[:, :, 16:, 16:], (slice(16, 32), slice(16, 32))),
    "middle": (v2.CenterCrop(PART), (slice(8, 24), slice(8, 24))),
    "negative padding": (lambda x: F.pad(x, (-4, -12, -8, -8)), (slice(8, 24), slice(4, 20))),
    "rows": (lambda x: x[:, :, :16], (slice(0, 16), slice(0, 32))),
}


class _Cuts(nn.Module):
    def __init__(self, cut: Cut) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.head, self.cut = nn.Linear(6, 4), cut

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = F.relu(self.b(F.relu(self.a(self.cut(images)))))
        return self.head(maps.mean((2, 3)))


def _images() -> torch.Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def _by_hand(network: nn.Module, images: torch.Tensor, method: str, index: list[int]) -> np.ndarray:
    held: list[torch.Tensor] = []
    hook = network.b.register_forward_hook(lambda layer, given, output: held.append(output))
    scores = network(images)
    hook.remove()
    slopes = torch.autograd.grad(scores[range(len(images)), index].sum(), held[0])[0]
    weights = slopes.mean((2, 3), keepdim=True) if method == "gradcam" else slopes
    return (held[0] * weights).sum(1).detach().numpy()


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
@pytest.mark.parametrize("name", CUTS)
def test_a_map_lies_over_the_part_that_was_cut_out_and_is_zero_around_it(
    name: str, method: str
) -> None:
    cut, part = CUTS[name]
    network, images = _Cuts(cut).eval(), _images()
    found = cnnviz.cam(cnnviz.capture(network, images, layers=["b"]), method=method)
    assert found.maps[0].shape == (2, SIDE, SIDE)
    index = network(images).argmax(1).tolist()
    wanted = np.zeros((2, SIDE, SIDE))
    wanted[:, *part] = _by_hand(network.double(), images.double(), method, index)
    np.testing.assert_allclose(found.maps[0], wanted, atol=1e-6 * np.abs(wanted).max())
    assert any("cuts a part out of the image" in note for note in found.notes)


def test_channels_mask_what_they_see_of_an_image() -> None:
    cut, part = CUTS["corner"]
    network, images = _Cuts(cut).eval(), _images()[:1]
    found = cnnviz.cam(cnnviz.capture(network, images, layers=["b"]), method="scorecam")
    alone = _Cuts(lambda x: x).eval()
    inside = images[:, :, *part]
    wanted = cnnviz.cam(cnnviz.capture(alone, inside, layers=["b"]), method="scorecam").maps[0]
    np.testing.assert_allclose(found.maps[0][:, *part], wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(
    "way",
    [
        lambda x: F.interpolate(x, (8, 8), mode="bilinear"),
        lambda x: F.interpolate(F.interpolate(x, (8, 8), mode="bilinear"), scale_factor=4),
        lambda x: F.conv2d(x, torch.ones(3, 3, 5, 5, dtype=x.dtype), stride=5),
        lambda x: x[:, :, 1::2, 1::2],
        lambda x: F.avg_pool2d(x, 5, 3),
    ],
    ids=[
        "resized",
        "resized and back",
        "patches that do not fit",
        "every other pixel",
        "windows that do not fit",
    ],
)
def test_what_windows_leave_is_not_cut_out(way: Cut) -> None:
    held = cnnviz.capture(_Cuts(way).eval(), _images(), layers=["b"])
    assert held.layout(("b", 0)).covers_input
    assert not any("cuts a part" in note for note in cnnviz.cam(held).notes)


def _canvas(x: torch.Tensor) -> torch.Tensor:
    room = x.new_zeros(*x.shape[:2], *(size + 8 for size in x.shape[2:]))
    room[(..., *(slice(3, 3 + size) for size in x.shape[2:]))] = x
    return room


def _token(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x.new_ones(*x.shape[:2], 1), x], 2)


@pytest.mark.parametrize(
    ("cut", "bottom"),
    [
        (lambda x: x[:, :, :56], 56 / 64),
        (lambda x: F.pad(x, (0, 0, 0, -8)), 56 / 64),
        # What windows leave, and a cut of which other channels see the rest, is no cut.
        (lambda x: F.avg_pool2d(x, 1)[:, :2], 1.0),
        (lambda x: torch.cat([x[:, :1, :56], x[:, 1:2, 8:]], 1), 1.0),
    ],
    ids=["slice", "padding", "channels", "both ends"],
)
def test_a_cut_at_the_end_of_less_than_a_position_of_the_map_is_told(
    cut: Cut, bottom: float
) -> None:
    channels = cut(torch.zeros(1, 3, 64, 64)).shape[1]
    torch.manual_seed(0)
    coarse = nn.Conv2d(channels, 4, 16, stride=16)

    class Coarse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.head = coarse, nn.Linear(4, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(F.relu(self.a(F.pad(cut(images), (0, 0, 0, 8)))).mean((2, 3)))

    held = cnnviz.capture(Coarse().eval(), torch.rand(1, 3, 64, 64), layers=["a"])
    assert held.layout("a").extent == ((0.0, bottom), (0.0, 1.0))


Inside = tuple[slice, ...]
ELSEWHERE: dict[str, tuple[Cut, tuple[int, ...], Inside, Inside]] = {
    # The size of the input, which part of the map lies over it, and over which part of it.
    "a part of a signal": (lambda x: x[:, :, 40:], (64,), (slice(0, 24),), (slice(40, 64),)),
    "a padded signal": (lambda x: F.pad(x, (5, 2)), (64,), (slice(5, 69),), (slice(0, 64),)),
    "a mirrored border": (
        lambda x: F.pad(x, (3, 3), mode="reflect"),
        (64,),
        (slice(3, 67),),
        (slice(0, 64),),
    ),
    "a signal on a canvas": (_canvas, (64,), (slice(3, 67),), (slice(0, 64),)),
    "a token before a signal": (_token, (64,), (slice(1, 65),), (slice(0, 64),)),
    "a part of a volume": (
        lambda x: x[:, :, :3, 2:, 3:9],
        (6, 8, 9),
        (slice(0, 3), slice(0, 6), slice(0, 6)),
        (slice(0, 3), slice(2, 8), slice(3, 9)),
    ),
    "a volume on a canvas": (_canvas, (6, 8, 9), (slice(3, 9), slice(3, 11), slice(3, 12)), ()),
}


class _Elsewhere(_Cuts):
    def __init__(self, cut: Cut, axes: int) -> None:
        super().__init__(cut)
        torch.manual_seed(0)
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.a, self.b = convolution(2, 4, 3, padding=1), convolution(4, 6, 3, padding=1)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        maps = F.relu(self.b(F.relu(self.a(self.cut(given)))))
        return self.head(maps.flatten(2).mean(2))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_maps_of_signals_and_volumes_lie_where_the_network_sees_them(name: str) -> None:
    cut, size, within, over = ELSEWHERE[name]
    network = _Elsewhere(cut, len(size)).eval()
    given = torch.rand(2, 2, *size, generator=torch.Generator().manual_seed(1))
    model = cnnviz.load(network)
    found = cnnviz.cam(cnnviz.capture(model, given, layers=["b"]), layer="b", method="hirescam")
    index = network(given).argmax(1).tolist()
    wanted = np.zeros((2, *size))
    by_hand = _by_hand(network.double(), given.double(), "hirescam", index)
    wanted[(slice(None), *over)] = by_hand[(slice(None), *within)]
    np.testing.assert_allclose(found.maps[0], wanted, atol=1e-6 * np.abs(wanted).max())


def test_of_a_part_of_a_signal_units_and_fine_maps_lie_over_the_part() -> None:
    network = _Elsewhere(lambda x: x[:, :, 40:], 1).eval()
    model = cnnviz.load(network)
    signals = torch.rand(1, 2, 64, generator=torch.Generator().manual_seed(1))
    fine = cnnviz.attribute(model, signals, "guided_gradcam").maps[0]
    assert fine[..., 40:].any()
    assert not fine[..., :40].any()
    held = cnnviz.capture(model, signals, layers=["a"])
    found = cnnviz.deconvnet(model, signals, layer="a", channels=[0])
    assert all(window.starts[0] >= 40 - 1 for window in found.windows[0])
    np.testing.assert_allclose(found.activations[0], held.activations["a"][:, 0].amax(1), rtol=1e-5)
