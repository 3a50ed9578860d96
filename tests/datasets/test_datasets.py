"""One way to open data: whatever it is, the images come back in order, with names and labels."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnviz.datasets import SAMPLES, Dataset, Part, open_dataset
from cnnviz.datasets.mask_files import mask_in
from cnnviz.datasets.shapes import CLASSES, Shapes
from cnnviz.datasets.tar_members import TarMember
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Photo, read_photo
from tests.helpers.each_case import each_case


def pixels(seed: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(seed: int, height: int = 6, width: int = 8) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels(seed, height, width)).save(held, "PNG")
    return held.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an ImageFolder of two classes, with a mask and a file that is no image."""
    root = tmp_path / "photos"
    for seed, name in enumerate(("cat/b.png", "cat/a.PNG", "dog/x/c.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(seed))
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4] = 255
    Image.fromarray(mask).save(root / "cat" / "b-mask.png")
    (root / "cat" / "notes.txt").write_text("no image")
    (root / "cat" / ".hidden.png").write_bytes(png(9))
    return root


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as written:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            written.addfile(entry, io.BytesIO(data))
    return path


def shown(dataset: Dataset, index: int) -> np.ndarray:
    image = dataset.read(index).image
    assert isinstance(image, Photo)
    return image.pixels


def test_a_folder_is_in_the_order_of_its_paths_with_the_classes_of_its_folders(folder) -> None:
    found = open_dataset(folder)
    assert found.names == ("cat/a.PNG", "cat/b.png", "dog/x/c.png")
    assert found.classes == ("cat", "dog")
    assert [found.label(index) for index in range(3)] == [0, 0, 1]
    assert [found.read(index).label for index in range(3)] == [0, 0, 1]
    np.testing.assert_array_equal(shown(found, 0), pixels(1))
    assert found.describe() == "photos, 3 images in 2 folders"


def test_a_folder_with_an_image_of_its_own_has_no_classes(folder) -> None:
    (folder / "loose.png").write_bytes(png(5))
    found = open_dataset(str(folder))
    assert found.classes == ()
    assert [found.label(index) for index in range(4)] == [None] * 4
    assert found.names[-1] == "loose.png"


def test_nothing_is_read_on_opening(folder, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image was read")

    monkeypatch.setattr("cnnviz.datasets.files.read_photo", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    found = open_dataset(folder)
    assert (len(found), found.label(2), len(found.fingerprint)) == (3, 1, 64)


def test_a_mask_is_read_beside_its_image(folder) -> None:
    found = open_dataset(folder)
    mask = found.mask(1)
    assert mask is not None
    assert mask.sum() == 16
    assert found.mask(0) is None
    Image.new("L", (3, 3)).save(folder / "cat" / "b-mask.png")
    for look in (found.mask, lambda index: found.check(index, masked=True)):
        with pytest.raises(ImageError, match=r"b-mask\.png is not as large as b\.png"):
            look(1)
    found.check(1)


def test_an_unreadable_file_is_seen_by_its_header(folder) -> None:
    (folder / "cat" / "a.PNG").write_bytes(b"no photo")
    found = open_dataset(folder)
    with pytest.raises(ImageError, match=r"^a\.PNG: this is not an image"):
        found.check(0)
    (folder / "cat" / "a.PNG").unlink()
    with pytest.raises(ImageError, match=r"^a\.PNG: there is no such file"):
        found.check(0)


def test_a_photo_of_a_telephone_in_a_folder_is_refused_by_name_and_not_left_out(folder) -> None:
    (folder / "cat" / "d.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    found = open_dataset(folder)
    assert [found.name(index) for index in range(len(found))][2] == "cat/d.HEIC"
    with pytest.raises(ImageError, match=r"^d\.HEIC: this is a HEIC photo"):
        found.check(2)


def test_a_mask_fits_a_photo_that_is_turned_upright(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels(0)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("L", (6, 8), 255).save(tmp_path / "a-mask.png")
    found = open_dataset(tmp_path)
    found.check(0, masked=True)
    mask = found.mask(0)
    assert mask is not None
    assert mask.shape == (8, 6)


def test_the_size_of_a_png_is_told_without_its_pixels(tmp_path, monkeypatch) -> None:
    """Unless something behind them may turn it, for which Pillow has to be asked."""
    (tmp_path / "plain.png").write_bytes(png(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    held = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = b"eXIf" + held
    behind = len(held).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "turned.png").write_bytes(png(0)[:-12] + behind + png(0)[-12:])
    found = open_dataset(tmp_path)
    assert found.size(1) == (8, 6)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", None)
    assert found.size(0) == (6, 8)


def test_a_link_that_leads_back_is_followed_once(folder) -> None:
    (folder / "cat" / "again").symlink_to(folder, target_is_directory=True)
    assert open_dataset(folder).names == ("cat/a.PNG", "cat/b.png", "dog/x/c.png")


def test_the_fingerprint_tells_data_apart_and_not_places(folder, tmp_path) -> None:
    first = open_dataset(folder).fingerprint
    assert open_dataset(folder).fingerprint == first
    moved = folder.rename(tmp_path / "elsewhere")
    assert open_dataset(moved).fingerprint == first
    os.utime(moved / "cat" / "b.png", (1, 1))
    changed = open_dataset(moved).fingerprint
    assert changed != first
    (moved / "cat" / "b.png").unlink()
    assert open_dataset(moved).fingerprint not in (first, changed)


def test_the_sha256_is_that_of_the_photo_and_found_without_decoding(folder) -> None:
    for data in (folder, [folder / "cat" / "b.png"], "shapes", [pixels(0)]):
        found = open_dataset(data)
        image = found.read(0).image
        assert isinstance(image, Photo)
        assert found.sha256(0) == image.sha256


def test_a_count_spreads_over_the_data(folder) -> None:
    found = open_dataset(folder, 2)
    assert found.names == ("cat/a.PNG", "dog/x/c.png")
    assert [found.label(0), found.label(1)] == [0, 1]
    assert found.classes == ("cat", "dog")
    np.testing.assert_array_equal(shown(found, 1), pixels(2))
    assert found.describe() == "2 of photos, 3 images in 2 folders"
    assert len(open_dataset(folder, 9)) == 3
    with pytest.raises(UsageError, match="no image 3 in"):
        Part(open_dataset(folder), [3])


def test_the_shipped_data_are_held_out_samples_with_their_masks() -> None:
    found, sample = open_dataset("shapes", 4), Shapes(split="held-out")[3]
    assert found.classes == tuple(CLASSES)
    assert found.label(3) == sample.label
    np.testing.assert_array_equal(shown(found, 3), sample.image)
    np.testing.assert_array_equal(found.mask(3), sample.mask)
    assert found.name(3) == f"shapes held-out 3 ({sample.name})"
    assert len(open_dataset("shapes")) == SAMPLES
    assert open_dataset(Shapes(seed=1), 4).fingerprint != found.fingerprint


def test_part_of_the_shipped_data_as_a_torch_dataset_is_the_same_samples() -> None:
    found = open_dataset(Shapes().as_dataset(3, start=2))
    np.testing.assert_array_equal(shown(found, 1), Shapes()[3].image)
    assert len(found) == 3


def test_a_list_may_hold_every_kind_of_image(folder) -> None:
    path = folder / "cat" / "b.png"
    with Image.open(path) as opened:
        given = [path, str(path), opened, pixels(0), read_photo(path), path.read_bytes()]
        found = open_dataset(given)
        for index in range(len(given)):
            np.testing.assert_array_equal(shown(found, index), pixels(0))
    assert found.names == ("b.png",) * 3 + ("image 3", "b.png", "image 5")
    assert open_dataset(given[3]).names == ("image 0",)
    assert open_dataset(path).names == ("b.png",)
    assert len(open_dataset(iter([path, path]))) == 2


def test_the_mask_beside_a_listed_file_is_found(folder) -> None:
    mask = open_dataset([str(folder / "cat" / "b.png")]).mask(0)
    assert mask is not None
    assert mask.any()


def test_float_tensors_are_already_preprocessed() -> None:
    batch = torch.rand(3, 2, 4, 4)
    for data in (batch, list(batch), batch[0]):
        found = open_dataset(data)
        image = found.read(len(found) - 1).image
        assert isinstance(image, torch.Tensor)
        assert image.shape == (2, 4, 4)
    assert open_dataset(batch).key(0) != open_dataset(batch).key(1)
    with pytest.raises(ImageError, match=r"image 0: a tensor of torch.uint8 and shape \[4, 4\]"):
        open_dataset([torch.zeros(4, 4, dtype=torch.uint8)]).read(0)


class Torchvision:
    """Like a torchvision data set."""

    classes = ("tench", ("goldfish", "Carassius auratus"))
    targets = (1, 0, 1)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> object:
        if index == 1:
            raise RuntimeError("a broken entry")
        return Image.fromarray(pixels(index)), self.targets[index]


class HuggingFace:
    """Like a data set of Hugging Face."""

    column_names = ["img", "label"]  # noqa: RUF012
    features = {"label": type("ClassLabel", (), {"names": ["cat", "dog"]})}  # noqa: RUF012

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int | str) -> object:
        if isinstance(index, str):
            return [1, 0]
        return {"img": Image.fromarray(pixels(index)), "label": [1, 0][index]}


def test_a_torchvision_data_set() -> None:
    found = open_dataset(Torchvision())
    assert found.classes == ("tench", "goldfish, Carassius auratus")
    assert [found.label(index) for index in range(3)] == [1, 0, 1]
    assert found.read(2).label == 1
    np.testing.assert_array_equal(shown(found, 2), pixels(2))
    with pytest.raises(ImageError, match=r"image 1: .* fails on it \(RuntimeError: a broken entry"):
        found.read(1)
    assert len(found.fingerprint) == 64


def test_a_hugging_face_data_set() -> None:
    found = open_dataset(HuggingFace())
    assert found.classes == ("cat", "dog")
    assert [found.label(0), found.read(0).label] == [1, 1]
    np.testing.assert_array_equal(shown(found, 1), pixels(1))


def test_a_list_of_pairs_or_mappings_is_a_data_set() -> None:
    pairs = open_dataset([(pixels(0), 3), (pixels(1), np.int64(4))])
    assert [pairs.read(0).label, pairs.read(1).label] == [3, 4]
    assert open_dataset([{"image": pixels(0), "label": 2}]).read(0).label == 2
    with pytest.raises(ImageError, match="its entry has no image among text, boxes"):
        open_dataset([{"text": 1, "boxes": 2}]).read(0)
    assert open_dataset([(pixels(0), [1, 2])]).read(0).label is None


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    root = tmp_path / "shards"
    root.mkdir()
    tar(root / "a-000.tar", {"./n/0.png": png(0), "./n/0.cls": b"7\n", "./n/1.png": png(1)})
    label = json.dumps({"label": 5, "caption": "a cat"}).encode()
    members = {"2.json": label, "2.seg.png": png(9), "2.png": png(2), "3.v1.png": png(3)}
    tar(root / "a-001.tar", {**members, "notes.txt": b"hello", "._2.png": b""})
    return root


def test_shards_are_indexed_once_and_read_by_offset(shards) -> None:
    names = ("a-000.tar/./n/0.png", "a-000.tar/./n/1.png", "a-001.tar/2.png", "a-001.tar/3.v1.png")
    for data in (shards, str(shards / "a-{000..001}.tar")):
        found = open_dataset(data)
        assert found.names == names
        assert [found.label(index) for index in range(4)] == [7, None, 5, None]
        for index in range(4):
            np.testing.assert_array_equal(shown(found, index), pixels(index))
            assert found.read(index).label == found.label(index)
    assert found.describe() == "a-000.tar to a-001.tar, 4 images in 2 shards"
    assert open_dataset(shards / "a-001.tar").names == names[2:]


def test_a_shard_that_is_cut_short_names_what_is_lost(shards) -> None:
    found = open_dataset(shards)
    path = shards / "a-001.tar"
    path.write_bytes(path.read_bytes()[:2100])
    with pytest.raises(ImageError, match=r"a-001.tar/3.v1.png: the tar ends before it does"):
        found.read(3)
    shown(found, 1)


def test_files_beside_images_are_told_of(folder, shards) -> None:
    (shards / "a-000.tar").rename(folder / "a.tar")
    (folder / "more.TXT").write_text("no image")
    (folder / "Thumbs.db").write_text("a desktop's")
    told = ("3 files beside the images left out: 2 .txt, 1 .tar",)
    assert open_dataset(folder).notes == told
    pattern = f"{folder}/*/*"
    assert open_dataset(pattern).notes == ("1 file beside the images left out: 1 .txt",)
    assert open_dataset(f"{folder}/*/*.png").notes == ()


@pytest.mark.parametrize("kind", ["gif", "ppm", "jfif", "JPE"])
def test_photos_of_every_usual_kind_are_read_and_not_left_out(folder, kind) -> None:
    """A folder left GIFs out without a word."""
    how = {"gif": "GIF", "ppm": "PPM"}.get(kind, "JPEG")
    later = Image.fromarray(pixels(8))
    moving = {"save_all": True, "append_images": [later]} if kind == "gif" else {}
    Image.fromarray(pixels(7)).save(folder / f"dog/z.{kind}", how, **moving)
    found = open_dataset(folder)
    assert found.names[-1] == f"dog/z.{kind}"
    photo = found.read(3).image
    assert isinstance(photo, Photo)
    near = np.abs(photo.pixels.astype(int) - pixels(7)).mean()
    assert near < np.abs(photo.pixels.astype(int) - pixels(8)).mean()
    assert ("frame 1 of 2" in photo.notes) == (kind == "gif")


def test_the_size_of_an_image_in_a_tar_is_read_from_its_header_alone(tmp_path, monkeypatch) -> None:
    """Of shards all bytes were read to ask for sizes: of a million photos, 100 GB."""
    turned = Image.Exif()
    turned[0x0112] = 6
    members = {}
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "PPM"):
        held = io.BytesIO()
        more = {"exif": turned} if kind in ("PNG", "JPEG", "TIFF") else {}
        Image.fromarray(pixels(1, 200, 300)).save(held, kind, **more)
        members[f"{kind}.{kind.lower()}"] = held.getvalue()
    found = open_dataset(tar(tmp_path / "a.tar", {**members, "z.png": b"\x89PNG\r\n\x1a\n"}))
    taken: list[int] = []
    readinto = TarMember.readinto

    def counted(self: TarMember, buffer: bytearray) -> int:
        taken.append(readinto(self, buffer))
        return taken[-1]

    monkeypatch.setattr(TarMember, "readinto", counted)
    for index, kind in enumerate(members):
        assert found.size(index) == shown(found, index).shape[:2], kind
    assert sum(taken) < sum(map(len, members.values())) / 4
    assert found.size(len(members)) is None, "damaged: reading will name it"


STANDING = {
    "images, then labels": (("0.png", "1.png", "0.cls=3", "1.cls=4"), [3, 4], ""),
    "the label first": (("0.cls=3", "0.png"), [3], ""),
    "metadata ahead of the label": (('0.json={"caption": "x"}', "0.cls=3", "0.png"), [3], ""),
    "names with full stops": (("a.0.png", "a.0.cls=3", "a.1.png", "a.1.cls=4"), [3, 4], ""),
    "one label for several": (("a.0.png", "a.1.png", "a.cls=3"), [3, 3], ""),
    "folders": (("../v1.0/0.png", "../v1.0/0.cls=3", "/x/0.png"), [3, None], ""),
    "again": (("0.png", "0.cls=3", "0.png", "0.cls=4"), [4], "2 files of the tars left out for"),
    "a link": (("0.png", "0.cls=3", "1.png->0.png"), [3], "1 member of the tars left out that are"),
}


@each_case("what", STANDING)
def test_members_of_a_sample_are_found_wherever_they_stand(what: str, tmp_path) -> None:
    members, labels, told = STANDING[what]
    with tarfile.open(tmp_path / "a.tar", "w") as written:
        for member in members:
            name, _, text = member.partition("=")
            name, _, to = name.partition("->")
            entry = tarfile.TarInfo(name)
            if to:
                entry.type, entry.linkname = tarfile.LNKTYPE, to
            data = b"" if to else text.encode() or png(0)
            entry.size = len(data)
            written.addfile(entry, io.BytesIO(data))
    found = open_dataset(tmp_path / "a.tar")
    assert [found.label(index) for index in range(len(found))] == labels
    assert bool(found.notes) == bool(told)
    assert any(note.startswith(told) for note in found.notes) or not told


def test_a_tar_counts_once_whatever_it_is_called(shards, tmp_path) -> None:
    (shards / "b.tar").symlink_to(shards / "a-000.tar")
    (shards / "c.tar").hardlink_to(shards / "a-001.tar")
    for data in (shards, f"{shards}/*.TAR"):
        found = open_dataset(data)
        assert len(found) == 4
        assert found.notes[0] == "2 tars named a second time left out"


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.zst"])
def test_a_packed_tar_is_told_from_a_photo(name, tmp_path) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(UsageError, match="is compressed as a whole"):
        open_dataset(tmp_path / name)
    with pytest.raises(ImageError, match=r"There is no image in .* beside the images left out"):
        open_dataset(tmp_path)


def test_samples_of_tars_that_are_not_looked_at_are_told(tmp_path) -> None:
    members = {"1.jpg": png(1), "1.png": png(2), "1.cls": b"0", "2.txt": b"no image", "3.gif": b""}
    found = open_dataset(tar(tmp_path / "a.tar", {**members, "4.seg.png": png(3)}))
    assert found.names == ("a.tar/1.jpg", "a.tar/3.gif", "a.tar/4.seg.png")
    assert found.notes == (
        "1 sample of the tars without an image left out",
        "1 image beside the first of a sample left out",
    )


@each_case(
    ("data", "count", "error", "message"),
    [
        ("nowhere", None, UsageError, "no folder 'nowhere'"),
        ("nowhere.tar", None, UsageError, "no file 'nowhere.tar'"),
        ("a-{3..1}.tar", None, UsageError, r"range \{3..1\} is empty"),
        ("shapes", 0, UsageError, "count cannot be 0"),
        ([], None, ImageError, "no image in what was given"),
        (3, None, ImageError, "is no image"),
    ],
)
def test_data_that_is_not_there(data, count, error, message) -> None:
    with pytest.raises(error, match=message):
        open_dataset(data, count).read(0)


def test_a_folder_of_something_else_a_wrong_name_and_no_tar_are_sentences(folder, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match=r"There is no image in .*empty"):
        open_dataset(tmp_path / "empty")
    with pytest.raises(UsageError, match="Did you mean 'photos'"):
        open_dataset(tmp_path / "photo")
    (tmp_path / "b.tar").write_bytes(b"not a tar" * 200)
    with pytest.raises(UsageError, match=r"b.tar cannot be read as a tar"):
        open_dataset(tmp_path / "b.tar")


def test_what_has_no_index_is_refused() -> None:
    class Loader:
        def __iter__(self) -> object:
            raise AssertionError

    class Unsized:
        def __getitem__(self, index: int) -> None: ...

    with pytest.raises(UsageError, match="A Loader can only be read from its beginning"):
        open_dataset(Loader())
    with pytest.raises(UsageError, match="A Unsized has no length"):
        open_dataset(Unsized())


def test_a_real_torchvision_folder_is_the_same_as_ours(folder) -> None:
    from torchvision.datasets import ImageFolder

    ours, theirs = open_dataset(folder), open_dataset(ImageFolder(str(folder)))
    assert ours.classes == theirs.classes
    # torchvision takes the mask and the hidden file for images.
    kept = [n for n, (path, _) in enumerate(ImageFolder(str(folder)).samples) if "-m" not in path]
    kept = [n for n in kept if ".hidden" not in ImageFolder(str(folder)).samples[n][0]]
    for place, index in enumerate(kept):
        np.testing.assert_array_equal(shown(ours, place), shown(theirs, index))
        assert ours.label(place) == theirs.label(index)


def _indexed(values: np.ndarray, *colours: int) -> Image.Image:
    image = Image.fromarray(values, "P")
    image.putpalette(colours or [0, 0, 0, 64, 0, 0, 0, 64, 0])
    return image


MASK = np.zeros((6, 8), np.uint8)
MASK[2:4] = 1
MASKS = {
    "white": Image.fromarray(MASK * 255),
    "ones": Image.fromarray(MASK),
    "bits": Image.fromarray(MASK.astype(bool)),
    "a dark palette": _indexed(MASK),
    "a palette with white first": _indexed(1 - MASK, 255, 255, 255, 0, 0, 0),
    "a palette with red first": _indexed(1 - MASK, 128, 0, 0, 0, 0, 0),
    "a palette that was chosen": Image.fromarray(np.stack([MASK * 255] * 3, 2)).quantize(2),
    "a black palette": _indexed(MASK, 0, 0, 0, 0, 0, 0),
    "16 bits of ones": Image.fromarray(MASK.astype(np.uint16)),
    "16 bits": Image.fromarray(MASK.astype(np.uint16) * 65535),
    "a colour": Image.fromarray(np.stack([MASK * 64, MASK * 0, MASK * 0], 2)),
    "soft": Image.fromarray(MASK * 200 + np.roll(MASK, 1, 0) * 55),
    "with transparency": Image.fromarray(np.stack([MASK * 255] * 3 + [MASK * 0 + 255], 2)),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_read_however_it_is_stored(kind: str, tmp_path: Path) -> None:
    """Those of 0 and 1, and of dark colours of a palette, were read as empty, without a word.

    By their places in a palette others were read the wrong way round.
    """
    MASKS[kind].save(tmp_path / "mask.png")
    want = MASK > 0
    if kind == "soft":
        want = np.asarray(MASKS[kind]) > 127
    assert np.array_equal(mask_in(tmp_path / "mask.png"), want)


@pytest.mark.parametrize("labels", [Image.fromarray, _indexed], ids=["grey", "palette"])
def test_a_mask_of_several_labels_is_refused_and_an_empty_one_is_empty(labels, tmp_path) -> None:
    labels(MASK + np.roll(MASK, 1, 0)).save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match=r"mask\.png holds 2 labels beside zero"):
        mask_in(tmp_path / "mask.png")
    clear = Image.fromarray(np.stack([MASK * 0 + 255] * 3 + [MASK * 255], 2))
    clear.save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match="transparent in part"):
        mask_in(tmp_path / "mask.png")
    steps = _indexed(MASK + np.roll(MASK, 1, 0), 0, 0, 0, 85, 85, 85, 255, 255, 255)
    steps.save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match="holds 2 labels beside zero"):
        mask_in(tmp_path / "mask.png")
    labels(MASK * 0).save(tmp_path / "mask.png")
    assert not mask_in(tmp_path / "mask.png").any()
