from __future__ import annotations

import dataclasses
import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import cnnviz
from cnnviz.datasets.shapes import CLASSES, TEXTURES, Sample, Shapes
from cnnviz.errors import UsageError
from tests.helpers.each_case import each_case


def same(one: Sample, other: Sample) -> bool:
    return (
        np.array_equal(one.image, other.image)
        and np.array_equal(one.mask, other.mask)
        and np.array_equal(one.full_mask, other.full_mask)
        and (one.label, one.factors) == (other.label, other.factors)
    )


def test_a_sample_has_the_documented_arrays():
    sample = Shapes(0)[5]
    assert sample.image.shape == (96, 96, 3)
    assert sample.image.dtype == np.uint8
    assert sample.mask.shape == sample.full_mask.shape == (96, 96)
    assert sample.mask.dtype == sample.full_mask.dtype == np.bool_
    assert sample.name == CLASSES[sample.label]
    assert (sample.seed, sample.index, sample.split) == (0, 5, "train")


def test_a_sample_does_not_depend_on_the_order_or_the_instance():
    forwards, backwards = Shapes(3), Shapes(3)
    first = [forwards[i] for i in range(12)]
    second = [backwards[i] for i in reversed(range(12))][::-1]
    assert all(same(a, b) for a, b in zip(first, second, strict=True))


def test_seed_split_and_index_each_change_the_picture():
    pictures = [
        Shapes(0)[3].image,
        Shapes(1)[3].image,
        Shapes(0, split="held-out")[3].image,
        Shapes(0)[4].image,
    ]
    for one, other in itertools.combinations(pictures, 2):
        assert not np.array_equal(one, other)


def test_a_far_sample_is_reached_directly():
    assert Shapes(2**63 - 1)[2**62].image.shape == (96, 96, 3)


def test_global_random_state_is_neither_read_nor_written():
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    before = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()  # noqa: NPY002
    one = Shapes(0)[7]
    after = np.random.get_state()[1], random.getstate(), torch.get_rng_state()  # noqa: NPY002
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
    assert torch.equal(before[2], after[2])
    np.random.seed(2)  # noqa: NPY002
    assert same(one, Shapes(0)[7])


def test_ten_samples_in_a_row_have_the_ten_classes_in_changing_order():
    shapes = Shapes(0)
    blocks = [[shapes.label(i) for i in range(s, s + 10)] for s in range(0, 200, 10)]
    assert all(sorted(block) == list(range(10)) for block in blocks)
    assert len({tuple(block) for block in blocks}) > 15


def test_label_and_factors_come_without_drawing():
    shapes = Shapes(4)
    sample = shapes[33]
    assert shapes.label(33) == sample.label
    assert shapes.factors(33) == sample.factors


def test_a_fixed_factor_leaves_the_others_as_they_are():
    free, fixed = Shapes(0), Shapes(0, rotation=0.0, texture="dots")
    for i in range(10):
        expected = dataclasses.replace(free.factors(i), rotation=0.0, texture="dots")
        assert fixed.factors(i) == expected


def test_a_range_and_a_choice_are_kept():
    shapes = Shapes(0, scale=(0.5, 0.52), texture=("plain", "noise"), clutter=(1, 2))
    drawn = [shapes.factors(i) for i in range(60)]
    assert all(0.5 <= f.scale <= 0.52 for f in drawn)
    assert {f.texture for f in drawn} == {"plain", "noise"}
    assert {f.clutter for f in drawn} == {1, 2}


def test_all_textures_and_harder_occlusion_turn_up():
    assert {Shapes(0).factors(i).texture for i in range(100)} == set(TEXTURES)
    hard = [Shapes(0, difficulty="hard").factors(i).occlusion for i in range(100)]
    assert max(hard) > 0.4
    assert all(Shapes(0, difficulty="easy").factors(i).occlusion == 0.0 for i in range(10))


def test_batches_have_the_samples_in_order():
    shapes = Shapes(0)
    batches = list(shapes.batches(4, start=2, count=10))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert np.array_equal(images, np.stack([shapes[i].image for i in range(2, 12)]))
    assert labels.tolist() == [shapes.label(i) for i in range(2, 12)]
    assert len(list(itertools.islice(shapes.batches(2), 3))) == 3


def test_slices_and_iteration():
    shapes = Shapes(0)
    assert [s.index for s in shapes[2:8:3]] == [2, 5]
    assert [s.index for s in itertools.islice(shapes, 3)] == [0, 1, 2]
    with pytest.raises(UsageError, match="a slice needs an end"):
        shapes[3:]


def test_the_torch_dataset_has_the_same_pictures():
    shapes = Shapes(0)
    dataset = shapes.as_dataset(6, start=3)
    image, label = dataset[2]
    assert len(dataset) == 6
    assert label == shapes.label(5)
    assert image.dtype == torch.float32
    assert np.array_equal((image.permute(1, 2, 0) * 255).round().byte().numpy(), shapes[5].image)
    with pytest.raises(IndexError, match="out of range for 6 samples"):
        dataset[6]
    assert len(list(torch.utils.data.DataLoader(dataset, batch_size=4))) == 2


@each_case(
    ("arguments", "message"),
    [
        ({"seed": -1}, "The seed of a shapes sample cannot be -1"),
        ({"seed": 2**63}, "The seed of a shapes sample cannot be"),
        ({"split": "test"}, "'test' is not a split"),
        ({"difficulty": "hrad"}, r"'hrad' is not a difficulty.*'hard'"),
        ({"size": 8}, "side of 8 pixels"),
        ({"size": 96.5}, "side of 96.5 pixels"),
    ],
)
def test_a_bad_argument_is_one_clear_sentence(arguments, message):
    with pytest.raises(UsageError, match=message):
        Shapes(**arguments)


def test_a_negative_index_and_an_empty_batch_are_refused():
    with pytest.raises(UsageError, match="The index of a shapes sample cannot be -1"):
        Shapes(0)[-1]
    with pytest.raises(UsageError, match="cannot have 0 samples"):
        next(Shapes(0).batches(0))


def test_repr_is_one_line_that_makes_the_set_again():
    shapes = Shapes(3, rotation=0.0, difficulty="hard")
    again = eval(repr(shapes), {"Shapes": Shapes})
    assert same(shapes[1], again[1])


def test_drawing_does_not_import_torch():
    code = (
        "import sys; from cnnviz.datasets.shapes import Shapes; Shapes(0)[0]; "
        "sys.exit('torch' in sys.modules)"
    )
    root = str(Path(cnnviz.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": root})
