"""Batches from background threads: in order, complete, and with nothing left behind."""

from __future__ import annotations

import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnviz.datasets import (
    Dataset,
    DatasetImage,
    default_workers,
    nothing_left,
    open_dataset,
    stream,
)
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoError, Preprocessing, read_photo
from cnnviz.models import Model
from tests.helpers.architectures import tiny_network

SIZED = Preprocessing(16, (16, 16), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def model() -> Model:
    return Model(tiny_network(), preprocessing=SIZED)


class Counted(Dataset):
    """Images that note when they are read; some are broken."""

    def __init__(self, count: int, broken: tuple[int, ...] = (), side: int = 20) -> None:
        self.count, self.broken, self.side = count, broken, side
        self.read_so_far: list[int] = []

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"n{index}"

    def key(self, index: int) -> str:
        return str(index)

    def describe(self) -> str:
        return "counted"

    def read(self, index: int) -> DatasetImage:
        self.read_so_far.append(index)
        if index in self.broken:
            raise PhotoError(f"n{index}", "it is broken", "Mend it.")
        pixels = np.random.default_rng(index).integers(0, 256, (self.side,) * 2 + (3,), np.uint8)
        return DatasetImage(read_photo(pixels, f"n{index}"), index % 3 if index % 2 else None)


def reading_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("cnnviz-read")]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("size", [1, 4, 50])
def test_batches_are_the_same_whatever_the_threads(model, workers: int, size: int) -> None:
    data = Counted(11, broken=(0, 5))
    with stream(
        data, model.preprocessing, size, workers, device=model.device, dtype=model.dtype
    ) as batches:
        found = list(batches)
    kept = [index for index in range(11) if index not in (0, 5)]
    assert np.concatenate([batch.indices for batch in found]).tolist() == kept
    wanted = torch.stack([SIZED(data.read(index).image) for index in kept])
    assert torch.equal(torch.cat([batch.tensor for batch in found]), wanted)
    labels = np.concatenate([batch.labels for batch in found])
    assert labels.tolist() == [index % 3 if index % 2 else -1 for index in kept]
    assert all(len(batch) == size for batch in found[:-1])
    assert {index: str(why) for index, why in batches.refused.items()} == {
        0: "n0: it is broken. Mend it.",
        5: "n5: it is broken. Mend it.",
    }
    assert reading_threads() == []


def test_some_images_can_be_streamed_in_any_order(model) -> None:
    with stream(
        Counted(9, broken=(4,)),
        model.preprocessing,
        2,
        2,
        [7, 4, 0],
        device=model.device,
        dtype=model.dtype,
    ) as batches:
        assert [batch.indices.tolist() for batch in batches] == [[7, 0]]
    assert list(batches.refused) == [4]


def test_two_batches_are_read_ahead_and_no_more(model) -> None:
    data = Counted(100)
    with stream(data, model.preprocessing, 4, 2, device=model.device, dtype=model.dtype) as batches:
        next(iter(batches))
        time.sleep(0.2)
        assert 8 <= len(data.read_so_far) <= 4 + 8
    assert len(data.read_so_far) <= 4 + 8


def test_the_threads_end_with_the_body_whatever_ends_it(model) -> None:
    before = list(warnings.filters), warnings.showwarning

    def stopped_by(error: BaseException) -> None:
        with stream(
            Counted(50), model.preprocessing, 2, 3, device=model.device, dtype=model.dtype
        ) as batches:
            for _ in batches:
                assert reading_threads()
                raise error

    for error in (RuntimeError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            stopped_by(error)
        assert reading_threads() == []
    with stream(Counted(50), model.preprocessing, 2, 3, device=model.device, dtype=model.dtype):
        pass  # never begun
    assert reading_threads() == []
    assert (list(warnings.filters), warnings.showwarning) == before


def test_a_fault_in_a_data_set_is_not_hidden(model) -> None:
    class Faulty(Counted):
        def read(self, index: int) -> DatasetImage:
            raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        stream(
            Faulty(5), model.preprocessing, 2, 2, device=model.device, dtype=model.dtype
        ) as batches,
    ):
        next(iter(batches))
    assert reading_threads() == []


def test_images_of_another_size_go_in_a_batch_of_their_own() -> None:
    free = Model(tiny_network(), preprocessing=Preprocessing(None, None, (0.5,) * 3, (0.25,) * 3))
    given = [np.zeros((h, 9, 3), np.uint8) for h in (8, 8, 9, 8, 8, 8)]
    with stream(
        open_dataset(given), free.preprocessing, 2, device=free.device, dtype=free.dtype
    ) as batches:
        shapes = [tuple(batch.tensor.shape[::2]) for batch in batches]
    assert shapes == [(2, 8), (1, 9), (2, 8), (1, 8)]


def test_what_pillow_warns_of_in_a_thread_stays_with_its_photo(model, tmp_path: Path) -> None:
    """Reading in threads must neither fail under -W error nor change the process's filters."""
    exif = tmp_path / "a.jpg"
    Image.new("RGB", (20, 20)).save(exif, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x01")
    assert any("Pillow warned" in note for note in read_photo(exif).notes)
    notes: list[tuple[str, ...]] = []

    class Noting(Counted):
        def read(self, index: int) -> DatasetImage:
            photo = read_photo(exif)
            notes.append(photo.notes)
            return DatasetImage(photo)

    before = list(warnings.filters), warnings.showwarning
    with stream(
        Noting(40), model.preprocessing, 4, 4, device=model.device, dtype=model.dtype
    ) as batches:
        assert sum(map(len, batches)) == 40
        assert batches.refused == {}
    assert set(notes) == {read_photo(exif).notes}
    assert (list(warnings.filters), warnings.showwarning) == before


def test_tensors_pass_as_they_are_and_in_the_type_of_the_network() -> None:
    double = Model(
        nn.Conv2d(5, 2, 1).double(), preprocessing=Preprocessing(8, None, (0,) * 5, (1,) * 5)
    )
    given = torch.rand(3, 5, 8, 8)
    with stream(
        open_dataset(given), double.preprocessing, 2, device=double.device, dtype=double.dtype
    ) as batches:
        found = torch.cat([batch.tensor for batch in batches])
    assert torch.equal(found, given.double())
    with (
        pytest.raises(ImageError, match="is of 5 channels"),
        stream(
            open_dataset([np.zeros((8, 8, 3), np.uint8)]),
            double.preprocessing,
            2,
            device=double.device,
            dtype=double.dtype,
        ) as batches,
    ):
        list(batches)
    with (
        pytest.raises(UsageError, match="has 4 channels, and the network takes 5"),
        stream(
            open_dataset(torch.rand(1, 4, 8, 8)),
            double.preprocessing,
            2,
            device=double.device,
            dtype=double.dtype,
        ) as batches,
    ):
        list(batches)


def test_wrong_arguments_are_sentences(model) -> None:
    with pytest.raises(UsageError, match="0 images cannot be read by 1 threads"):
        stream(Counted(3), model.preprocessing, 0, 1, device=model.device, dtype=model.dtype)
    with pytest.raises(UsageError, match="There is no image 3 in counted"):
        stream(Counted(3), model.preprocessing, 1, 1, [3], device=model.device, dtype=model.dtype)
    assert 1 <= default_workers() <= 8


def test_an_error_names_what_could_not_be_read(model) -> None:
    with stream(
        Counted(5, broken=tuple(range(5))),
        model.preprocessing,
        2,
        2,
        device=model.device,
        dtype=model.dtype,
    ) as batches:
        assert list(batches) == []
    told = str(nothing_left(list(batches.refused.values()), batches.dataset))
    assert "No image of counted can be used (n0: it is broken; n1:" in told
    assert "and 2 more)" in told


def test_no_batch_reaches_from_one_block_into_the_next(model) -> None:
    """Where images are lacking as well, so that a block's batches depend on it alone."""
    data = Counted(22, broken=(1, 8, 9, 10, 11, 12, 13, 14, 15))
    with stream(
        data, model.preprocessing, 3, within=8, device=model.device, dtype=model.dtype
    ) as batches:
        found = [batch.indices.tolist() for batch in batches]
    assert found == [[0, 2, 3], [4, 5, 6], [7], [16, 17, 18], [19, 20, 21]]
    with stream(
        data,
        model.preprocessing,
        3,
        within=8,
        indices=range(16, 22),
        device=model.device,
        dtype=model.dtype,
    ) as batches:
        assert [batch.indices.tolist() for batch in batches] == found[3:]
