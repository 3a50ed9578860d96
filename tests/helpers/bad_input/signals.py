"""Files of signals and clips that are damaged, hold something else, or do not fit the network."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

CASES = r"""
predictions nowhere.npy --model net.py:signal | there is no such file
predictions empty.npy --model net.py:signal | the file is empty
predictions text.npy --model net.py:signal | text.npy: it is damaged, or holds something
predictions cut.npy --model net.py:signal | cut.npy: it is damaged, or holds something
predictions giant.npy --model net.py:signal | giant.npy: it cannot be read
predictions objects.npy --model net.py:signal | objects.npy: it is damaged, or holds something
predictions words.npy --model net.py:signal | words.npy: the array is of
predictions complex.npy --model net.py:signal | complex.npy: the array is of complex128
predictions none.npy --model net.py:signal | none.npy: the array is empty
predictions point.npy --model net.py:signal | point.npy: it has the shape []
predictions nan.npy --model net.py:signal | not finite
predictions huge.npy --model net.py:signal | not finite
predictions wide.npy --model net.py:signal | it has the shape [3, 50]
predictions last.npy --model net.py:signals | Its channels come last
predictions short.npy --model net.py:signal | cannot run on an input [1, 1, 2]
predictions two.npz --model net.py:signal | it holds 2 arrays (a, b)
predictions no.npz --model net.py:signal | it holds 0 arrays
predictions text.npz --model net.py:signal | text.npz: it is damaged, or holds something
predictions list.pt --model net.py:signal | list.pt: it holds a list
predictions complex.pt --model net.py:signal | complex.pt: the array is of complex64
predictions sparse.pt --model net.py:signal | no dense one of ordinary numbers (torch.sparse
predictions meta.pt --model net.py:signal | float32, meta). Save one that is
predictions text.pt --model net.py:signal | text.pt: it is damaged, or holds something
predictions text.wav --model net.py:signal | text.wav: it is no PCM .wav file
predictions cut.wav --model net.py:signal | cut.wav
predictions silent.wav --model net.py:signal | silent.wav
predictions floats.wav --model net.py:signal | it is no PCM .wav file
predictions fast.wav --model net.py:timed | it is sampled at 8,000 Hz
predictions photo.png --model net.py:signal | this is a picture, and the network takes
predictions frames --model net.py:signal | this is a folder, and the network takes
predictions good.npy | this is not an image
predictions empty_folder --model net.py:clip | There is no image in 'empty_folder'
predictions frames --model net.py:clip --resize 0 | resize cannot be 0
predictions uneven --model net.py:clip | its frames differ in size
predictions broken --model net.py:clip | this is not an image
equivariance good.npy --model net.py:signal | is for networks of images
gallery --model net.py:signal --data empty_folder | is for networks of images
"""

_NETWORKS = """
import torch
from cnnviz import ArrayPreprocessing
from torch import nn

def made(channels, layer, pool, **prepared):
    torch.manual_seed(0)
    layers = layer(channels, 4, 5), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(4, 3)
    network = nn.Sequential(*layers)
    if prepared:
        network.preprocessing = ArrayPreprocessing(**prepared)
    return network

def signal(): return made(1, nn.Conv1d, nn.AdaptiveAvgPool1d)
def signals(): return made(2, nn.Conv1d, nn.AdaptiveAvgPool1d)
def timed(): return made(1, nn.Conv1d, nn.AdaptiveAvgPool1d, axes=1, rate=16000.0)
def clip(): return made(3, nn.Conv3d, nn.AdaptiveAvgPool3d)
"""


def make(folder: Path) -> None:
    """Write networks of signals and clips, and files for them."""
    (folder / "net.py").write_text(_NETWORKS)
    Image.new("RGB", (32, 32)).save(folder / "photo.png")
    good = np.sin(np.arange(50) / 3)
    arrays: dict[str, Any] = {
        "good": good,
        "words": np.array(["a", "b"]),
        "complex": good + 1j,
        "none": np.zeros((1, 0)),
        "point": np.float64(3.0),
        "nan": np.where(good > 0, np.nan, good),
        "huge": np.full(50, 1e300),
        "wide": np.tile(good, (3, 1)),
        "last": np.tile(good[:, None], (1, 2)),
        "short": good[:2],
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    whole = (folder / "good.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:-40])
    (folder / "giant.npy").write_bytes(whole.replace(b"(50,)", b"(9999999999999,)", 1))
    (folder / "empty.npy").touch()
    for suffix in ("npy", "npz", "pt", "wav"):
        (folder / f"text.{suffix}").write_text("This is a text and no numbers at all.")
    np.savez(folder / "two.npz", a=good, b=good)
    np.savez(folder / "no.npz")
    torch.save([1.0, 2.0], folder / "list.pt")
    tensors = {
        "complex": torch.ones(50, dtype=torch.complex64),
        "sparse": torch.ones(50).to_sparse(),
        "meta": torch.ones(50, device="meta"),
    }
    for name, tensor in tensors.items():
        torch.save(tensor, folder / f"{name}.pt")
    _sound(folder / "fast.wav", (good * 30_000).astype("<i2").tobytes())
    _sound(folder / "silent.wav", b"")
    sound = (folder / "fast.wav").read_bytes()
    (folder / "cut.wav").write_bytes(sound[:30])
    (folder / "floats.wav").write_bytes(sound[:20] + b"\x03\x00" + sound[22:])
    for name in ("frames", "uneven", "broken", "empty_folder"):
        (folder / name).mkdir()
        for place in range(0 if name == "empty_folder" else 3):
            size = (16 + place, 16) if name == "uneven" else (16, 16)
            Image.new("RGB", size).save(folder / name / f"{place}.png")
    (folder / "broken" / "1.png").write_text("No picture.")


def _sound(path: Path, samples: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples)
