"""Photos that are none, are damaged, too large, or cannot be reached."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

EARLY = r"""
predictions nowhere.png | there is no such file
predictions phto.png | Did you mean 'photo.png'
predictions no/such/folder/photo.png | There is no folder 'no/such/folder' either
predictions https://example.com/photo.png | addresses are not fetched
predictions file:///etc/photo.png | addresses are not fetched
predictions photo.png nowhere.png | there is no such file
predictions "" | is empty
predictions folder | There is no image in 'folder'
predictions empty.png | the file is empty
predictions text.png | this is not an image
predictions cut.png | the file is truncated
predictions cut.jpg | the file is truncated
predictions damaged.png | the file is damaged
predictions header.png | the file is truncated
predictions program.jpg | this is PostScript, a program
predictions bomb.png | and the limit is
predictions to-pipe.png | this is not an ordinary file
predictions loop.png | there is no such file
predictions dangling.png | there is no such file
predictions cut.png text.png | None of the 2 images can be used
feature-maps cut.png | the file is truncated
report cut.png | the file is truncated
explore cut.png | the file is truncated
explore photo.png cut.png | cut.png: the file is truncated
explore photo.png --gallery folder | There is no gallery in 'folder'
lecture cut.png | the file is truncated
lecture photo.png --data nowhere | There is no folder 'nowhere'
convolve cut.png --model shapes | the file is truncated
top-activations cut.png | cut.png: the file is truncated
top-activations photo.png --data folder | Both photos and --data
hierarchy --data nowhere | There is no folder 'nowhere'
gallery --model shapes --data cut.png | cut.png: the file is truncated
"""

CASES = r"""
predictions page.html | this is not an image
predictions pipe | this is not an ordinary file
predictions photo.npy | this is not an image
predictions NO_TEXT.png | there is no such file
"""


def make(folder: Path) -> None:
    """Write a photo, and files that look like one."""
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    photo.save(folder / "photo.png")
    photo.save(folder / "photo.jpg")
    whole = (folder / "photo.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:900])
    (folder / "damaged.png").write_bytes(whole[:60] + bytes(40) + whole[100:])
    (folder / "header.png").write_bytes(whole[:20])
    (folder / "text.png").write_text("This is a text.")
    (folder / "page.html").write_text("<!DOCTYPE html><title>A page</title>")
    (folder / "program.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n")
    (folder / "empty.png").touch()
    (folder / "folder").mkdir()
    (folder / "bomb.png").write_bytes(black(20_000))
    np.save(folder / "photo.npy", np.zeros((64, 64)))
    os.mkfifo(folder / "pipe")
    (folder / "to-pipe.png").symlink_to("pipe")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "dangling.png").symlink_to("nothing.png")


def black(side: int) -> bytes:
    """Return a black square as PNG, a bit for each pixel: Pillow takes most of a second for it."""
    rows = zlib.compressobj(level=1)
    row = bytes(1 + (side + 7) // 8) * 100
    packed = b"".join([rows.compress(row) for _ in range(side // 100)]) + rows.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
