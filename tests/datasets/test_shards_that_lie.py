"""Tars whose headers and labels lie: read up to bounds, and refused in a sentence."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.datasets import open_dataset
from cnnviz.datasets.shards import shards_of
from cnnviz.errors import ImageError, UsageError
from tests.helpers.bad_input.shards import base256, header, octal
from tests.helpers.each_case import each_case

Members = list[tuple[str, bytes]]


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), 99, np.uint8)).save(stream, "png")
    return stream.getvalue()


def tar_of(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


ENDLESS = "what stands ahead of a member has no end"
LIES = {
    "a pax header of gigabytes": (header("x", octal(8 << 30), b"x"), ENDLESS),
    "a pax header for all of gigabytes": (header("x", octal(8 << 30), b"g"), ENDLESS),
    "a long name of gigabytes": (header("x", octal(8 << 30), b"L"), ENDLESS),
    "a member of gigabytes": (header("a.png", octal(6 << 30)), "ends beyond it"),
    "a member beyond any file": (header("a.png", base256(2**90)), "cannot be read as a tar"),
    "a size below zero": (header("a.png", base256(-512)), "cannot be read as a tar"),
    "a size that leads back": (header("a.png", base256(-1024)), "cannot be read as a tar"),
    "a size that is no number": (header("a.png", b"nonsense\0\0\0\0"), "cannot be read as a tar"),
}


@each_case("lie", LIES)
def test_a_header_that_lies_ends_in_a_sentence(lie: str, tmp_path: Path) -> None:
    block, told = LIES[lie]
    path = tmp_path / "a.tar"
    with path.open("wb") as stream:
        stream.write(block + b"0 " * 512)
    with pytest.raises(UsageError, match=r"a\.tar cannot be read as a tar") as caught:
        open_dataset(path)
    assert told in caught.value.what


def cut(data: bytes) -> bytes:
    return data[: 3 * 1024 + 100]


def damaged(data: bytes) -> bytes:
    return data[: 2 * 1024] + b"x" * 512 + data[2 * 1024 + 512 :]


AMISS = {
    "cut within a header": (cut, "at byte 3,072 is no header"),
    "a header that is damaged": (damaged, "at byte 2,048 is no header"),
    "two tars one behind the other": (lambda data: data * 2, "more follows its end"),
    "an end in the midst": (
        lambda data: data[:2048] + bytes(512) + data[2048:],
        "more follows its end at byte 2,048",
    ),
}


@each_case("amiss", AMISS)
def test_a_tar_that_is_read_to_its_middle_is_refused(amiss: str, tmp_path: Path) -> None:
    """Python's module ends there without a word, and half of the images were counted as all."""
    path = tar_of(tmp_path / "a.tar", [(f"{place}.png", png()) for place in range(4)])
    change, told = AMISS[amiss]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UsageError, match=told):
        open_dataset(path)


def test_a_tar_without_the_mark_that_ends_one_is_told(tmp_path: Path) -> None:
    """One that was cut between two members looks whole otherwise."""
    path = tar_of(tmp_path / "a.tar", [("0.png", png()), ("1.png", png())])
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(5000))
    assert open_dataset(path).notes == ()
    path.write_bytes(whole[:1024])
    found = open_dataset(path)
    assert len(found) == 1
    assert found.notes == (
        "1 tar without the mark that ends one, as where the end was cut off: a.tar",
    )


def test_a_tar_that_changes_is_not_read_on(tmp_path: Path) -> None:
    """Another label of the same size stood at the same place, and was taken for the image's."""
    members = [("0.png", png()), ("0.cls", b"3")]
    path = tar_of(tmp_path / "a.tar", members)
    found = open_dataset(path)
    tar_of(tmp_path / "b.tar", [members[0], ("0.cls", b"4")]).replace(path)
    for read in (found.label, found.read):
        with pytest.raises(ImageError, match="has changed since it was opened"):
            read(0)


def test_a_hole_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    """The size is true, and the file takes no place: its image is refused, and others are read."""
    path = tar_of(tmp_path / "a.tar", [("b.png", png())])
    good = path.read_bytes()[:1536]
    with path.open("wb") as stream:
        stream.write(good[: 512 + 512 * -(-len(png()) // 512)])
        stream.write(header("huge.png", octal(6 << 30)))
        stream.truncate(stream.tell() + (6 << 30))
    found = open_dataset(path)
    assert len(found) == 2
    assert found.read(0).image.pixels.shape == (4, 4, 3)
    with pytest.raises(ImageError, match=r"a\.tar/huge\.png: it takes 6\.44 GB in the tar"):
        found.read(1)


def test_what_a_sparse_member_holds_is_not_taken_for_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    pax = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    pax += b"34 GNU.sparse.realsize=8589934592\n"
    data = b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512
    with path.open("wb") as stream:
        stream.write(header("p", octal(len(pax)), b"x") + pax.ljust(512, b"\0"))
        stream.write(header("a.png", octal(len(data))) + data)
        stream.write(b"\0" * 1024)
    with pytest.raises(ImageError, match="There is no image in"):
        open_dataset(path)


@each_case(
    ("name", "data", "label"),
    [
        ("a.cls", b"3", 3),
        ("a.cls", b" 3\n", 3),
        ("a.cls", b"-1", None),
        ("a.cls", b"9" * 4000, None),
        ("a.cls", b"9" * 5000, None),
        ("a.cls", b"Infinity", None),
        ("a.cls", b"1e308", None),
        ("a.cls", "²".encode(), None),
        ("a.cls", b"\xff", None),
        ("a.json", b'{"label": 3}', 3),
        ("a.json", b'{"class": "3"}', 3),
        ("a.json", b'{"label": 3.0}', 3),
        ("a.json", b'{"label": 1e308}', None),
        ("a.json", b'{"label": Infinity}', None),
        ("a.json", b'{"label": NaN}', None),
        ("a.json", b'{"label": 2147483648}', None),
        ("a.json", b'{"label": ' + b"9" * 4000 + b"}", None),
        ("a.json", b'{"label": [3]}', 3),
        ("a.json", b'{"label": [[3]]}', None),
        ("a.json", b'{"label": ["koala", 3]}', None),
        ("a.json", b'{"label": null, "cls": 3}', 3),
        ("a.json", b'{"label": null}', None),
        ("a.json", b"[3]", None),
        ("a.json", b"[" * 100_000, None),
        ("a.json", b'{"label": "\\ud800"}', None),
    ],
)
def test_a_label_is_a_class_or_none(name: str, data: bytes, label, tmp_path: Path) -> None:
    found = open_dataset(tar_of(tmp_path / "a.tar", [("a.png", png()), (name, data)]))
    assert found.label(0) == label
    assert found.read(0).label == label
    says_nothing = data == b'{"label": null}'
    assert (found.odd_label(0) is None) == (label is not None or says_nothing)


@each_case("last", ["99999999999", "9" * 5000, "100000"])
def test_a_range_of_names_is_counted_before_it_is_written_out(last: str) -> None:
    with pytest.raises(UsageError, match="more than 100,000 files"):
        shards_of(f"a-{{0..{last}}}.tar")


def test_ranges_of_names_are_counted_together_and_a_range_that_fits_is_written_out() -> None:
    with pytest.raises(UsageError, match="more than 100,000 files"):
        shards_of("a-{0..999}-{0..999}.tar")
    assert len(shards_of("a-{00000..99999}.tar")) == 100_000
    assert [path.name for path in shards_of("a-{99999..100000}.tar")] == [
        "a-99999.tar",
        "a-100000.tar",
    ]


def test_a_name_that_is_no_text_is_told_with_question_marks(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    block = bytearray(header("a?.png", octal(len(png()))))
    block[1] = 0xFF
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + png().ljust(512, b"\0") + b"\0" * 1024)
    assert open_dataset(path).name(0) == "a.tar/a?.png"
