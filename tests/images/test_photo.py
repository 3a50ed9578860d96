"""Every kind of image comes out as upright 8-bit RGB, or is refused in a sentence that names it."""

import hashlib
import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import ImageError
from cnnviz.images import MAX_PIXELS, decoding, read_photo, sample_photo
from tests.helpers.each_case import each_case

HEIGHT, WIDTH = 12, 17


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def smooth() -> np.ndarray:
    """Return an image that lossy formats keep nearly as it is."""
    rows, columns = np.mgrid[0:64, 0:96]
    return np.stack([rows * 3, columns * 2, 255 - rows * 3], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [("png", {}), ("bmp", {}), ("tif", {}), ("webp", {"lossless": True})],
)
def test_lossless_formats_keep_every_pixel(
    tmp_path: Path, pixels: np.ndarray, suffix: str, options: dict
) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path, **options)
    read = read_photo(path)
    np.testing.assert_array_equal(read.pixels, pixels)
    assert (read.name, read.notes) == (path.name, ())
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (read.height, read.width) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_stay_close(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(smooth()).save(path, quality=95)
    assert np.abs(read_photo(str(path)).pixels.astype(int) - smooth()).mean() < 3


def test_pixels_cannot_be_written(pixels: np.ndarray) -> None:
    read = read_photo(pixels)
    with pytest.raises(ValueError, match="read-only"):
        read.pixels[0, 0, 0] = 1
    pixels[:] = 0
    assert read.pixels.any()


def test_grey_is_repeated(tmp_path: Path, pixels: np.ndarray) -> None:
    grey = pixels[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    for read in (read_photo(tmp_path / "grey.png"), read_photo(grey), read_photo(grey[:, :, None])):
        np.testing.assert_array_equal(read.pixels, np.stack([grey] * 3, axis=2))
        assert read.notes == ("grey repeated in three channels",)


def test_black_and_white(tmp_path: Path, pixels: np.ndarray) -> None:
    bits = pixels[:, :, 0] > 127
    Image.fromarray(bits).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "bits.png").pixels[:, :, 1], bits * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], dtype=np.uint16)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(deep).save(path)
    for read in (read_photo(path), read_photo(deep)):
        expected = np.rint(deep / 257).astype(np.uint8)
        np.testing.assert_array_equal(read.pixels[:, :, 2], expected)
        assert read.notes == ("16-bit reduced to 8-bit", "grey repeated in three channels")


def test_16_bit_colour_is_said(tmp_path: Path) -> None:
    row = np.array([[0, 0x1234, 0xFFFF], [0x8000, 0x00FF, 0xABCD]], dtype=">u2")
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + row.tobytes())
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    read = read_photo(path)
    np.testing.assert_array_equal(read.pixels, [[[0, 0x12, 0xFF], [0x80, 0, 0xAB]]])
    assert read.notes == ("16-bit reduced to 8-bit",)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_converted(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"print.{suffix}"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
    read = read_photo(path)
    assert np.abs(read.pixels.astype(int) - [255, 0, 0]).max() <= 3
    assert read.notes == ("CMYK converted to RGB without its colour profile",)


def test_palette(tmp_path: Path, pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels).quantize(16)
    image.save(tmp_path / "palette.png")
    read = read_photo(tmp_path / "palette.png")
    np.testing.assert_array_equal(read.pixels, np.asarray(image.convert("RGB")))
    assert read.notes == ()


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "palette.png", transparency=bytes([0, 128]))
    read = read_photo(tmp_path / "palette.png")
    np.testing.assert_array_equal(read.pixels, [[[255, 255, 255], [127, 127, 255]]])
    assert read.notes == ("transparency composited on white",)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha_is_composited_on_white(tmp_path: Path, suffix: str) -> None:
    colours = np.array([[[200, 40, 0, 0], [200, 40, 0, 255], [200, 40, 0, 51]]], dtype=np.uint8)
    path = tmp_path / f"alpha.{suffix}"
    Image.fromarray(colours).save(
        path, **({"lossless": True, "exact": True} if suffix == "webp" else {})
    )
    share = colours[:, :, 3:] / 255
    expected = colours[:, :, :3] * share + 255 * (1 - share)
    for read in (read_photo(path), read_photo(colours)):
        assert np.abs(read.pixels - expected).max() <= 1
        assert read.notes == ("transparency composited on white",)


def test_opaque_alpha_needs_no_note(pixels: np.ndarray) -> None:
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    read = read_photo(opaque)
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.notes == ()


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.new("LA", (1, 1), (100, 0))
    image.save(tmp_path / "grey.png")
    read = read_photo(tmp_path / "grey.png")
    assert read.pixels.tolist() == [[[255, 255, 255]]]
    assert "transparency composited on white" in read.notes


@each_case("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"])
def test_every_mode_of_pillow(mode: str) -> None:
    white = read_photo(Image.new("RGB", (3, 2), "white").convert("RGBA").convert("L"))
    opaque = {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    image = Image.new("L", (3, 2), 255).convert(opaque).convert(mode)
    np.testing.assert_array_equal(read_photo(image).pixels, white.pixels)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV"])
def test_other_colour_spaces_are_converted(mode: str) -> None:
    read = read_photo(Image.new("RGB", (3, 2), (200, 30, 90)).convert(mode))
    assert np.abs(read.pixels.astype(int) - [200, 30, 90]).max() <= 4
    assert read.notes == (f"{mode} converted to RGB",)


@each_case("suffix", ["jpg", "png", "webp", "tif"])
@each_case("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = Image.fromarray(smooth())
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned left; a viewer turns it right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    stored.save(path, exif=exif, **({} if suffix in ("png", "tif") else {"quality": 95}))
    read = read_photo(path)
    assert read.pixels.shape == smooth().shape
    assert np.abs(read.pixels.astype(int) - smooth()).mean() < 3
    turned = ("turned upright by its EXIF orientation",)
    assert read.notes == (turned if orientation > 1 else ())


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"moving.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    read = read_photo(path)
    assert read.pixels[2, 2].tolist() == [255, 0, 0]
    assert "frame 1 of 3" in read.notes


def test_pil_images_in_memory_get_the_same_treatment(tmp_path: Path, pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = 6
    read = read_photo(image)
    np.testing.assert_array_equal(
        read.pixels, np.asarray(image.transpose(Image.Transpose.ROTATE_270))
    )
    assert read.name == "image 0"
    assert read.sha256 == hashlib.sha256(read.pixels.tobytes()).hexdigest()
    image.save(tmp_path / "here.png")
    with Image.open(tmp_path / "here.png") as opened:
        assert read_photo(opened).name == "here.png"


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "dot.png")
    assert read_photo(tmp_path / "dot.png").pixels.tolist() == [[[9, 8, 7]]]


def test_a_photo_passes_through() -> None:
    read = sample_photo()
    assert read_photo(read) is read
    assert (read.name, read.pixels.shape) == ("grace_hopper.jpg", (600, 512, 3))


def png_of(width: int, height: int) -> bytes:
    """Return the head of a PNG that claims a size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


@pytest.mark.parametrize(("width", "height"), [(13_378, 13_378), (30_000, 30_000)])
def test_huge_images_state_the_limit(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_of(width, height) + b"\0\0\0\0IDAT")
    with pytest.raises(ImageError, match=rf"huge.png: .*{width * height:,} pixels.*178,956,970"):
        read_photo(path)


def test_images_that_pillow_only_warns_of_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("RGB", (12, 10)).save(tmp_path / "large.png")
    assert read_photo(tmp_path / "large.png").notes == ()


def test_the_limit_is_pillows() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS == MAX_PIXELS


def test_the_limit_holds_where_pillow_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    Image.new("RGB", (12, 10)).save(tmp_path / "large.png")
    for source in (tmp_path / "large.png", np.zeros((10, 12, 3), np.uint8)):
        with pytest.raises(ImageError, match="120 pixels and the limit is 100"):
            read_photo(source)


def encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


@each_case("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
@each_case("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused_by_name(tmp_path: Path, kind: str, share: float) -> None:
    whole = encoded(kind)
    path = tmp_path / "cut.img"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"^cut\.img: .+\. [A-Z]") as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncation_is_called_by_its_name(tmp_path: Path, kind: str) -> None:
    whole = encoded(kind)
    (tmp_path / "cut.img").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="the file is truncated"):
        read_photo(tmp_path / "cut.img")


def test_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        whole = bytearray(encoded(kind))
        for _ in range(15):
            broken = bytearray(whole)
            for position in random.integers(0, min(len(whole), 400), 4):
                broken[position] = int(random.integers(256))
            path = tmp_path / "broken.img"
            path.write_bytes(broken)
            try:
                read = read_photo(path)
            except ImageError as error:
                assert str(error).startswith("broken.img: ")  # noqa: PT017
            else:
                assert read.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<svg></svg>", "not an image that Pillow can read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC photo.* Save or export it as JPEG"),
    ],
)
def test_what_is_no_image(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "notes.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=rf"notes.jpg: .*{reason}"):
        read_photo(tmp_path / "notes.jpg")


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "koala.png")
    with pytest.raises(
        ImageError, match=r"kaola.png: there is no such file in '.*'. Did you mean 'koala"
    ):
        read_photo(tmp_path / "kaola.png")
    with pytest.raises(ImageError, match="There is no folder"):
        read_photo(tmp_path / "nowhere" / "koala.png")


def test_folders_addresses_and_odd_names(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"this is a folder. Name an image file; there is none"):
        read_photo(tmp_path)
    with pytest.raises(ImageError, match="addresses are not fetched"):
        read_photo("https://example.org/koala.jpg")
    with pytest.raises(ImageError, match=r"no such file|cannot be reached"):
        read_photo("koala\0.jpg")
    with pytest.raises(ImageError, match="cannot be reached"):
        read_photo("k" * 5000)


def test_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (2, 2)).save("~draft.png")
    assert read_photo("~draft.png").name == read_photo("~/~draft.png").name == "~draft.png"


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="not an ordinary file"):
        read_photo(tmp_path / "pipe")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_unknown_white_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (3, 3)).save(tmp_path / "deep.tif")
    with pytest.raises(ImageError, match=r"deep.tif: its pixels are .* whose white is unknown"):
        read_photo(tmp_path / "deep.tif")


@each_case(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), r"array of float32 is no image.*float tensor"),
        (np.zeros((4, 4, 3), bool), "array of bool"),
        (np.zeros((3, 8, 8), np.uint8), r"shape \(3, 8, 8\).*channels come first"),
        (np.zeros((8, 8, 5), np.uint8), r"shape \(8, 8, 5\). Give \[H, W, 3\]"),
        (np.zeros(8, np.uint8), r"shape \(8,\)"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        (np.zeros((0, 8), np.uint16), "no pixels"),
    ],
)
def test_arrays_that_are_no_image(array: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=f"^picture: .*{message}"):
        read_photo(array, "picture")


def test_the_bytes_of_a_file_are_read_as_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (3, 2), (9, 8, 7, 100)).save(path)
    file, held = read_photo(path), read_photo(path.read_bytes(), "a.png")
    np.testing.assert_array_equal(file.pixels, held.pixels)
    assert (file.name, file.sha256, file.notes) == (held.name, held.sha256, held.notes)
    for data, what in ((b"", "empty"), (b"\xff\xd8", "not an image")):
        with pytest.raises(ImageError, match=f"^a.png: .*{what}"):
            read_photo(data, "a.png")


@pytest.mark.parametrize("source", [None, 3])
def test_other_objects_are_no_image(source: object) -> None:
    with pytest.raises(ImageError, match=r"image 0: an object of type .* is no image"):
        read_photo(source)


def test_pillows_warnings_become_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(image: Image.Image) -> int:
        warnings.warn("Odd metadata, ignored.", UserWarning, stacklevel=2)
        return 1

    monkeypatch.setattr(Image.Image, "n_frames", property(warn), raising=False)
    read = read_photo(Image.new("RGB", (2, 2)))
    assert read.notes == ("Pillow warned: Odd metadata, ignored",)


def test_a_file_name_that_is_no_text_becomes_one(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")  # noqa: PTH118
    Image.new("RGB", (3, 2)).save(os.fsdecode(path))
    name = read_photo(os.fsdecode(path)).name
    assert name == "caf?.png"
    name.encode("utf-8")


def test_what_is_no_photo_is_not_offered_for_a_missing_one(tmp_path: Path) -> None:
    for name in ("nets.py", "net.pth.txt", "nest.webp"):
        (tmp_path / name).touch()
    with pytest.raises(ImageError, match=r"Did you mean 'nest\.webp'\?$"):
        read_photo(tmp_path / "net.jpg")
    (tmp_path / "nest.webp").unlink()
    with pytest.raises(ImageError, match=r"Check the path\.$"):
        read_photo(tmp_path / "net.jpg")
