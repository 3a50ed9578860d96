"""The view of a transfer: its trainings, what it says of them, and what it refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit, logit
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.utils import parametrizations

import cnnviz
from cnnviz.course.transfer_tasks import TASKS
from cnnviz.errors import UsageError
from cnnviz.models.training.data import normalise
from cnnviz.results.drawing import new_figure
from cnnviz.results.intervals import wilson
from cnnviz.testing import network_state, small_network
from cnnviz.views import _transfer_run
from cnnviz.views.transfer_learning import TransferLearning
from tests.helpers.each_case import each_case

TINY = {"samples": (2, 4), "seeds": 2, "epochs": 1, "test": 12}


@pytest.fixture(scope="module")
def shapes() -> cnnviz.Model:
    return cnnviz.load("shapes-plain")


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int, str]]:
    """Return what the trainings of `tiny` told of their progress."""
    return []


@pytest.fixture(scope="module")
def tiny(shapes, told) -> TransferLearning:
    return cnnviz.transfer_learning(shapes, **TINY, progress=lambda *step: told.append(step))


def model(module: nn.Module | None = None) -> cnnviz.Model:
    preprocessing = cnnviz.Preprocessing(12, (12, 12), (0.5,) * 3, (0.25,) * 3)
    return cnnviz.Model(module or small_network(), name="small", preprocessing=preprocessing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of nine photos each, one light and one dark, and one that cannot be read."""
    top, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (top / name).mkdir()
        for place in range(9):
            pixels = (level + random.integers(-30, 30, (16, 16, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(top / name / f"{place}.png")
    (top / "dark" / "broken.png").write_bytes(b"no image")
    return top


def test_the_network_and_the_generators_of_the_caller_are_left_alone() -> None:
    module = small_network().train()
    before = network_state(module)  # The states of the generators are in it.
    with torch.no_grad():
        cnnviz.transfer_learning(model(module), **{**TINY, "seeds": 1})
    assert network_state(module) == before


def test_frozen_is_scikit_learns_regression_on_the_features_of_the_network(tiny, shapes) -> None:
    task = TASKS["letters"]
    test = task.draw(0, "held-out", 0, 12)

    def features(images: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return shapes.module.maps(normalise(images)).mean((2, 3)).double().numpy()

    for seed in (0, 1):
        own = task.draw(seed, "train", 0, 16)
        scaler = StandardScaler().fit(features(own.images))
        given = scaler.transform(features(own.images))
        head = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(given, own.labels)
        right = head.score(scaler.transform(features(test.images)), test.labels)
        assert tiny.accuracy[0, 1, seed] == pytest.approx(right)
        assert tiny.train_accuracy[0, 1, seed] == pytest.approx(head.score(given, own.labels))


def test_the_numbers_come_out_again_whatever_runs_beside_them(shapes, tiny, monkeypatch) -> None:
    monkeypatch.setattr(_transfer_run, "default_workers", lambda: 1)
    again = cnnviz.transfer_learning(shapes, **TINY)
    for name in ("accuracy", "train_accuracy", "cka", "weight_change"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tiny, name))
    assert tiny.accuracy.shape == (3, 2, 2)
    assert tiny.cka.shape == tiny.weight_change.shape == (5, 2)


def test_dropout_draws_for_each_training_from_its_own_seed() -> None:
    module = small_network()
    module.insert(8, nn.Dropout(0.5))
    given = {**TINY, "seeds": 1, "methods": "fine-tuned,scratch"}
    one = cnnviz.transfer_learning(model(module), **given)
    torch.rand(3)
    two = cnnviz.transfer_learning(model(module), **given)
    np.testing.assert_array_equal(one.cka, two.cka)
    np.testing.assert_array_equal(one.accuracy, two.accuracy)


def test_what_no_step_changed_is_the_same_as_before(shapes, monkeypatch) -> None:
    monkeypatch.setitem(_transfer_run.RATES, "fine-tuned", 0.0)
    found = cnnviz.transfer_learning(
        shapes, samples=4, seeds=1, epochs=1, test=12, methods="fine-tuned"
    )
    np.testing.assert_allclose(found.cka, 1.0)
    np.testing.assert_array_equal(found.weight_change, 0.0)
    assert found.train_accuracy[0, 0, 0] > 0.25  # The new layer has learned.
    assert found.samples.tolist() == [4]


def test_what_was_trained_is_not_what_it_was(tiny) -> None:
    assert (tiny.weight_change > 0.0).all()
    assert (tiny.cka < 1.0).all()
    # A sixteenth of the samples a class is seen four times as often, in fine-tuning half of that.
    assert tiny.epochs.tolist() == [[0, 0], [4, 3], [8, 6]]


def made_up(tiny: TransferLearning, shares: list[list[list[float]]]) -> TransferLearning:
    """Return a result of six seeds with these accuracies, [3][2][6]."""
    return replace(
        tiny, seeds=np.arange(6), accuracy=np.array(shares), train_accuracy=np.array(shares),
        cka=np.linspace(1.0, 0.5, 5)[:, None] - 0.01 * np.arange(6),
        weight_change=np.full((5, 6), 0.1),
    )  # fmt: skip


FROZEN = [[0.5, 0.6, 0.5, 0.6, 0.5, 0.6], [0.7] * 6]
TUNED = [[0.6, 0.5, 0.6, 0.5, 0.6, 0.5], [0.9] * 6]
SCRATCH = [[0.3] * 6, [0.8] * 6]


def test_differences_are_paired_by_seed_and_told_where_they_can_be_shown(tiny) -> None:
    found = made_up(tiny, [FROZEN, TUNED, SCRATCH])
    assert found.pairs == (
        ("frozen", "scratch"),
        ("fine-tuned", "scratch"),
        ("fine-tuned", "frozen"),
    )
    np.testing.assert_allclose(found.differences[0], np.subtract(FROZEN, SCRATCH))
    np.testing.assert_allclose(found.differences[2], np.subtract(TUNED, FROZEN))
    np.testing.assert_allclose(
        found.differences_chance, [[2 / 64, 2 / 64], [2 / 64, 2 / 64], [1.0, 2 / 64]]
    )
    assert found.compared(0) == (
        "Frozen against scratch: better by 25.0 ± 5.5 points with 2; worse by 10 ± 0 points with 4"
    )
    assert found.compared(2) == (
        "Fine-tuned against frozen: better by 20 ± 0 points with 4; "
        "no difference that these seeds can show with 2"
    )
    assert found.summary().startswith(
        "Letters, with 2 samples a class: frozen 55.0 ± 5.5%, fine-tuned 55.0 ± 5.5% and scratch "
        "30 ± 0%; with 4 samples a class: frozen 70 ± 0%"
    )


def test_the_table_has_the_interval_of_students_t(tiny) -> None:
    found = made_up(tiny, [FROZEN, TUNED, SCRATCH])
    row = found.table().rows[0]
    # On the scale of the logit, whose slope at p is 1 / p(1 - p).
    error = np.std(FROZEN[0], ddof=1) / np.sqrt(6) / (0.55 * 0.45)
    low, high = expit(logit(0.55) + student.ppf(0.975, 5) * error * np.array([-1.0, 1.0]))
    assert row[:4] == ("frozen", 2, None, 6)
    np.testing.assert_allclose(row[4:8], 100 * np.array([0.55, 0.0547723, low, high]), rtol=1e-4)
    np.testing.assert_allclose(row[9:], [25.0, 2 / 64])
    assert found.table().rows[2][9:] == (None, None)
    sure = made_up(tiny, [[[1.0, 0.9] * 3] * 2, TUNED, SCRATCH])
    assert 0.98 < sure.interval.max() < 0.99, "not cut off"
    alike = made_up(tiny, [[[1.0] * 6] * 2, TUNED, SCRATCH]).interval[0]
    assert alike.tolist() == [list(wilson(6, 6))] * 2, "six right seeds are no certainty"


def test_that_late_layers_change_more_is_said_only_where_it_is_shown(tiny) -> None:
    found = made_up(tiny, [FROZEN, TUNED, SCRATCH])
    assert found.change_chance == 2 / 64
    assert found.changed().startswith("Fine-tuning changed the last layer more than the first")
    turned = replace(found, cka=found.cka[::-1])
    assert turned.changed().startswith("Fine-tuning changed the first layer more than the last")
    mixed = found.cka.copy()
    mixed[-1] = mixed[0] + np.array([0.01, -0.01] * 3)
    assert replace(found, cka=mixed).changed().endswith("no difference that these seeds can show")
    unknown = replace(found, cka=np.full((5, 6), np.nan))
    assert "was not measured" in unknown.changed()
    assert np.isnan(unknown.change_chance)
    assert "no difference that these seeds can show" in tiny.changed()
    assert "fewer than 6 seeds no difference" in tiny.caption()
    assert "filled" not in tiny.caption()
    assert "fewer than 6" not in found.caption()
    assert "filled" in found.caption()


def test_the_picture_draws_means_bands_and_every_difference(tiny) -> None:
    found = made_up(tiny, [FROZEN, TUNED, SCRATCH])
    axes = found.figure().axes
    top = next(one for one in axes if one.get_ylabel() == "accuracy (%)")
    for line, mean in zip(top.lines, found.mean_accuracy, strict=False):
        np.testing.assert_allclose(line.get_ydata(), 100 * mean)
    band = top.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(70.0)
    pairs = [one for one in axes if one.get_ylabel() == "points"]
    assert len(pairs) == 3
    assert len({one.get_ylim() for one in pairs}) == 1
    dots = [line for line in pairs[2].lines if line.get_marker() == "o"]
    np.testing.assert_allclose([d.get_ydata() for d in dots], 100 * found.differences[2])
    assert [d.get_fillstyle() for d in dots] == ["none", "full"]


@pytest.mark.parametrize("size", [None, (12.4, 6.975), (10.0, 5.625), (4.3, 14.0)])
def test_the_key_of_what_changed_lies_over_none_of_it(tiny, size) -> None:
    found = made_up(tiny, [FROZEN, TUNED, SCRATCH])
    figure = found.figure(figure=None if size is None else new_figure(*size))
    figure.draw_without_rendering()
    keys = {axes: axes.get_legend() for axes in figure.axes if axes.get_legend()}
    (changes,) = [axes for axes, key in keys.items() if "CKA" in key.texts[0].get_text()]
    # A mark reaches three points beyond its place.
    key = keys[changes].get_window_extent().padded(3.0 * figure.dpi / 72.0)
    for line in changes.lines:
        points = changes.transData.transform(np.column_stack(line.get_data()))
        assert not any(key.contains(*point) for point in points)


def test_images_of_ones_own_are_learned_with_frozen_features(folder) -> None:
    found = cnnviz.transfer_learning(model(), folder, samples=(1, 6), seeds=2, test=6)
    assert found.methods == ("frozen",)
    assert found.classes == ("dark", "light")
    assert found.test_samples == 6
    np.testing.assert_array_equal(found.accuracy[0, 1], 1.0)
    assert found.pairs == ()
    assert found.layers == ()
    assert found.changed() == ""
    assert any("broken.png" in note for note in found.provenance.notes)
    assert any("share its samples" in note for note in found.provenance.notes)
    assert found.examples.shape == (2, 4, 12, 12, 3)
    fewer = cnnviz.transfer_learning(model(), folder, samples=2, seeds=1, test=6)
    assert not any("in common" in note for note in fewer.provenance.notes)
    some = cnnviz.transfer_learning(model(), folder, samples=3, seeds=2, test=6)
    assert any("two seeds have 50% of them in common" in note for note in some.provenance.notes)
    # There are no pairs, so that nothing is said of a picture of differences.
    assert "Differences" not in found.caption()
    assert "batches" not in found.caption()
    assert "each with samples of its own; bands" in found.caption()
    assert "±" not in fewer.summary()


def test_images_that_judge_are_not_trained_on(folder) -> None:
    material = cnnviz.views._transfer_data.of_data(model(), folder, 6, range(3), 6)
    judging = set(material.judging.tolist())
    for place in range(3):
        own = material.training[place].tolist()
        assert not judging & set(own)
        assert len(set(own)) == 12
        for count in (1, 3, 6):
            kinds = material.pool.labels[material.train(place, count)]
            assert torch.bincount(kinds).tolist() == [count, count]


def test_classes_take_turns_among_those_that_judge_so_that_cka_is_of_all(folder) -> None:
    material = cnnviz.views._transfer_data.of_data(model(), folder, 2, range(1), 6)
    assert material.judges.labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_copies_of_what_is_trained_on_do_not_judge(folder, tmp_path) -> None:
    for name in ("dark", "light"):
        shutil.copytree(folder / name, tmp_path / name, ignore=lambda *_: ["broken.png"])
    same = (tmp_path / "dark" / "0.png").read_bytes()
    for path in (tmp_path / "dark").iterdir():
        path.write_bytes(same)
    found = cnnviz.transfer_learning(model(), tmp_path, samples=2, seeds=1, test=6)
    assert found.test_samples == 3
    notes = " ".join(found.provenance.notes)
    assert "3 images of those to judge are left out: the same pixels" in notes
    assert "classes have 0 to 3 of the samples that judge: always to answer light" in notes
    for path in (tmp_path / "light").iterdir():
        path.write_bytes(same)
    with pytest.raises(UsageError, match="under other names"):
        cnnviz.transfer_learning(model(), tmp_path, samples=2, seeds=1, test=6)


@pytest.mark.parametrize(("names", "kept"), [("linear,conv", ("0", "3")), (None, ("0", "3"))])
def test_the_layer_that_is_exchanged_is_not_compared(folder, names, kept) -> None:
    asked = {"methods": "fine-tuned", "samples": 2, "seeds": 1, "epochs": 1, "test": 6}
    found = cnnviz.transfer_learning(model(), folder, layers=names, **asked)
    assert found.layers == kept
    with pytest.raises(UsageError, match="8 is or holds 8, which is exchanged"):
        cnnviz.transfer_learning(model(), folder, layers="8", **asked)


def test_images_of_ones_own_can_be_learned_in_every_way(folder) -> None:
    found = cnnviz.transfer_learning(
        model(), folder, samples=4, seeds=1, epochs=1, test=6,
        methods=("frozen", "fine-tuned", "scratch"),
    )  # fmt: skip
    assert found.methods == ("frozen", "fine-tuned", "scratch")
    assert len(found.layers) == 2
    assert "Kornblith et al. 2019) on 6 test samples" in found.caption()
    # Of one layer nothing is said of the first and the last.
    one = replace(found, layers=("0",), cka=found.cka[:1], weight_change=found.weight_change[:1])
    assert one.caption().endswith("late ones specific.")


def test_progress_counts_the_trainings(tiny, told) -> None:
    assert [done for done, _, _ in told[1:]] == list(range(9))
    assert told[-1] == (8, 8, "scratch, 4 a class, seed 1")


class Softened(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).softmax(1)


class Distances(nn.Module):
    """Units behind the last linear layer that take so many values and no others."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.ones(classes, size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -(x[:, None] - self.codes).square().sum(-1)


def with_units(classes: int) -> nn.Module:
    return nn.Sequential(*convolutional(), nn.Linear(4, 5), Distances(5, classes))


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    "module",
    [convolutional(), Softened(*small_network()), with_units(3), with_units(5)],
    ids=["no linear layer", "softmax", "units behind it", "as many units"],
)
def test_what_does_not_end_with_a_linear_layer_is_refused(module) -> None:
    with pytest.raises(UsageError, match="does not answer with what a linear layer"):
        cnnviz.transfer_learning(model(module), **TINY)


@each_case(
    ("given", "message"),
    [
        ({"samples": ()}, "No number of samples"),
        ({"samples": (0, 4)}, "samples cannot be 0"),
        ({"epochs": 0}, "epochs cannot be 0"),
        ({"seeds": 13}, "seeds cannot be 13"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"methods": "frozen,thawed"}, "no method 'thawed'"),
        ({"methods": ()}, "No method"),
    ],
)
def test_bad_arguments_are_sentences(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cnnviz.transfer_learning(model(), **{**TINY, **given})


def test_a_misspelt_task_is_told_and_a_folder_keeps_its_name(shapes, folder, tmp_path) -> None:
    with pytest.raises(UsageError, match="no task 'leters'") as caught:
        cnnviz.transfer_learning(shapes, "leters", **TINY)
    assert "letters" in caught.value.remedy
    with pytest.raises(UsageError, match="no folder 'somewhere else'"):
        cnnviz.transfer_learning(shapes, "somewhere else", **TINY)
    found = cnnviz.transfer_learning(model(), folder, samples=1, seeds=1, test=6)
    assert found.summary().startswith(f"{folder.name}, 19 images in 2 folders, with 1 sample a")


def test_a_task_with_too_little_is_refused(folder) -> None:
    with pytest.raises(UsageError, match="Of class 'light' there are 6 images"):
        cnnviz.transfer_learning(model(), folder, samples=7, test=6)
    with pytest.raises(UsageError, match="There are 0 classes"):
        cnnviz.transfer_learning(model(), folder / "light", samples=1)


def test_layers_whose_weights_are_computed_are_trained_anew() -> None:
    """Those of the head were looked for in the new one, which has none: a KeyError."""
    head = parametrizations.spectral_norm(nn.Linear(2, 3))
    first = parametrizations.weight_norm(nn.Conv2d(3, 2, 3))
    network = nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    few = {"samples": 2, "seeds": 1, "epochs": 1, "test": 8}
    found = cnnviz.transfer_learning(network, methods="scratch", **few)
    assert np.isfinite(found.accuracy).all()
