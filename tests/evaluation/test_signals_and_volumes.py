"""Classifiers of signals and volumes, measured over labelled folders, lists and patterns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

import cnnviz
from cnnviz.errors import CnnvizError, UsageError
from cnnviz.images import ArrayPreprocessing
from cnnviz.models import Model
from cnnviz.reports import classifier_report, error_report
from tests.helpers.array_networks import seeded, signal_classifier, volume_classifier

CLASSES = ("rest", "run", "walk")
EACH = 5


def signals() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        f"{name}/{place}.npy": (1 + at) * random.normal(size=(2, 32)).astype(np.float32)
        for at, name in enumerate(CLASSES)
        for place in range(EACH)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, values in signals().items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
    return tmp_path / "set"


def network() -> Model:
    return Model(seeded(signal_classifier), name="steps", categories=CLASSES)


def test_the_measures_are_those_of_scikit_learn(folder: Path) -> None:
    model = network()
    found = cnnviz.evaluate_classifier(model, folder, explain=0)
    inputs = torch.from_numpy(np.stack(list(signals().values())))
    with torch.no_grad():
        shares = model.module(inputs).double().softmax(1).numpy()
    truths = np.repeat(np.arange(3), EACH)
    np.testing.assert_allclose(found.probabilities, shares, atol=1e-6)
    answers = shares.argmax(1)
    assert found.accuracy.count == int((answers == truths).sum())
    assert (found.confusion == confusion_matrix(truths, answers)).all()
    balanced = balanced_accuracy_score(truths, answers)
    assert 1 - found.balanced_error_rate.value == pytest.approx(balanced)
    areas = roc_auc_score(truths, shares, multi_class="ovr")
    assert found.macro_auc == pytest.approx(areas)
    assert found.image_names == tuple(signals())


def test_a_list_and_a_pattern_give_what_the_folder_gives(folder: Path) -> None:
    lines = [f"set/{name},{Path(name).parent.name}" for name in signals()]
    listed = folder.parent / "list.csv"
    listed.write_text("path,label\n" + "\n".join(lines) + "\n")
    whole = cnnviz.evaluate_classifier(network(), folder, explain=0)
    for data in (listed, str(folder / "*" / "*.npy")):
        found = cnnviz.evaluate_classifier(network(), data, explain=0)
        np.testing.assert_array_equal(found.probabilities, whole.probabilities)
        assert (found.confusion == whole.confusion).all()
        assert found.data == "15 signals with 3 labels"
    part = cnnviz.evaluate_classifier(network(), listed, count=6, explain=0)
    assert part.images == 6


@pytest.mark.parametrize("find", [cnnviz.evaluate_classifier, cnnviz.error_analysis])
def test_the_page_speaks_of_signals_and_shows_them(find, folder: Path, tmp_path: Path) -> None:
    (folder / "rest" / "broken.npy").write_bytes(b"no array")
    found = find(network(), folder, explain=2)
    assert "1 signal could not be read" in " ".join(found.provenance.notes)
    assert found.noun == "signal"
    assert found.examples
    for example in found.examples:
        assert example.photo.shape == example.overlays[0].shape
    make = classifier_report if find is cnnviz.evaluate_classifier else error_report
    manifest = make(found).save(tmp_path / "page")
    page = manifest.page.read_text()
    told = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert "signals" in told
    found_words = re.findall(r"[^.]*\b(?:images?|photos?)\b[^.]*", told, re.IGNORECASE)
    assert not found_words
    assert not re.search(r"\b(images?|photos?)\b", found.caption())


def test_volumes_are_measured_and_explained(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for place in range(2):
            np.save(tmp_path / name / f"{place}.npy", random.normal(size=(1, 4, 8, 8)))
    model = Model(seeded(volume_classifier), categories=("a", "b", "c"))
    found = cnnviz.evaluate_classifier(model, tmp_path, explain=1)
    assert found.noun == "volume"
    assert found.examples[0].photo.shape == found.examples[0].overlays[0].shape
    assert found.figure()


def test_what_has_no_label_or_no_signal_is_refused(folder: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    np.save(loose / "a.npy", np.zeros((2, 32)))
    with pytest.raises(UsageError, match="Nothing says what"):
        cnnviz.evaluate_classifier(network(), loose)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CnnvizError, match="There is no signal in"):
        cnnviz.evaluate_classifier(network(), empty)
    other = Model(
        seeded(signal_classifier), preprocessing=ArrayPreprocessing(axes=1), categories="abc"
    )
    with pytest.raises(UsageError):
        cnnviz.evaluate_classifier(other, folder)
