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
from cnnviz.errors import LayerError
from cnnviz.introspection.tracing.map_layout import WHOLE

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
    assert held.layout(("b", 0)).extent == WHOLE
    assert not any("cuts a part" in note for note in cnnviz.cam(held).notes)


def test_of_a_part_of_a_signal_units_are_shown_and_heatmaps_refused() -> None:
    class Cuts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.head = nn.Conv1d(2, 4, 3, padding=1), nn.Linear(4, 3)

        def forward(self, signals: torch.Tensor) -> torch.Tensor:
            return self.head(F.relu(self.a(signals[:, :, 40:])).mean(2))

    model = cnnviz.load(Cuts().eval())
    signals = torch.rand(1, 2, 64, generator=torch.Generator().manual_seed(1))
    held = cnnviz.capture(model, signals, layers=["a"])
    with pytest.raises(LayerError, match="'a' covers a part of the signal alone"):
        cnnviz.cam(held, layer="a")
    with pytest.raises(LayerError, match="'a' covers a part of the signal alone"):
        cnnviz.attribute(model, signals, "guided_gradcam")
    found = cnnviz.deconvnet(model, signals, layer="a", channels=[0])
    assert all(window.starts[0] >= 40 - 1 for window in found.windows[0])
    np.testing.assert_allclose(found.activations[0], held.activations["a"][:, 0].amax(1), rtol=1e-5)
