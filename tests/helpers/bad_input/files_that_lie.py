"""Pipes that nobody writes to, `/dev/zero` and links to it, holes, and lists that lie."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

CASES = r"""
training-report pipe | it is not an ordinary file
training-report zero | it is not an ordinary file
training-report hole | is no training run
training-report folder | it is a folder
predictions photo.png --categories pipe | it is not an ordinary file
predictions photo.png --categories zero | it is not an ordinary file
predictions photo.png --categories hole | it has more than 16 MB
predictions photo.png --categories folder | it is a folder
predictions photo.png --categories deep.json | nested too deeply
predictions photo.png --categories nan.json | is not JSON
predictions photo.png --categories halves.json | is not JSON
predictions zero | this is not an ordinary file
predictions zero.png | this is not an ordinary file
predictions photo.png --weights pipe | has no weights called 'pipe'
predictions photo.png --weights zero.pth | is not an ordinary file
predictions photo.png --model zero | There is no network called 'zero'
localisation photo.png --boxes pipe.csv | is not an ordinary file
localisation photo.png --boxes zero.json | is not an ordinary file
localisation photo.png --boxes deep.json | is no COCO JSON
localisation photo.png --boxes types.json | at annotations[0].bbox
localisation photo.png --boxes lost.json | a box of image 7, and no such image
localisation photo.png --boxes short.csv | names no image
localisation photo.png --boxes entities.xml | has definitions of its own
localisation photo.png --boxes wide.xml | or is not UTF-8
convolve pipe.csv | it is no matrix of numbers
convolve zero.npy | it is no matrix of numbers
convolve zero.wav | not an ordinary file
errors --data pipe.csv | is not an ordinary file
errors --data zero.tar | it is not an ordinary file
losses --out zero.png | is not an ordinary file
"""


def make(folder: Path) -> None:
    """Write a photo, and files that are not what they are called."""
    Image.fromarray(np.full((64, 64, 3), 99, np.uint8)).save(folder / "photo.png")
    for name in ("pipe", "pipe.csv"):
        os.mkfifo(folder / name)
    for suffix in ("", ".png", ".pth", ".json", ".npy", ".wav", ".tar"):
        (folder / f"zero{suffix}").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    with (folder / "hole").open("wb") as stream:
        stream.truncate(1 << 40)
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "nan.json").write_text("[NaN]")
    (folder / "halves.json").write_text('["half of a pair: \\ud800"]')
    image = '{"images": [{"id": 1, "file_name": "photo.png"}], "annotations": '
    (folder / "types.json").write_text(image + '[{"image_id": 1, "bbox": "wide"}]}')
    (folder / "lost.json").write_text(image + '[{"image_id": 7, "bbox": [1, 1, 2, 2]}]}')
    (folder / "short.csv").write_text("x1,y1,x2,y2,path\n1,2,3,4\n")
    entities = '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'
    (folder / "entities.xml").write_text(entities)
    (folder / "wide.xml").write_bytes(entities.encode("utf-16"))
