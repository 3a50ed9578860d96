"""Names of files, with as many folders as tell them apart, wherever several are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.datasets import open_dataset
from cnnviz.images.batch import prepare
from cnnviz.images.paths import distinct_names
from cnnviz.images.reading import read_photo
from cnnviz.models import Model, as_model
from cnnviz.passes.captures import capture
from cnnviz.views.cam import cam
from cnnviz.views.predictions import predictions
from tests.helpers.architectures import tiny_network
from tests.helpers.array_networks import seeded, signal_classifier
from tests.helpers.each_case import each_case


@each_case(
    ("paths", "names"),
    [
        (["a/1.jpg", "b/2.jpg"], ["1.jpg", "2.jpg"]),
        (["a/1.jpg", "b/1.jpg", "b/2.jpg"], ["a/1.jpg", "b/1.jpg", "2.jpg"]),
        (["x/a/1.jpg", "y/a/1.jpg", "y/b/1.jpg"], ["x/a/1.jpg", "y/a/1.jpg", "b/1.jpg"]),
        (["1.jpg", "b/1.jpg"], ["1.jpg", "b/1.jpg"]),
        (["a/1.jpg", "a/1.jpg"], ["1.jpg", "1.jpg"]),
        (["/1.jpg", "/b/1.jpg"], ["/1.jpg", "b/1.jpg"]),
        (["a/1.jpg", "a/1.jpg", "b/1.jpg"], ["a/1.jpg", "a/1.jpg", "b/1.jpg"]),
    ],
)
def test_a_name_has_as_many_folders_as_tell_it_apart(paths: list[str], names: list[str]) -> None:
    assert distinct_names([(Path(path).name, path) for path in paths]) == names


def test_a_name_of_its_own_stays() -> None:
    named = [("image 0", ""), ("photo", "a/1.jpg"), ("1.jpg", "b/1.jpg"), ("1.jpg", "")]
    assert distinct_names(named) == ["image 0", "photo", "b/1.jpg", "1.jpg"]
    roots = [("a/1.jpg", "one/a/1.jpg"), ("a/1.jpg", "two/a/1.jpg")]
    assert distinct_names(roots) == ["one/a/1.jpg", "two/a/1.jpg"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 24, 24, 3), np.uint8)
    for folder, values in zip("ab", pixels, strict=True):
        (tmp_path / folder).mkdir()
        Image.fromarray(values).save(tmp_path / folder / "1.png")
    (tmp_path / "b" / "2.png").write_bytes(b"no picture")
    (tmp_path / "a" / "2.png").write_bytes(b"")
    return tmp_path


def test_photos_of_several_folders_are_told_apart_in_every_result(folders: Path) -> None:
    files = [folders / name for name in ("a/1.png", "b/1.png", "a/2.png", "b/2.png")]
    held = capture(tiny_network(), files, layers=["3"])
    answers = predictions(held)
    assert answers.images == ("a/1.png", "b/1.png")
    assert {row[0] for row in answers.table().rows} == {"a/1.png", "b/1.png"}
    assert [source.name for source in answers.provenance.images] == ["a/1.png", "b/1.png"]
    assert cam(held).images == ("a/1.png", "b/1.png")
    assert [one.name for one in held.batch.refused] == ["a/2.png", "b/2.png"]
    assert str(held.batch.refused[0]).startswith("a/2.png: the file is empty.")


def test_photos_that_were_read_before_are_told_apart(folders: Path) -> None:
    photos = [read_photo(folders / folder / "1.png") for folder in "ab"]
    assert [photo.name for photo in photos] == ["1.png", "1.png"]
    taken = as_model(tiny_network()).preprocessing
    assert [one.name for one in prepare(photos, taken).photos] == ["a/1.png", "b/1.png"]
    assert prepare(photos[0], taken).photos[0].name == "1.png"


def test_signals_of_several_folders_are_told_apart(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "1.npy", values)
    (tmp_path / "c" / "1.npy").write_bytes(b"no array")
    model = Model(seeded(signal_classifier))
    batch = model.prepare([tmp_path / folder / "1.npy" for folder in ("a", "b", "c")])
    assert [one.name for one in batch.photos] == ["a/1.npy", "b/1.npy"]
    assert [one.name for one in batch.refused] == ["c/1.npy"]


def test_a_list_of_files_is_told_apart(folders: Path) -> None:
    listed = open_dataset([folders / "a" / "1.png", folders / "b" / "1.png"])
    assert listed.names == ("a/1.png", "b/1.png")
