"""Signals, volumes and clips from files, arrays and frames."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnviz.errors import ImageError
from cnnviz.images import ArrayInput, ArrayPreprocessing, array_reading, prepare, read_photo
from tests.helpers.each_case import each_case

SIGNAL = ArrayPreprocessing()
STEREO = ArrayPreprocessing(mean=(0.5, 0.0), std=(2.0, 1.0))
VOLUME = ArrayPreprocessing(axes=3)
CLIP = ArrayPreprocessing(mean=(0.0,) * 3, std=(1.0,) * 3, axes=3)


def write_wave(path, samples: np.ndarray, width: int, channels: int = 1) -> None:
    """Write samples from -1 to 1 as PCM of so many bytes."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        whole = np.rint(samples * ((1 << (8 * width - 1)) - 1)).astype("<i8")
        whole = whole + 128 if width == 1 else whole
        data = np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 8)[:, :width]
        file.writeframes(data.tobytes())


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt"])
def test_files_of_numbers_give_their_numbers(tmp_path, suffix: str) -> None:
    values = np.random.default_rng(0).standard_normal((2, 30)).astype(np.float32)
    path = tmp_path / f"one{suffix}"
    if suffix == ".pt":
        torch.save(torch.from_numpy(values), path)
    else:
        (np.save if suffix == ".npy" else np.savez)(path, values)
    batch = prepare(str(path), STEREO)
    expected = (values - np.array([[0.5], [0.0]])) / np.array([[2.0], [1.0]])
    np.testing.assert_allclose(batch.tensor[0].numpy(), expected, rtol=1e-6)
    shown = batch.photos[0]
    assert isinstance(shown, ArrayInput)
    assert shown.name == path.name
    np.testing.assert_allclose(shown.values, values, rtol=1e-5, atol=1e-6)


@each_case("dtype", [np.uint8, np.bool_, np.int16, np.float16, np.float64])
def test_a_tensor_in_a_file_is_what_an_array_of_its_kind_is(tmp_path, dtype: type) -> None:
    """Bytes were divided by 255 in .npy and not in .pt."""
    values = np.arange(60).reshape(2, 30).astype(dtype)
    np.save(tmp_path / "one.npy", values)
    torch.save(torch.from_numpy(values), tmp_path / "one.pt")
    found = [prepare(tmp_path / f"one.{kind}", STEREO) for kind in ("npy", "pt")]
    array, tensor = (each.tensor for each in found)
    assert torch.equal(array, tensor)
    divided = ("bytes, divided by 255",) if dtype is np.uint8 else ()
    assert [each.photos[0].notes for each in found] == [divided] * 2
    if dtype is np.float16:
        torch.save(torch.from_numpy(values).bfloat16(), tmp_path / "one.pt")
        assert torch.equal(array, prepare(tmp_path / "one.pt", STEREO).tensor)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_of_every_width_comes_out_from_minus_one_to_one(tmp_path, width: int) -> None:
    samples = np.sin(np.linspace(0, 20, 200))
    write_wave(tmp_path / "tone.wav", samples, width)
    batch = prepare(tmp_path / "tone.wav", SIGNAL)
    np.testing.assert_allclose(
        batch.tensor[0, 0].numpy(), samples, atol=2.2 / (1 << (8 * width - 1))
    )
    assert f"{8 * width}-bit samples at 8,000 Hz" in batch.photos[0].notes[0]


def test_two_channels_are_averaged_for_a_network_of_one(tmp_path) -> None:
    both = np.stack([np.full(50, 0.5), np.full(50, -0.25)], 1)
    write_wave(tmp_path / "two.wav", both.reshape(-1), 2, 2)
    batch = prepare(tmp_path / "two.wav", SIGNAL)
    np.testing.assert_allclose(batch.tensor.numpy(), 0.125, atol=1e-4)
    assert "2 channels averaged" in batch.photos[0].notes
    assert prepare(tmp_path / "two.wav", STEREO).tensor.shape == (1, 2, 50)


def test_arrays_with_and_without_channel_and_batch() -> None:
    values = np.arange(12.0)
    for given in (values, values[None], values[None, None]):
        assert prepare(given, SIGNAL).tensor.shape == (1, 1, 12)
    assert prepare([values, values], SIGNAL).tensor.shape == (2, 1, 12)
    assert prepare(np.zeros((3, 2, 12)), STEREO).tensor.shape == (3, 2, 12)
    assert prepare(np.zeros((4, 5, 6)), VOLUME).tensor.shape == (1, 1, 4, 5, 6)
    assert prepare(torch.zeros(2, 1, 4, 5, 6), VOLUME).tensor.shape == (2, 1, 4, 5, 6)


def frames(count: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (10, 12, 3)).astype(np.uint8) for _ in range(count)]


def test_a_list_a_folder_an_animation_and_an_array_of_frames_are_one_clip(tmp_path) -> None:
    several = frames()
    pictures = [Image.fromarray(one) for one in several]
    (tmp_path / "clip").mkdir(exist_ok=True)
    for place, picture in enumerate(pictures):
        picture.save(tmp_path / "clip" / f"{place:02d}.png")
    pictures[0].save(tmp_path / "clip.png", save_all=True, append_images=pictures[1:])
    expected = np.stack(several).transpose(3, 0, 1, 2)[None] / np.float32(255)
    paths = sorted((tmp_path / "clip").iterdir())
    for given in (
        several,
        pictures,
        paths,
        tmp_path / "clip",
        tmp_path / "clip.png",
        np.stack(several),
    ):
        batch = prepare(given, CLIP)
        np.testing.assert_allclose(batch.tensor.numpy(), expected, atol=1e-6)
        assert batch.photos[0].is_clip
    assert prepare([several, several], CLIP).tensor.shape == (2, 3, 5, 10, 12)


@each_case(
    ("given", "preprocessing", "said"),
    [
        (np.zeros((9, 9, 3), np.uint8), SIGNAL, "a picture, and the network takes signals"),
        (np.zeros((30, 2)), STEREO, r"shape \[30, 2\]"),
        (np.full(9, np.nan), SIGNAL, "not finite"),
        (np.zeros(0), SIGNAL, "empty"),
        ("absent.npy", SIGNAL, "no such file"),
        ([np.zeros((4, 4, 3), np.uint8)], VOLUME.__class__(mean=(0.0,) * 2, std=(1.0,) * 2, axes=3),
         "picture"),
        ([np.zeros(5), np.zeros(6)], SIGNAL, "different sizes"),
        ([frames(1)[0], np.zeros((6, 6, 3), np.uint8)], CLIP, "frames differ in size"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(given, preprocessing, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        prepare(given, preprocessing)


def test_damaged_files_are_named(tmp_path) -> None:
    for suffix in (".npy", ".npz", ".pt", ".wav"):
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(b"nothing of the kind")
        with pytest.raises(ImageError, match=f"bad{suffix}"):
            prepare(path, SIGNAL)
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(ImageError, match=r"it holds 2 arrays \(a, b\)"):
        prepare(tmp_path / "two.npz", SIGNAL)
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(ImageError, match=r"objects\.npy"):
        prepare(tmp_path / "objects.npy", SIGNAL)


def test_an_animation_is_opened_as_carefully_as_a_photo(tmp_path, monkeypatch) -> None:
    path = tmp_path / "clip.gif"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n")
    with pytest.raises(ImageError, match=r"clip\.gif: this is PostScript, a program"):
        prepare(path, CLIP)
    pictures = [Image.fromarray(one) for one in frames(2)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    with monkeypatch.context() as few:
        few.setattr(Image, "MAX_IMAGE_PIXELS", 50)
        with pytest.raises(ImageError, match="120 pixels and the limit"):
            prepare(path, CLIP)
    monkeypatch.setattr(array_reading, "_MOST_VALUES", 2 * 10 * 12 * 3 - 1)
    with pytest.raises(ImageError, match=r"it has 720 numbers"):
        prepare(path, CLIP)


def _animation(path: Path, several: list[Image.Image]) -> Path:
    several[0].save(path, save_all=True, append_images=several[1:])
    return path


@each_case(
    "frame",
    [
        Image.new("RGBA", (12, 10), (200, 10, 0, 128)),
        Image.fromarray(np.full((10, 12), 1000, np.uint16)),
        Image.new("CMYK", (12, 10), (200, 10, 0, 0)),
        Image.new("1", (12, 10), 1),
    ],
)
def test_a_frame_is_what_a_photo_of_it_is(tmp_path, frame: Image.Image) -> None:
    """Those of an animation lost their transparency, and of 16 bits all were white."""
    path = _animation(tmp_path / "clip.tif", [frame, frame])
    (tmp_path / "clip").mkdir(exist_ok=True)
    for name in "ab":
        frame.save(tmp_path / "clip" / f"{name}.tif")
    found, listed = prepare(path, CLIP), prepare(tmp_path / "clip", CLIP)
    alone = read_photo(tmp_path / "clip" / "a.tif")
    assert torch.equal(found.tensor, listed.tensor)
    expected = prepare(np.stack([alone.pixels] * 2), CLIP)
    assert torch.equal(found.tensor, expected.tensor)
    assert set(alone.notes) <= set(found.photos[0].notes) & set(listed.photos[0].notes)


def test_frames_of_16_bits_have_one_white(tmp_path) -> None:
    """Each had its own: one of 1000 was as bright as one of 4000."""
    values = np.array([0, 1000, 4000, 200], np.uint16)
    several = [Image.fromarray(np.full((10, 12), value)) for value in values]
    sources = (_animation(tmp_path / "clip.tif", several), several)
    for source in sources:
        found = prepare(source, CLIP)
        wanted = values / 4095
        assert np.abs(found.tensor[0, 0, :, 0, 0].numpy() - wanted).max() < 1.01 / 255
        assert "white is 4095 in all frames with 16 bits" in found.photos[0].notes
    dim = prepare(several[:2], CLIP)
    assert float(dim.tensor.max()) == pytest.approx(1000 / 1023, abs=1 / 255)


def test_frames_are_counted_one_by_one_and_damage_is_named(tmp_path, monkeypatch) -> None:
    small, large = Image.new("RGB", (2, 2)), Image.new("RGB", (12, 10))
    path = _animation(tmp_path / "clip.tif", [small, large])
    cut = _animation(tmp_path / "cut.gif", [Image.fromarray(one) for one in frames(3)])
    cut.write_bytes(cut.read_bytes()[:-300])
    with pytest.raises(ImageError, match=r"cut\.gif: the file is (damaged|truncated)"):
        prepare(cut, CLIP)
    monkeypatch.setattr(array_reading, "_MOST_VALUES", 10 * 12 * 3)
    for source in (path, [small, large]):
        with pytest.raises(ImageError, match="it has 372 numbers"):
            prepare(source, CLIP)


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_what_torch_has_still_to_conjugate_or_negate_is_read(tmp_path) -> None:
    path, values = tmp_path / "one.pt", torch.arange(30.0)[None].to(torch.complex64).mul(1j)
    torch.save(values.conj().imag, path)
    assert torch.equal(prepare(path, SIGNAL).tensor[0], -torch.arange(30.0)[None])
    for kind in (torch.complex64, torch.complex32):
        torch.save(values.conj().to(kind), path)
        with pytest.raises(ImageError, match="the array is of complex64"):
            prepare(path, SIGNAL)


def test_the_caller_keeps_the_tensor() -> None:
    given = torch.zeros(1, 1, 8)
    prepare(given, SIGNAL).tensor.add_(1.0)
    assert not given.any()
