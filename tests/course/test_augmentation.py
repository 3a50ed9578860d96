"""Transforms from texts, what they draw, and the interval of a share."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from cnnviz.course.augmentation import drawn, read_transform
from cnnviz.errors import UsageError
from cnnviz.models.randomness import seeded
from tests.helpers.each_case import each_case

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))


def test_a_text_makes_the_transform_that_it_names() -> None:
    made = read_transform("RandomResizedCrop((24, 30), scale=(0.2, 0.9))")
    assert isinstance(made, v2.RandomResizedCrop)
    with seeded(5):
        wanted = v2.RandomResizedCrop((24, 30), scale=(0.2, 0.9))(PHOTO)
    np.testing.assert_array_equal(drawn(made, PHOTO, 5), np.asarray(wanted))
    chained = read_transform("CenterCrop(20), RandomApply([ColorJitter(0.5)], p=1.0)")
    with seeded(2):
        wanted = v2.ColorJitter(0.5)(v2.CenterCrop(20)(PHOTO))
    assert drawn(chained, PHOTO, 2).shape == np.asarray(wanted).shape


@each_case(
    "spec",
    [
        "__import__('os').getcwd()",
        "open('x')",
        "CenterCrop(__import__('os'))",
        "CenterCrop(**{'size': 3})",
        "Lambda(print)",
        "CenterCrop",
        "CenterCrop(",
        "3",
        "",
        "RandomCenterCrop(3)",
        "CenterCrop(size=3, colour=4)",
    ],
)
def test_nothing_else_is_run(spec: str) -> None:
    with pytest.raises(UsageError):
        read_transform(spec)


def test_a_file_gives_a_transform_or_what_makes_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from torchvision.transforms import v2\n"
        "ready = v2.CenterCrop(8)\n"
        "def factory():\n    return v2.CenterCrop(9)\n"
        "def flipped(image):\n    return image.transpose(0)\n"
    )
    assert drawn(read_transform(f"{path}:ready"), PHOTO, 0).shape == (8, 8, 3)
    assert drawn(read_transform(f"{path}:factory"), PHOTO, 0).shape == (9, 9, 3)
    flipped = drawn(read_transform(f"{path}:flipped"), PHOTO, 0)
    np.testing.assert_array_equal(flipped, np.asarray(PHOTO)[:, ::-1])


def test_a_draw_follows_its_seed_and_leaves_the_generators_alone() -> None:
    def noisy(image: Image.Image) -> torch.Tensor:
        values = torch.rand(3, 4, 4) + random.random() + float(np.random.rand())  # noqa: NPY002
        return values / 3.0

    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, again, other = (drawn(noisy, PHOTO, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


def test_tensors_within_0_and_1_are_pixels_and_others_are_normalised() -> None:
    pixels = np.asarray(PHOTO)
    to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    np.testing.assert_array_equal(drawn(to_tensor, PHOTO, 0), pixels)
    np.testing.assert_array_equal(drawn(v2.ToImage(), PHOTO, 0), pixels)
    normalised = v2.Compose([to_tensor, v2.Normalize([0.5] * 3, [0.2] * 3)])
    assert isinstance(drawn(normalised, PHOTO, 0), torch.Tensor)
    for wrong in (lambda image: 3, lambda image: image.nothing, lambda image: torch.zeros(2, 2)):
        with pytest.raises(UsageError):
            drawn(wrong, PHOTO, 0)
