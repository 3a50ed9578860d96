"""Losses of every kind of output, and labels from wherever they come."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import TargetError, UsageError
from cnnviz.gradients.landscape import labelled_images
from cnnviz.gradients.landscape.objective import loss_objective
from cnnviz.models import Model
from tests.helpers.architectures import tiny_network
from tests.helpers.each_case import each_case

WHOLE = slice(None)


def any_model() -> Model:
    """Return a model that has not seen an output yet."""
    return Model(tiny_network())


def scores(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_scores_have_the_cross_entropy_of_their_softmax() -> None:
    output = scores(4, 3)
    objective = loss_objective(any_model(), output, (0, 1, 2, 1), None)
    losses, right = objective(output[1:3], slice(1, 3))
    wanted = F.cross_entropy(output[1:3], torch.tensor([1, 2]), reduction="sum")
    assert float(losses) == pytest.approx(float(wanted))
    assert float(right) == float((output[1:3].argmax(1) == torch.tensor([1, 2])).sum())


def test_one_output_is_a_coin() -> None:
    output = scores(5, 1)
    objective = loss_objective(any_model(), output, (1, 0, 1, 1, 0), None)
    labels = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    wanted = F.binary_cross_entropy(output[:, 0].sigmoid(), labels, reduction="sum")
    assert float(objective(output, WHOLE)[0]) == pytest.approx(float(wanted))
    assert objective.kind == "binary cross-entropy"
    declared = Model(tiny_network(), output="logit")
    assert float(loss_objective(declared, output, None, None)(output, WHOLE)[1]) == 5.0
    with pytest.raises(TargetError, match=r"values.*for which no loss is known"):
        loss_objective(any_model(), output, None, None)


def test_probabilities_are_taken_as_they_are() -> None:
    output = scores(4, 3).softmax(1)
    objective = loss_objective(any_model(), output, (0, 0, 0, 0), None)
    assert float(objective(output, WHOLE)[0]) == pytest.approx(float(-output[:, 0].log().sum()))
    assert "probabilities" in objective.kind


def test_maps_of_classes_are_measured_at_every_position() -> None:
    output = scores(2, 3, 4, 5)
    own = loss_objective(any_model(), output, None, None)
    losses, right = own({"out": output}, WHOLE)
    wanted = F.cross_entropy(output, output.argmax(1), reduction="none").mean((1, 2)).sum()
    assert float(losses) == pytest.approx(float(wanted))
    assert float(right) == 2.0
    named = loss_objective(any_model(), output, (2, 0), None)
    share = (output[0].argmax(0) == 2).double().mean() + (output[1].argmax(0) == 0).double().mean()
    assert float(named(output, WHOLE)[1]) == pytest.approx(float(share))


def test_a_loss_of_ones_own_gives_one_number_for_each_image() -> None:
    output = scores(4, 3)

    def hinge(given: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.multi_margin_loss(given, labels, reduction="none")

    objective = loss_objective(any_model(), output, (0, 1, 2, 0), hinge)
    assert objective.kind == "hinge"
    wanted = F.multi_margin_loss(output, torch.tensor([0, 1, 2, 0]), reduction="sum")
    assert float(objective(output, WHOLE)[0]) == pytest.approx(float(wanted))
    with pytest.raises(TargetError, match=r"a tensor \[\], not one loss for each image"):
        loss_objective(any_model(), output, None, F.cross_entropy)(output, WHOLE)


def test_wrong_labels_and_outputs_are_sentences() -> None:
    with pytest.raises(TargetError, match="label of image 2 of 2 is 3: the network has 3 classes"):
        loss_objective(any_model(), scores(2, 3), (0, 3), None)
    with pytest.raises(TargetError, match="for which no loss is known"):
        loss_objective(any_model(), scores(2), None, None)


def model() -> Model:
    return Model(tiny_network(), categories=["cat", "dog", "emu", "yak"])


def test_labels_are_read_by_index_and_by_name() -> None:
    x = torch.rand(3, 3, 8, 8)
    assert labelled_images(model(), x, ["dog", 3, "0"]).labels == (1, 3, 0)
    assert labelled_images(model(), x, "emu").labels == (2, 2, 2)
    assert labelled_images(model(), x, torch.tensor([3, 2, 1])).labels == (3, 2, 1)
    assert labelled_images(model(), x, np.array([3, 2, 1])).labels == (3, 2, 1)
    with pytest.raises(TargetError, match=r"2 labels for 3 images"):
        labelled_images(model(), x, [0, 1])
    with pytest.raises(TargetError, match="has no class 'dug'"):
        labelled_images(model(), x, "dug")


def test_without_labels_the_own_answers_count_and_it_is_said() -> None:
    found = labelled_images(model(), torch.rand(3, 3, 8, 8))
    assert found.labels is None
    assert "the network's own answers count as right" in found.source


def test_a_data_set_brings_its_labels() -> None:
    shipped = cnnviz.load("shapes", "random")
    found = labelled_images(shipped, "shapes", count=5)
    wanted = [cnnviz.Shapes(split="held-out").label(index) for index in range(5)]
    assert list(found.labels or ()) == wanted
    assert "Labels are those of the data" in found.source
    assert found.batch.tensor.shape == (5, 3, 96, 96)
    again = labelled_images(shipped, ["shapes"], labels=3, count=2)
    assert again.labels == (3, 3)


def test_pairs_of_a_tensor_and_a_label_are_data() -> None:
    pairs = [(torch.rand(3, 8, 8), label) for label in (2, 0, 1)]
    found = labelled_images(model(), pairs)
    assert found.labels == (2, 0, 1)
    torch.testing.assert_close(found.batch.tensor[2], pairs[2][0])


def test_a_count_takes_the_first_images() -> None:
    x = torch.rand(4, 3, 8, 8)
    found = labelled_images(model(), x, labels=[1, 2], count=2)
    torch.testing.assert_close(found.batch.tensor, x[:2])
    with pytest.raises(UsageError, match="count cannot be 0"):
        labelled_images(model(), x, count=0)


def test_independent_labels_have_the_mean_of_their_binary_cross_entropies() -> None:
    output, labels = scores(3, 4), np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    declared = Model(tiny_network(), output="labels")
    losses, right = loss_objective(declared, output, labels.astype(float), None)(output, WHOLE)
    shares = 1 / (1 + np.exp(-output.numpy()))
    wanted = -(labels * np.log(shares) + (1 - labels) * np.log(1 - shares)).mean(1).sum()
    assert float(losses) == pytest.approx(wanted)
    assert float(right) == pytest.approx(((output.numpy() > 0) == labels).mean(1).sum())
    _, own = loss_objective(declared, output, None, None)(output, WHOLE)
    assert float(own) == 3.0, "by its own answers a network is right"


def test_rows_of_labels_are_checked() -> None:
    output = scores(2, 3)
    one_hot = np.eye(3)[[2, 0]]
    by_row = loss_objective(any_model(), output, one_hot, None)
    by_index = loss_objective(any_model(), output, (2, 0), None)
    assert by_row(output, WHOLE) == by_index(output, WHOLE)
    with pytest.raises(TargetError, match="declare output='labels'"):
        loss_objective(any_model(), output, np.ones((2, 3)), None)
    declared = Model(tiny_network(), output="labels")
    for wrong in ((0, 1), np.ones((2, 4))):
        with pytest.raises(TargetError, match="Give a row of 3 ones and zeros"):
            loss_objective(declared, output, wrong, None)


@each_case("labels", [torch.full((2, 3), 0.5), [[1, 0], [1]], [[1, 0], 1], np.ones((2, 3, 1))])
def test_tables_of_labels_that_are_none(labels: object) -> None:
    images = torch.zeros(2, 3, 16, 16)
    with pytest.raises(TargetError, match="no table of ones and zeros"):
        labelled_images(any_model(), images, labels)  # type: ignore[arg-type]
