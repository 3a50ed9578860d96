"""Tars whose headers and sizes lie, and names of too many of them."""

from __future__ import annotations

import tarfile
from pathlib import Path

CASES = r"""
errors --data nowhere.tar | There is no file 'nowhere.tar'
errors --data a-{3..1}.tar | The range {3..1} is empty
errors --data a-{0..99999999999}.tar | more than 100,000 files
errors --data a-{0..LONG}.tar | File name too long
errors --data a-{0..9999}-{0..9999}.tar | more than 100,000 files
errors --data text.tar | cannot be read as a tar
errors --data pax.tar | what stands ahead of a member has no end
errors --data all.tar | what stands ahead of a member has no end
errors --data name.tar | what stands ahead of a member has no end
errors --data beyond.tar | ends beyond it
errors --data negative.tar | cannot be read as a tar
errors --data giant.tar | cannot be read as a tar
errors --data gzip.tar | cannot be read as a tar
errors --data packed.tar.gz | is compressed as a whole
errors --data twice.tar | more follows its end
errors --data middle.tar | is no header of a file
errors --data nothing.tar | There is no image in
"""


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """Return a header of a tar with any size, as its twelve bytes, and its sum put right."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = size
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def octal(size: int) -> bytes:
    """Return a size as tars have it."""
    return b"%011o\0" % size


def base256(size: int) -> bytes:
    """Return a size as GNU's tar writes those of eight gigabytes and more, and below zero."""
    data = size.to_bytes(12, "big", signed=True)
    return bytes([data[0] | 0x80]) + data[1:]


def make(folder: Path) -> None:
    """Write a tar for each case."""
    huge = octal((8 << 30) - 1)
    heads = {
        "pax": header("x", huge, b"x"),
        "all": header("x", huge, b"g"),
        "name": header("x", huge, b"L"),
        "beyond": header("a.png", octal(6 << 30)),
        "negative": header("a.png", base256(-512)),
        "giant": header("a.png", base256(2**90)),
    }
    for name, head in heads.items():
        (folder / f"{name}.tar").write_bytes(head + b"0 " * 512)
    (folder / "text.tar").write_bytes(b"not a tar" * 200)
    with tarfile.open(folder / "gzip.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.png"))
    (folder / "packed.tar.gz").write_bytes((folder / "gzip.tar").read_bytes())
    with tarfile.open(folder / "nothing.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
    whole = (folder / "nothing.tar").read_bytes()
    (folder / "twice.tar").write_bytes(whole * 2)
    (folder / "middle.tar").write_bytes(whole[:512] + b"x" * 512)
