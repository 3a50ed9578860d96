"""The view of overfitting: its numbers, what it says of them, and what it draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.views.overfitting import Overfitting
from tests.helpers.each_case import each_case

TINY = {"scenes": 10, "epochs": 3, "seeds": 2, "validation": 10, "test": 20}


@pytest.fixture(scope="module")
def tiny() -> Overfitting:
    return cnnviz.overfitting(**TINY)


def made_up(tiny: Overfitting, ends: list[NDArray[np.float64]]) -> Overfitting:
    """Return a result of six seeds and two epochs, with these test losses at the end, [V][6].

    The least validation loss is at the first epoch, where the plain network has a test loss of 2.
    """
    loss = np.stack([np.stack([np.full(6, 2.0), one], 1) for one in ends])
    rising = np.broadcast_to([1.0, 3.0], loss.shape)
    share = np.exp(-loss)
    return replace(
        tiny, seeds=np.arange(6), train_loss=loss / 2.0, validation_loss=rising, test_loss=loss,
        train_accuracy=share, validation_accuracy=share, test_accuracy=np.full_like(loss, 0.5),
    )  # fmt: skip


def test_the_generators_of_the_caller_are_left_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    cnnviz.overfitting(**{**TINY, "epochs": 1, "seeds": 1})
    assert torch.equal(torch.rand(3), expected)


def test_the_curves_are_of_variants_seeds_and_epochs(tiny) -> None:
    assert tiny.variants == ("plain", "augmentation", "dropout", "weight decay")
    names = ("train_loss", "validation_loss", "test_loss")
    names += ("train_accuracy", "validation_accuracy", "test_accuracy")
    for name in names:
        assert getattr(tiny, name).shape == (4, 2, 3)
    assert not np.array_equal(tiny.test_loss[:, 0], tiny.test_loss[:, 1])
    assert tiny.parameters == 3 * 25 * 16 + 16 + 16 * 9 * 32 + 32 + 512 * 64 + 64 + 64 * 10 + 10


def test_early_stopping_is_the_epoch_of_least_validation_loss(tiny) -> None:
    changed = tiny.test_loss
    for seed, epoch in enumerate(tiny.stopped):
        curve = tiny.validation_loss[0, seed]
        assert curve[epoch - 1] == curve.min()
        expected = changed[0, seed, epoch - 1] - changed[0, seed, 2]
        assert tiny.loss_changes[3, seed] == expected


def test_the_changes_are_paired_by_seed(tiny) -> None:
    plain = np.array([3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    found = made_up(tiny, [plain, plain - 0.5, plain[::-1], plain + 0.25])
    assert found.techniques == ("augmentation", "dropout", "weight decay", "early stopping")
    np.testing.assert_allclose(
        found.loss_changes,
        [[-0.5] * 6, [5.0, 3.0, 1.0, -1.0, -3.0, -5.0], [0.25] * 6, [-1, -2, -3, -4, -5, -6]],
    )
    np.testing.assert_allclose(found.loss_chance, [2 / 64, 1.0, 2 / 64, 2 / 64])
    np.testing.assert_array_equal(found.accuracy_changes, np.zeros((4, 6)))


def test_the_summary_says_what_helped_what_harmed_and_what_cannot_be_told(tiny) -> None:
    plain = np.array([3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    found = made_up(tiny, [plain, plain - 0.5, plain[::-1], plain + 0.25])
    loss, share = found.summary().split(". Test accuracy ")
    assert loss == (
        "Test loss 5.5 ± 1.9 after 2 epochs: augmentation lowers it by 0.5 ± 0; "
        "weight decay raises it by 0.25 ± 0; early stopping lowers it by 3.5 ± 1.9; "
        "no difference that these seeds can show with dropout"
    )
    assert share == (
        "50 ± 0%: no difference that these seeds can show with augmentation, dropout, "
        "weight decay or early stopping"
    )
    shares = np.array([0.5, 0.75, 0.25, 0.5])[:, None, None]
    better = replace(found, test_accuracy=np.broadcast_to(shares, (4, 6, 2)))
    _, share = better.summary().split(". Test accuracy ")
    assert share == (
        "50 ± 0%: augmentation raises it by 25 ± 0 points; dropout lowers it by 25 ± 0 points; "
        "no difference that these seeds can show with weight decay or early stopping"
    )
    assert str(better).splitlines()[0].endswith("accuracy +25 ± 0 points (chance 0.031)")


def test_few_seeds_show_nothing_and_the_caption_says_so(tiny) -> None:
    assert (tiny.loss_chance >= 0.5).all()
    assert "lowers" not in tiny.summary()
    assert "fewer than 6 seeds no difference" in tiny.caption()
    plain = np.arange(3.0, 9.0)
    many = made_up(tiny, [plain] * 4).caption()
    assert "fewer than 6 seeds" not in many
    assert "filled" in many
    assert "filled" not in tiny.caption()
    one = cnnviz.overfitting(**{**TINY, "seeds": 1, "epochs": 1})
    assert "±" not in one.summary()
    assert "that this seed can show" in one.summary()
    for word in ("each seed", "mean", "filled"):
        assert word not in one.caption()


def test_the_picture_draws_the_curves_the_stops_and_the_changes(tiny) -> None:
    axes = tiny.figure().axes
    assert len(axes) == 10
    curves = [line.get_ydata() for line in axes[1].lines]
    np.testing.assert_array_equal(curves[:2], tiny.train_loss[1])
    np.testing.assert_allclose(curves[2], tiny.train_loss[1].mean(0))
    np.testing.assert_array_equal(curves[3:5], tiny.validation_loss[1])
    np.testing.assert_allclose(curves[6], tiny.validation_loss[0].mean(0))
    np.testing.assert_array_equal(axes[0].lines[-1].get_xdata(), tiny.stopped)
    dots = [line for line in axes[8].lines if line.get_marker() == "o"]
    np.testing.assert_array_equal([line.get_xdata() for line in dots], tiny.loss_changes)
    assert {line.get_fillstyle() for line in dots} == {"none"}
    plain = np.arange(3.0, 9.0)
    shown = made_up(tiny, [plain, plain - 0.5, plain[::-1], plain]).figure().axes[8].lines
    filled = [line.get_fillstyle() for line in shown if line.get_marker() == "o"]
    assert filled == ["full", "none", "none", "full"]


def test_progress_counts_the_trainings() -> None:
    seen: list[tuple[int, int, str]] = []
    cnnviz.overfitting(**{**TINY, "epochs": 1}, seed=4, progress=lambda *told: seen.append(told))
    assert [done for done, _, _ in seen] == list(range(9))
    assert {total for _, total, _ in seen} == {8}
    assert seen[5][2] == "augmentation, seed 5"


@each_case(
    ("given", "message"),
    [
        ({"scenes": 0}, "scenes cannot be 0"),
        ({"test": 0}, "test cannot be 0"),
        ({"seeds": 13}, "seeds cannot be 13"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"dropout": 1.0}, "dropout cannot be 1"),
        ({"weight_decay": -1.0}, "weight_decay cannot be -1"),
        ({"weight_decay": float("nan")}, "weight_decay cannot be nan"),
    ],
)
def test_bad_arguments_are_sentences(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cnnviz.overfitting(**given)


def test_the_picture_says_what_open_dots_are(tiny) -> None:
    titles = [axes.get_title("left") for axes in tiny.figure().axes]
    assert "each dot a seed, the bar their mean" in titles
    assert "open dots: chance alone may explain them" in titles
