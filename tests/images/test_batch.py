"""A broken image does not stop the others, and a tensor is taken as it is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnviz.errors import ImageError, UsageError
from cnnviz.images import IMAGENET, PhotoBox, Preprocessing, Refusal, prepare, read_photo
from tests.helpers.each_case import each_case

PLAIN = Preprocessing(16, (16, 16), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def pixels(seed: int = 0, height: int = 20, width: int = 30) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("first.png", "second.png")):
        Image.fromarray(pixels(seed)).save(tmp_path / name)
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.png").write_bytes((tmp_path / "first.png").read_bytes()[:900])
    return tmp_path


def test_broken_images_are_refused_by_name_while_the_others_go_on(folder: Path) -> None:
    names = ["empty.png", "first.png", "cut.png", "gone.png", "second.png"]
    batch = prepare([folder / name for name in names], PLAIN)
    assert [photo.name for photo in batch.photos] == ["first.png", "second.png"]
    assert len(batch) == len(batch.boxes) == len(batch.tensor) == 2
    assert [refusal.name for refusal in batch.refused] == ["empty.png", "cut.png", "gone.png"]
    assert batch.refused[0] == Refusal(
        "empty.png", "the file is empty", "Copy or download it again."
    )
    assert str(batch.refused[0]) == "empty.png: the file is empty. Copy or download it again."
    torch.testing.assert_close(batch.tensor[1], PLAIN(read_photo(folder / "second.png")))


@pytest.mark.parametrize("kind", ["path", "str", "pil", "array", "photo"])
def test_one_image_of_any_kind(folder: Path, kind: str) -> None:
    path = folder / "first.png"
    with Image.open(path) as opened:
        sources = {
            "path": path,
            "str": str(path),
            "pil": opened,
            "array": pixels(),
            "photo": read_photo(path),
        }
        batch = prepare(sources[kind], PLAIN)
    assert batch.tensor.shape == (1, 3, 16, 16)
    assert torch.equal(batch.tensor[0], PLAIN(read_photo(pixels())))
    assert batch.photos[0].name == ("image 0" if kind == "array" else "first.png")
    assert batch.boxes == (PLAIN.box(20, 30),)


def test_images_in_memory_are_numbered(folder: Path) -> None:
    images = (pixels(), folder / "first.png", Image.fromarray(pixels()))
    batch = prepare(images, PLAIN)
    assert [photo.name for photo in batch.photos] == ["image 0", "first.png", "image 2"]
    stacked = prepare(np.stack([pixels(0), pixels(1)]), PLAIN)
    assert [photo.name for photo in stacked.photos] == ["image 0", "image 1"]
    assert len(prepare((pixels(seed) for seed in range(3)), PLAIN)) == 3


def test_an_extreme_shape_is_refused_like_a_broken_file() -> None:
    batch = prepare([np.zeros((1, 60_000, 3), np.uint8), pixels()], IMAGENET)
    assert len(batch) == 1
    assert "would become" in batch.refused[0].reason


def test_nothing_left(folder: Path) -> None:
    with pytest.raises(ImageError, match=r"^empty.png: the file is empty\."):
        prepare([folder / "empty.png"], PLAIN)
    with pytest.raises(
        ImageError, match=r"None of the 2 images can be used \(empty.png: .*; gone.png: "
    ):
        prepare([folder / "empty.png", folder / "gone.png"], PLAIN)
    with pytest.raises(ImageError, match="and 2 more"):
        prepare([folder / "empty.png"] * 7, PLAIN)


@each_case("nothing", [[], (), np.zeros((0, 8, 8, 3), np.uint8), torch.zeros(0, 3, 8, 8)])
def test_no_image(nothing: object) -> None:
    with pytest.raises(ImageError, match="No image was given"):
        prepare(nothing, PLAIN)


def test_sizes_that_differ(folder: Path) -> None:
    uncropped = Preprocessing(16, None, (0.5,) * 3, (0.25,) * 3)
    with pytest.raises(
        ImageError, match=r"different sizes: first.png as \[3, 16, 24\] and image 1"
    ):
        prepare([folder / "first.png", pixels(1, 40, 40)], uncropped)
    assert prepare([pixels(0), pixels(1)], uncropped).tensor.shape == (2, 3, 16, 24)


def test_channels_that_a_photo_cannot_fill() -> None:
    with pytest.raises(ImageError, match="is of 7 channels"):
        prepare([pixels()], Preprocessing(8, (8, 8), (0.0,) * 7, (1.0,) * 7))


@pytest.mark.parametrize("stacked", [True, False])
def test_float_tensors_are_taken_as_preprocessed(stacked: bool) -> None:
    tensor = torch.stack([PLAIN(read_photo(pixels(seed))) for seed in range(2)])
    batch = prepare(tensor if stacked else list(tensor), PLAIN)
    assert torch.equal(batch.tensor, tensor)
    assert batch.boxes == (PhotoBox(0, 0, 16, 16),) * 2
    assert [photo.name for photo in batch.photos] == ["image 0", "image 1"]
    np.testing.assert_array_equal(batch.photos[1].pixels, PLAIN.invert(tensor[1]))
    assert batch.photos[0].notes == ("given as a preprocessed tensor",)


def test_a_single_tensor_is_copied() -> None:
    tensor = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    batch = prepare(tensor, PLAIN)
    assert batch.tensor.shape == (1, 3, 16, 16)
    assert not batch.tensor.requires_grad
    batch.tensor.zero_()
    assert tensor.abs().sum() > 0


def test_clipped_values_are_said() -> None:
    tensor = torch.zeros(1, 3, 4, 4)
    tensor[0, :, 0] = 9
    (photo,) = prepare(tensor, PLAIN).photos
    assert photo.notes[1] == "25.0% of its values lie beyond black or white and are shown clipped"


def test_a_float_tensor_of_bytes_is_told_where_the_network_takes_other_numbers() -> None:
    tensor = torch.linspace(0, 255, 48).reshape(1, 3, 4, 4)
    told = prepare(tensor, PLAIN).photos[0].notes[-1]
    assert told.startswith("its values run from 0 to 255 like those of pixels")
    bytes_taken = Preprocessing(None, None, (0.0,) * 3, (1 / 255,) * 3)
    assert len(prepare(tensor, bytes_taken).photos[0].notes) == 1
    for other in (tensor - 104, tensor / 50, tensor * 2):
        assert "pixels" not in " ".join(prepare(other, PLAIN).photos[0].notes)


def test_any_number_of_channels_as_a_tensor() -> None:
    seven = Preprocessing(None, None, (0.0,) * 7, (1.0,) * 7)
    batch = prepare(torch.full((2, 7, 5, 6), 0.5), seven)
    assert batch.tensor.shape == (2, 7, 5, 6)
    assert batch.photos[0].pixels.shape == (5, 6, 3)


@each_case(
    ("images", "message"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"torch.uint8.*permute"),
        (torch.zeros(8, 8), r"shape \[8, 8\]"),
        (torch.zeros(1, 2, 3, 8, 8), r"shape \[1, 2, 3, 8, 8\]"),
        (torch.zeros(1, 8, 8), r"has 1 channel, and the network takes 3"),
        (torch.full((3, 8, 8), float("nan")), "not finite"),
        ([torch.zeros(3, 8, 8), pixels()], "mixed"),
    ],
)
def test_tensors_that_do_not_fit(images: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare(images, PLAIN)


def test_tensors_of_different_sizes() -> None:
    with pytest.raises(ImageError, match="different sizes"):
        prepare([torch.zeros(3, 8, 8), torch.zeros(3, 8, 9)], PLAIN)


def test_dtype_and_device() -> None:
    batch = prepare(pixels(), PLAIN, device="cpu", dtype=torch.float64)
    assert batch.tensor.dtype == torch.float64
    assert batch.tensor.device.type == "cpu"


def test_grey_photos_of_the_shared_folder(shared_photos: list[Path]) -> None:
    batch = prepare(shared_photos, IMAGENET)
    assert batch.tensor.shape == (32, 3, 224, 224)
    grey = [photo.name for photo in batch.photos if photo.notes]
    assert grey == ["n02676566_acoustic_guitar.JPEG"]
