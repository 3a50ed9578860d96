"""A trained network as two files: its weights, and a card that says what they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save as to_bytes
from torch.nn.functional import interpolate

from cnnviz.datasets.shapes import CLASSES
from cnnviz.datasets.shapes.chunks import Images, Labels, Masks
from cnnviz.errors import OutputError
from cnnviz.models.networks import INPUT_SIZES, MEAN, STD
from cnnviz.models.randomness import seeded
from cnnviz.results.provenance import installed_version

from .data import CHUNK, draw_samples, normalise
from .loop import TRAINABLE, Network, TrainingRecipe

ACCURACY_SAMPLES = 4000
POINTING_SAMPLES = 1000
Verdicts = npt.NDArray[np.bool_]


def to_file(name: str, network: Network, recipe: TrainingRecipe, steps: int) -> bytes:
    """Return a network as a safetensors file with fp16 weights and what one needs to use them.

    The same network gives the same bytes: the header is sorted.
    """
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    metadata = {
        "cnnviz": installed_version("cnnviz"),
        "network": name,
        "classes": json.dumps(CLASSES),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "seed": str(recipe.seed),
        "steps": str(steps),
    }
    content = to_bytes(state, metadata)
    (length,) = struct.unpack("<Q", content[:8])
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def as_stored(name: str, network: Network) -> Network:
    """Return a copy of a network with its weights rounded to fp16, in fp32 and eval mode."""
    with seeded():
        copy = TRAINABLE[name]()
    state = network.state_dict()
    copy.load_state_dict(
        {k: v.half().float() if v.is_floating_point() else v for k, v in state.items()}
    )
    return copy.eval()


@torch.no_grad()
def correct(network: Network, images: Images, labels: Labels) -> Verdicts:
    """Return for each image [N, 96, 96, 3] whether the highest logit is that of its label."""
    found = [
        network(normalise(torch.from_numpy(images[start : start + CHUNK]))).argmax(1).numpy()
        for start in range(0, len(images), CHUNK)
    ]
    return np.asarray(np.concatenate(found) == labels)


def pointing(network: Network, images: Images, labels: Labels, masks: Masks) -> Verdicts:
    """Return for each image whether Grad-CAM's maximum lies on a visible pixel of the object.

    Grad-CAM (Selvaraju et al., 2017) of the label's logit at the last maps, bilinearly upsampled,
    in the pointing game of Zhang et al. (2018) without its tolerance of 15 pixels.
    """
    hits = []
    for start in range(0, len(images), CHUNK):
        some = slice(start, start + CHUNK)
        with torch.no_grad():
            maps = network.maps(normalise(torch.from_numpy(images[some])))
        maps.requires_grad_()
        score = network.head(maps).gather(1, torch.from_numpy(labels[some])[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, maps)
        weighted = (gradient.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True)
        heat = interpolate(weighted.relu(), images.shape[1:3], mode="bilinear")
        peak = heat.flatten(1).argmax(1).numpy()
        hits.append(masks[some].reshape(len(peak), -1)[np.arange(len(peak)), peak])
    return np.asarray(np.concatenate(hits))


def judge(name: str, network: Network, *, seed: int, workers: int | None) -> dict[str, Any]:
    """Return what a network with fp16 weights achieves on held-out samples."""
    images, labels, masks = draw_samples(
        ACCURACY_SAMPLES, seed=seed, split="held-out", workers=workers
    )
    stored = as_stored(name, network)
    right = correct(stored, images, labels)
    few = slice(POINTING_SAMPLES)
    hits = pointing(stored, images[few], labels[few], masks[few])
    return {
        "samples": len(right),
        "split": "held-out",
        "difficulty": "default",
        "accuracy": float(right.mean()),
        "classes": {
            label: {
                "samples": int((labels == i).sum()),
                "correct": int(right[labels == i].sum()),
                "accuracy": float(right[labels == i].mean()),
            }
            for i, label in enumerate(CLASSES)
        },
        "grad_cam_maximum_on_object": {
            "samples": len(hits),
            "hits": int(hits.sum()),
            "share": float(hits.mean()),
        },
    }


def describe(
    name: str, network: Network, content: bytes, recipe: TrainingRecipe, training: dict[str, Any]
) -> dict[str, Any]:
    """Return the model card without its results."""
    assert network.__doc__ is not None
    return {
        "network": name,
        "description": network.__doc__.split("\n")[0],
        "use": "A small trained network for examples, tests and teaching; it knows only shapes.",
        "file": {
            "name": f"{name}.safetensors",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "weights": "fp16, to be computed with in fp32",
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
        },
        "input": {"shape": INPUT_SIZES[name], "colours": "RGB in [0, 1]", "mean": MEAN, "std": STD},
        "classes": CLASSES,
        "data": {
            "set": "cnnviz.datasets.shapes",
            "split": "train",
            "difficulty": "default",
            "seed": recipe.seed,
            "samples": recipe.samples,
            "augmentation": "quarter turns, mirror images, exchanged colour channels",
        },
        "objective": (
            "Cross-entropy with label smoothing; a penalty on class evidence away from the "
            "object's mask, so the network has seen masks as well as labels; a penalty on "
            "first-layer filters that are noise or measure plain brightness."
        ),
        "recipe": dataclasses.asdict(recipe),
        "training": training,
        "versions": {
            "cnnviz": installed_version("cnnviz"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
    }


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{str(path)!r} cannot be written: {error.strerror or error}.",
            "Check the free space and the permissions, or name another folder with --out.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
