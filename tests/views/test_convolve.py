"""A kernel over a photo, a matrix or a network's input: worked out, compared, and moving."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from cnnviz.errors import ImageError, LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.results.drawing import new_figure
from cnnviz.testing import network_state, small_network
from cnnviz.views.convolve import convolve

MATRIX = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
KERNEL = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
PREPARED = Preprocessing(24, (20, 20), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)


def test_the_worked_example_of_every_lecture() -> None:
    found = convolve(MATRIX, KERNEL)
    assert found.result.tolist() == [[[4, 3, 4], [2, 4, 3], [2, 3, 4]]]
    assert found.window.tolist() == [[[1, 1, 1], [0, 1, 1], [0, 0, 1]]]
    assert found.products.tolist() == [[[1, 0, 1], [0, 1, 0], [0, 0, 1]]]
    assert found.total == 4
    worked = convolve(np.array(MATRIX), "1,0,1;0,1,0;1,0,1", at=(0, 2))
    assert (worked.at, worked.total) == ((2, 0), 2)
    texts = {text.get_text() for axes in found.figure().axes for text in axes.texts}
    assert "1 + 0 + 1\n+ 0 + 1 + 0\n+ 0 + 0 + 1\n= 4\nat column 0, row 0 (from 0)" in texts
    assert "all 9 positions" in texts


def test_every_position_is_a_frame_of_the_animation() -> None:
    found = convolve(MATRIX, KERNEL)
    shown = []
    for frame in found.frames():
        total = frame.canvas.axes[1].texts
        shown += [t.get_text() for t in total if "at column" in t.get_text()]
    sums = [int(text.split("= ")[1].split("\n")[0]) for text in shown]
    assert sums == [4, 3, 4, 2, 4, 3, 2, 3, 4, 4], "the last stands still where it was worked out"
    assert len(list(convolve(MATRIX, KERNEL, stride=2).frames())) == 5


def test_a_photo_is_grey_for_edges_and_in_colour_for_blurs(photo: NDArray[np.uint8]) -> None:
    grey = np.asarray(Image.fromarray(photo).convert("L")).astype(np.float64)
    found = convolve(photo, "sobel_x", padding="reflect")
    assert found.channels == ("grey",)
    assert "grey values (0.299 red + 0.587 green + 0.114 blue, rounded)" in found.caption()
    assert ", grey, 24 x 31 px" in "".join(text.get_text() for text in found.figure().axes[0].texts)
    assert "grey" not in convolve(photo, "box_blur").caption()
    expected = cv2.Sobel(grey, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(found.result[0], expected, atol=1e-4)
    blurred = convolve(photo, "box_blur", padding="replicate")
    expected = cv2.blur(photo.astype(np.float64), (3, 3), borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(blurred.result, expected.transpose(2, 0, 1), atol=1e-4)
    assert convolve(photo, "sobel_x", channels="each").result.shape == (3, 24, 31)
    assert convolve(photo, "box_blur", channels="grey").result.shape == (1, 24, 31)
    assert convolve(photo[..., :1].repeat(3, 2), "box_blur").channels == ("grey",)


def test_the_turned_kernel_is_convolution(photo: NDArray[np.uint8]) -> None:
    plain, flipped = convolve(photo, "emboss"), convolve(photo, "emboss", flip=True)
    assert flipped.kernel[0].tolist() == plain.kernel[0, ::-1, ::-1].tolist()
    assert not np.allclose(plain.result, flipped.result)
    assert "cross-correlation" in plain.caption()
    assert "turned by 180 degrees first" in flipped.caption()
    assert "convolution gives the same" in convolve(photo, "laplacian").caption()


@pytest.mark.parametrize(("name", "drawn"), [("sharpen", "picture"), ("laplacian", "signed")])
def test_what_lies_beyond_the_colours_is_said(
    photo: NDArray[np.uint8], name: str, drawn: str
) -> None:
    found = convolve(photo, name)
    assert found.drawn == drawn
    low, high = found.scale
    assert (low, high) == (0, 255) if drawn == "picture" else low == -high
    half = 0.5 if drawn == "picture" else 0.0
    beyond = (found.result < low - half) | (found.result > high + half)
    assert found.beyond == pytest.approx(beyond.mean(), abs=2e-3)
    assert found.beyond > 0
    assert "lie beyond" in found.caption()
    assert "none of its values lies beyond" in convolve(photo, "identity").caption()


def test_the_position_is_one_well_inside_the_photo(photo: NDArray[np.uint8]) -> None:
    photo = photo.copy()
    photo[:, :2], photo[:, 2:4] = 0, 255  # The strongest edge is at the border.
    found = convolve(photo, "sobel_x")
    height, width = photo.shape[:2]
    assert np.abs(found.result[0][:, :4]).max() > np.abs(found.result[0][:, width // 4 : -2]).max()
    # Of the positions where the kernel lies on the photo alone, those of the middle half.
    top, left = (height - 2) // 4 + 1, (width - 2) // 4 + 1
    inner = np.abs(found.result[0][top : height - top, left : width - left])
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    assert found.at == (row + top, column + left)
    assert found.total == pytest.approx(float(found.result[0][found.at]))
    assert "(where the kernel does most in the middle half of the photo)" in found.caption()
    assert "(as asked)" in convolve(photo, "sobel_x", at=(3, 2)).caption()


def test_the_position_is_anywhere_where_the_middle_has_nothing(photo: NDArray[np.uint8]) -> None:
    plain = np.full_like(photo, 90)
    plain[2:4, 1:3] = 200
    found = convolve(plain, "sobel_y")
    assert found.at[0] < 6
    assert found.at[1] < 6
    assert found.total != 0.0
    assert "middle half" not in found.caption()
    assert convolve(np.zeros((2, 2)), np.ones((3, 3)), padding="zero").result.shape == (1, 2, 2)


class Shifted(nn.Module):
    """A network that gives its first layer something else than it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.network = small_network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(2 * x)


def _first(**settings) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        first, last = nn.Conv2d(3, 6, 3, **settings), nn.Linear(6, 2)
    network = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    return Model(network, preprocessing=PREPARED)


@pytest.mark.parametrize(
    "settings",
    [
        {"padding": 1},
        {"stride": 2, "padding": (2, 1), "padding_mode": "reflect"},
        {"dilation": 2, "padding": "same", "padding_mode": "replicate", "bias": False},
        {"stride": (3, 1), "padding": 1, "padding_mode": "circular"},
        {"groups": 3, "padding": 1},
    ],
    ids=str,
)
def test_a_learned_kernel_gives_the_map_of_its_layer(
    photo: NDArray[np.uint8], settings: dict
) -> None:
    model = _first(**settings)
    before = network_state(model.module)
    found = convolve(photo, "0:2", model=model)
    own = capture(model, photo, layers=["0"], gradients=False).activations["0"][0, 2]
    np.testing.assert_allclose(found.result[0], own.numpy(), atol=1e-4)
    assert network_state(model.module) == before
    assert found.products.shape == (3, 3, 3)
    assert not [note for note in found.provenance.notes if "differs" in note]
    found.figure().draw_without_rendering()
    changed = convolve(photo, "0:2", model=model, stride=1, padding="none", dilation=1)
    assert changed.result.shape == (1, 18, 18)


def test_a_layer_that_is_given_something_else_is_told(photo: NDArray[np.uint8]) -> None:
    found = convolve(photo, "network.0:1", model=Model(Shifted(), preprocessing=PREPARED))
    assert "something else than the prepared photo" in found.provenance.notes[-1]


def test_kernels_that_are_not_there_are_sentences(photo: NDArray[np.uint8]) -> None:
    model = Model(small_network(), preprocessing=PREPARED)
    with pytest.raises(UsageError, match=r"no network is given\. Name the network"):
        convolve(photo, "0:1")
    with pytest.raises(UsageError, match="'3' sees 6 feature maps, and not the image"):
        convolve(photo, "3:1", model=model)
    with pytest.raises(UsageError, match="'1' is a ReLU"):
        convolve(photo, "1:0", model=model)
    with pytest.raises(UsageError, match="2 channels"):
        convolve(photo, "0:1-2", model=model)
    with pytest.raises(LayerError, match="no channel 6"):
        convolve(photo, "0:6", model=model)
    for given in ({"stride": 0}, {"dilation": 0}, {"padding": "same"}, {"channels": "red"}):
        with pytest.raises(UsageError):
            convolve(photo, **given)
    with pytest.raises(UsageError, match="no column 31 and row 0"):
        convolve(photo, at=(31, 0))
    for wrong in ([[1, 2], [3]], [["a"]], np.zeros((2, 2, 2, 2)), np.full((3, 3), np.nan)):
        with pytest.raises(UsageError, match="neither an image nor a matrix"):
            convolve(wrong)


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".npy"])
def test_a_matrix_comes_from_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    if suffix == ".npy":
        np.save(path, np.array(MATRIX))
    else:
        comma = "," if suffix == ".csv" else " "
        path.write_text("\n".join(comma.join(map(str, row)) for row in MATRIX))
    found = convolve(path, KERNEL)
    assert (found.image, found.result[0, 0].tolist()) == (path.name, [4, 3, 4])
    path.write_text("1,2\n3")
    with pytest.raises(ImageError, match="is no matrix of numbers"):
        convolve(path)
    with pytest.raises(ImageError, match="no such file"):
        convolve(tmp_path / "n.csv")


def test_a_kernel_of_one_cell_is_not_said_to_make_the_result_smaller() -> None:
    matrix = np.arange(12.0).reshape(3, 4)
    one = convolve(matrix, [[2.0]])
    assert one.result.shape[1:] == (3, 4)
    assert "no padding" in one.caption()
    assert "smaller" not in one.caption()
    assert "smaller than the image" in convolve(matrix, [[1.0, 1.0]]).caption()


def test_numbers_fill_a_slide_and_titles_stand_above_their_pictures() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (30, 90, 3)).astype(np.uint8)
    found = convolve(wide, "sobel_x")

    def share(figure: Figure) -> float:
        figure.draw_without_rendering()
        box = figure.axes[1].images[0].get_window_extent()
        return float(box.width / figure.bbox.width)

    assert share(found.figure(figure=new_figure(13.2, 7.4))) > 1.3 * share(found.figure())
    board = convolve(wide.transpose(1, 0, 2), "sobel_x").figure().axes[0]
    (title,) = [text for text in board.texts if text.get_text().startswith("result, 90 x 30")]
    assert title.get_position()[0] == pytest.approx(board.images[-1].get_extent()[0])


def test_the_callers_own_kernel_is_named_in_a_sentence() -> None:
    assert "What slides over your matrix is your own kernel (3 x 3; given by the caller)." in (
        convolve(MATRIX, KERNEL).caption()
    )


def test_a_zero_that_was_multiplied_with_a_minus_has_no_sign() -> None:
    found = convolve([[1, 2, 3], [0, 1, 2], [1, 0, 1]], "sobel_x")
    texts = [text.get_text() for axes in found.figure().axes for text in axes.texts]
    assert any(text.startswith("−1 + 0 + 3\n+ 0 + 0 + 4\n− 1 + 0 + 1\n= 6") for text in texts)
