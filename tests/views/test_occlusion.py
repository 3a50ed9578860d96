"""The view against captum's Occlusion, and what it tells of its work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnnviz.errors import TargetError, UsageError
from cnnviz.images.baselines import BASELINES, baseline_images
from cnnviz.models import as_model, load
from cnnviz.passes.targets import Contrast
from cnnviz.views._occlusion_search import SAMPLES
from cnnviz.views.occlusion import occlusion
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def images(count: int = 1, side: int = 24, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def captums(module: nn.Module, x: torch.Tensor, window: int, stride: int, target, baseline):
    """Return captum's map, the same in every channel."""
    from captum.attr import Occlusion

    channels = x.shape[1]
    found = Occlusion(module).attribute(
        x,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        baselines=baseline,
        target=target,
    )
    return found[:, 0].numpy()


@pytest.mark.parametrize(
    ("fill", "window", "stride"),
    [*((fill, 7, 5) for fill in BASELINES), ("mean", 8, 4), ("blur", 23, 3), ("mean", 5, 5)],
)
def test_maps_are_those_of_captum(fill, window: int, stride: int) -> None:
    module, x = lasting_network(), images(2)
    baseline = baseline_images(as_model(module).preprocessing, x, fill)
    found = occlusion(module, x, window, stride, fill, target=[1, 3])
    wanted = captums(module, x, window, stride, [1, 3], baseline)
    np.testing.assert_allclose(found.maps[0], wanted, atol=1e-6)
    assert found.maps[0].dtype == np.float32


def test_drops_are_those_of_single_squares() -> None:
    module, x = tiny_network(), images(side=20)
    found = occlusion(module, x, 8, 6, "black", target=2)
    assert found.drops.shape == (1, 3, 3)
    low = baseline_images(as_model(module).preprocessing, x, "black")
    hidden = x.clone()
    hidden[:, :, 6:14, 12:20] = low[:, :, 6:14, 12:20]
    with torch.no_grad():
        wanted = (module(x) - module(hidden))[0, 2]
    assert found.drops[0, 1, 2] == pytest.approx(float(wanted), abs=1e-6)
    assert set(found.arrays()) == {"map input", "drops"}


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.0, ""), (1e-3, "of which rounding makes up to"), (1e-7, "this map does not tell")],
)
def test_drops_that_may_be_the_rounding_of_a_large_score_are_told(share: float, said: str) -> None:
    module, x = tiny_network(), images(side=20)
    found = occlusion(module, x, 8, 6, "black", lambda output: 1.0 + share * output[:, 2])
    exact, values = tiny_network().double(), x.double()
    hidden = values.clone()
    hidden[:, :, 6:14, 12:20] = baseline_images(
        as_model(module).preprocessing, x, "black"
    ).double()[:, :, 6:14, 12:20]
    with torch.no_grad():
        lost = share * float((exact(values) - exact(hidden))[0, 2])
    rounding = float(np.finfo(np.float32).eps)
    assert abs(float(found.drops[0, 1, 2]) - lost) < 2.0 * rounding
    told = [note for note in (*found.notes, *found.doubts) if "the score, " in note]
    assert bool(found.doubts) == any(found.marks[0]) == said.endswith("does not tell")
    assert bool(told) == bool(said)
    assert all(said in note for note in told)


def test_each_image_is_explained_by_its_own_likeliest_class() -> None:
    module, x = lasting_network(), images(3)
    together = occlusion(module, x, 8, 8)
    alone = [occlusion(module, one[None], 8, 8) for one in x]
    assert together.targets == tuple(one.targets[0] for one in alone)
    for place, one in enumerate(alone):
        np.testing.assert_allclose(together.maps[0][place], one.maps[0][0], atol=1e-6)


def test_a_contrast_and_a_callable_can_be_explained() -> None:
    module, x = lasting_network(), images()
    contrast = occlusion(module, x, 8, 8, target=Contrast(1, 2))
    called = occlusion(module, x, 8, 8, target=lambda output: output[:, 1] - output[:, 2])
    np.testing.assert_allclose(contrast.drops, called.drops, atol=1e-6)
    assert np.ptp(contrast.drops) > 0


def test_a_network_that_segments_is_explained_by_a_callable() -> None:
    module = nn.Conv2d(3, 2, 3, padding=1).eval()
    found = occlusion(module, images(), 8, 8, "black", lambda maps: maps[:, 0].sum((1, 2)))
    with torch.no_grad():
        x = images()
        low = baseline_images(as_model(module).preprocessing, x, "black")
        total = module(x)[:, 0].sum() - module(low)[:, 0].sum()
    # A convolution is linear, so the squares, which tile the image, share the whole drop.
    assert found.drops.sum() == pytest.approx(float(total), abs=1e-3)


def test_the_model_and_the_images_are_left_as_they_were() -> None:
    module, x = tiny_network().train(), images()
    before, kept = state(module), x.clone()
    occlusion(module, x, 8, 4, "noise", approximate=0.5)
    assert state(module) == before
    assert torch.equal(x, kept)


def test_noise_is_the_same_each_time() -> None:
    one, other = (occlusion(tiny_network(), images(), 8, 8, "noise") for _ in range(2))
    np.testing.assert_array_equal(one.maps[0], other.maps[0])


def test_a_surrounding_inference_mode_does_not_reach_in() -> None:
    module = lasting_network()
    with torch.inference_mode():
        found = occlusion(module, images(), 8, 8, target=0)
    np.testing.assert_array_equal(
        found.drops, occlusion(lasting_network(), images(), 8, 8, target=0).drops
    )


class _Flipped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = tiny_network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(functional.relu(x).flip(3))


def test_the_operation_that_needs_whole_maps_is_named() -> None:
    found = occlusion(_Flipped().eval(), images(), 8, 8)
    assert any("operation 'flip', for which there is no rule" in note for note in found.notes)
    assert not any("no rule" in note for note in occlusion(lasting_network(), images(), 8, 8).notes)


def test_a_window_that_does_not_fit_is_halved_and_told() -> None:
    found = occlusion(lasting_network(), images(side=20))
    assert (found.window, found.stride, found.drops.shape) == (10, 5, (1, 3, 3))
    assert found.notes[0] == "Squares of 32 px do not fit into an input of 20 x 20 px."


def test_a_window_that_would_hide_everything_is_halved_and_told() -> None:
    found = occlusion(lasting_network(), images(side=32))
    assert (found.window, found.stride, found.drops.shape) == (16, 8, (1, 3, 3))
    assert found.notes[0] == "Squares of 32 px hide all of an input of 32 x 32 px."
    wide = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    assert occlusion(lasting_network(), wide, 8, 8).drops.shape == (1, 1, 2)


def test_an_approximation_tells_its_error_where_it_was_measured() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(5) for layer in (nn.Conv2d(3, 3, 5, padding=2), nn.ReLU())]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 32 * 32, 3)).eval()
    x = images(side=32)
    exact = occlusion(module, x, 8, 4, target=0)
    near = occlusion(module, x, 8, 4, target=0, approximate=0.25)
    told = near.notes[-1]
    assert f"at most 25% of a layer's side: at {SAMPLES} of 49 squares" in told
    places = np.unique(np.linspace(0, 48, SAMPLES).round().astype(int))
    errors = np.abs(near.drops - exact.drops).reshape(-1)[places]
    assert f"off by {errors.mean():.2g} on average and {errors.max():.2g} at most" in told
    assert errors.max() > 0


def test_progress_counts_squares() -> None:
    told: list[tuple[int, int]] = []
    occlusion(
        tiny_network(), images(2), 8, 8, progress=lambda done, total, _: told.append((done, total))
    )
    assert told[0] == (0, 18)
    assert told[-1] == (18, 18)
    assert told == sorted(told)


@each_case(
    ("arguments", "message"),
    [
        ({"window": 0}, "window cannot be 0"),
        ({"window": 4, "stride": 5}, "Squares of 4 px cannot go in steps of 5 px"),
        ({"stride": 0}, "stride cannot be 0"),
        ({"fill": "pink"}, "There is no fill 'pink'"),
        ({"approximate": 0.0}, "approximate cannot be 0"),
        ({"approximate": 1.5}, r"approximate cannot be 1\.5"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        occlusion(lasting_network(), images(), **arguments)


def test_an_unknown_class_is_a_sentence() -> None:
    with pytest.raises(TargetError, match="There is no class 9"):
        occlusion(lasting_network(), images(), 8, 8, target=9)


def test_the_picture_says_what_is_measured_and_behind_which_squares() -> None:
    found = occlusion(lasting_network(), images()[:1], 8, 4)
    (bar,) = found.figure().axes[-1].child_axes
    said = bar.get_ylabel().replace("\n", " ")
    assert said == "fall of the score behind squares of 8 x 8 px"
    assert found.summary().endswith("at the input")


def test_the_caption_tells_the_squares() -> None:
    caption = occlusion(lasting_network(), images(), 8, 4).caption()
    assert "Squares of 8 x 8 px, 4 px apart (5 x 5), hide the image behind its mean" in caption
    assert "Red is evidence for the target" in caption


def test_the_colour_that_hides_is_told_of_what_the_network_saw() -> None:
    # Left and right of the square in the middle are cut off, and not in its mean.
    photo = np.full((96, 128, 3), 255, np.uint8)
    photo[:, 16:112] = [[[10, 200, 30]]]
    photo[:48, 16:112] = [[[20, 100, 30]]]
    model = load()
    (told,) = (note for note in occlusion(model, photo, 32, 32).notes if "mean colour of" in note)
    assert told == "The mean colour of what the network saw, from 0 to 255: RGB 15, 150, 30."
    two = occlusion(model, [photo, np.full_like(photo, 7)], 32, 32).notes[1]
    assert two.endswith("255: image 0 RGB 15, 150, 30; image 1 RGB 7, 7, 7.")
    assert not any(
        "mean colour of" in note for note in occlusion(model, photo, 32, 32, "blur").notes
    )
