"""A classifier measured over images whose answers are known, against scikit-learn."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics

import cnnviz
from cnnviz.errors import UsageError
from tests.helpers.colour_classes import COLOURS, SIDE, Means, colour_folder, colour_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return colour_folder(tmp_path / "val")


def painted(count: int = 60) -> tuple[np.ndarray, list[tuple[np.ndarray, int]]]:
    """Return colours [N, 3], and images of one of them each with a label that is often right."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (count, 3))
    labels = np.where(random.random(count) < 0.6, colours.argmax(1), random.integers(0, 3, count))
    labels[labels == 2] = np.where(random.random((labels == 2).sum()) < 0.5, 1, 2)
    images = [np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in colours]
    return colours, list(zip(images, labels.tolist(), strict=True))


def test_every_measure_is_that_of_scikit_learn():
    colours, data = painted()
    found = cnnviz.evaluate_classifier(colour_model(), data, top=[1, 2], explain=0)
    scores = np.exp(4.0 * colours / 255.0)
    scores /= scores.sum(1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, scores, atol=1e-6)
    truth = np.array([label for _, label in data])
    assert found.labels.argmax(1).tolist() == truth.tolist()
    answer = scores.argmax(1)
    assert found.error_rate.value == pytest.approx(1 - metrics.accuracy_score(truth, answer))
    assert found.balanced_error_rate.value == pytest.approx(
        1 - metrics.balanced_accuracy_score(truth, answer)
    )
    assert found.confusion.tolist() == metrics.confusion_matrix(truth, answer).tolist()
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, answer)
    assert [m.precision.value for m in found.measures] == pytest.approx(precision)
    assert [m.recall.value for m in found.measures] == pytest.approx(recall)
    assert [m.f1 for m in found.measures] == pytest.approx(f1)
    assert [m.labelled for m in found.measures] == support.tolist()
    areas = metrics.roc_auc_score(truth, scores, multi_class="ovr", average=None)
    assert [one.auc.value for one in found.rankings] == pytest.approx(areas)
    assert found.macro_auc == pytest.approx(areas.mean())
    precise = metrics.average_precision_score(np.eye(3)[truth], scores, average=None)
    assert [one.average_precision for one in found.rankings] == pytest.approx(precise)
    for top in found.top_k:
        assert top.right.value == pytest.approx(
            metrics.top_k_accuracy_score(truth, scores, k=top.k)
        )
    assert found.top_k[0].wrong == found.error_rate
    assert found.brier.score.value == pytest.approx(
        ((scores - np.eye(3)[truth]) ** 2).sum(1).mean()
    )
    for one in found.curves:
        expected = metrics.roc_curve(truth == one.index, found.probabilities[:, one.index])
        np.testing.assert_array_equal(one.true_positive_rate, expected[1])
        assert metrics.auc(one.false_positive_rate, one.true_positive_rate) == pytest.approx(
            areas[one.index]
        )


def test_the_calibration_error_by_a_loop():
    _, data = painted()
    found = cnnviz.evaluate_classifier(colour_model(), data, explain=0)
    sure = found.probabilities.max(1)
    right = found.probabilities.argmax(1) == found.labels.argmax(1)
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (sure >= low) & (sure < low + 1 / 15)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert found.calibration.error == pytest.approx(error)
    assert found.by_chance.mean < found.by_chance.high


def test_one_tiny_case_by_hand(folder, tmp_path):
    found = cnnviz.evaluate_classifier(colour_model(), folder, explain=1)
    assert (found.images, found.wrong) == (6, 3)
    # Errors: 2 of 3 red, 0 of 1 green, 1 of 2 blue.
    assert found.balanced_error_rate.value == pytest.approx((2 / 3 + 0 + 1 / 2) / 3)
    assert [m.image for m in found.mistakes][:1] == ["red/green.PNG"]
    assert [e.mistake.image for e in found.examples] == ["red/green.PNG"]
    assert found.layer == "same"
    assert set(found.few_images) == set(COLOURS)
    assert "too few" in found.caption()
    assert [top.k for top in found.top_k] == [1], "top-5 says nothing of three classes"
    found.save(tmp_path / "evaluation.png")
    found.save(tmp_path / "classes.csv")
    assert (tmp_path / "classes.csv").read_text().splitlines()[0].endswith("few")
    found.save(tmp_path / "evaluation.npz")
    with np.load(tmp_path / "evaluation.npz") as held:
        np.testing.assert_array_equal(held["probabilities"], found.probabilities)
        assert held["image names"].tolist() == list(found.image_names)


def test_the_pass_is_that_of_the_error_analysis(folder):
    wrong = cnnviz.error_analysis(colour_model(), folder, explain=0)
    found = cnnviz.evaluate_classifier(colour_model(), folder, explain=0)
    assert found.mistakes == wrong.mistakes
    assert found.measures == wrong.measures
    assert found.accuracy == wrong.accuracy
    np.testing.assert_array_equal(found.confusion, wrong.confusion)


def test_independent_labels_are_measured_each_by_itself(folder, tmp_path):
    (tmp_path / "list.csv").write_text(
        "path,label\nval/red/right.png,red|blue\nval/blue/reddish.png,blue; red\n"
        "val/green/right.png,\nval/red/greenish.png,green\n"
    )

    class Each(Means):
        def forward(self, x):
            return super().forward(x) - 1.0

    model = colour_model(Each(), output="labels")
    found = cnnviz.evaluate_classifier(model, tmp_path / "list.csv", explain=0)
    truth = np.array([[1, 0, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    by_name = dict(zip(found.image_names, found.labels.tolist(), strict=True))
    assert by_name["val/green/right.png"] == [False] * 3
    assert sorted(found.labels.tolist()) == sorted(truth.tolist())
    answers = found.probabilities > 0.5
    assert found.error_rate.value == pytest.approx(metrics.hamming_loss(found.labels, answers))
    assert found.all_right.value == pytest.approx(metrics.accuracy_score(found.labels, answers))
    balanced = [
        1 - metrics.balanced_accuracy_score(found.labels[:, k], answers[:, k]) for k in range(3)
    ]
    assert found.balanced_error_rate.value == pytest.approx(np.mean(balanced))
    for one in found.rankings:
        has, scores = found.labels[:, one.index], found.probabilities[:, one.index]
        assert one.auc.value == pytest.approx(metrics.roc_auc_score(has, scores))
    assert found.brier.score.value == pytest.approx(
        np.mean(
            [
                metrics.brier_score_loss(t, p)
                for t, p in zip(found.labels.T, found.probabilities.T, strict=True)
            ]
        )
    )
    assert found.top_k == ()
    assert found.shown_classes == ()
    found.save(tmp_path / "evaluation.png")
    with pytest.raises(UsageError, match="no likeliest k"):
        cnnviz.evaluate_classifier(model, tmp_path / "list.csv", top=[2])


def test_one_logit_is_two_classes():
    colours, data = painted(40)
    data = [(image, int(label == 0)) for image, label in data]
    model = colour_model(Means(columns=(0,)), output="logit", categories=("not red", "red"))
    found = cnnviz.evaluate_classifier(model, data, explain=0)
    truth = np.array([label for _, label in data])
    share = 1 / (1 + np.exp(-4.0 * colours[:, 0] / 255.0))
    assert found.brier.score.value == pytest.approx(
        metrics.brier_score_loss(truth, share), abs=1e-6
    )
    (line,) = found.curves
    assert line.name == "red"
    assert found.rankings[1].auc.value == pytest.approx(metrics.roc_auc_score(truth, share))
    assert found.rankings[0].auc.value == pytest.approx(found.rankings[1].auc.value)
    assert found.confusion.tolist() == metrics.confusion_matrix(truth, share > 0.5).tolist()


def test_classes_without_images_are_left_out_of_means(tmp_path):
    data = [(np.full((SIDE, SIDE, 3), c, np.uint8), 0) for c in ((255, 0, 0), (0, 255, 0))]
    found = cnnviz.evaluate_classifier(colour_model(), data, explain=0)
    assert found.error_rate.value == 0.5
    assert found.balanced_error_rate.value == 0.5
    assert math.isnan(found.macro_auc)
    assert found.curves == ()
    assert "no ROC curve" in found.caption()
    found.save(tmp_path / "evaluation.png")
    asked = cnnviz.evaluate_classifier(
        colour_model(), data, explain=0, fail_on=["macro-auc<0.9", "error-rate>0.6"]
    )
    assert (asked.failed, asked.unanswered) == ((), True)


def test_conditions_make_it_fail(folder):
    def failed(*conditions: str) -> tuple[str, ...]:
        return cnnviz.evaluate_classifier(
            colour_model(), folder, explain=0, fail_on=conditions
        ).failed

    assert failed("error-rate>0.3", "brier<0") == ("error-rate>0.3",)
    assert failed("error-rate>0.5") == ()
    assert failed("top-2-error>0.9", "macro-f1<0.9") == ("macro-f1<0.9",)
    with pytest.raises(UsageError, match="No top-3 error says anything of 3 classes"):
        failed("top-3-error>0.1")


@pytest.mark.parametrize("output", ["value", "embedding"])
def test_values_are_refused(folder, output):
    with pytest.raises(UsageError, match="not right or wrong by a label"):
        cnnviz.evaluate_classifier(colour_model(categories=None, output=output), folder)


def test_the_numbers_of_the_picture_are_in_the_json(folder, tmp_path):
    found = cnnviz.evaluate_classifier(colour_model(), folder, explain=0)
    told = json.loads(found.save(tmp_path / "evaluation.json").read_text())
    assert told["error_rate"]["count"] == 3
    assert told["curves"][0]["thresholds"][0] is None
    assert told["infinite"]["/curves/0/thresholds/0"] == "inf"
    assert told["by_chance"]["draws"] == 400
    assert told["provenance"]["seed"] == 0
    assert "probabilities" not in told


def test_of_many_classes_the_worst_curves_are_drawn():
    random = np.random.default_rng(5)

    class Many(Means):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 12)
            torch.manual_seed(0)
            torch.nn.init.normal_(self.head.weight, std=5.0)

    data = [
        (random.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8), place % 12)
        for place in range(36)
    ]
    model = colour_model(Many(), categories=tuple("abcdefghijkl"))
    found = cnnviz.evaluate_classifier(model, data, explain=0)
    areas = sorted(one.auc.value for one in found.rankings)
    of = {one.index: one.auc.value for one in found.rankings}
    assert [of[one.index] for one in found.curves] == areas[:8]
    assert "the 8 of 12 classes with the least area" in found.caption()
