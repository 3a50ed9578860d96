"""A report sends no image through the network twice for the same."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from cnnviz.passes.independence import independence
from cnnviz.reports import report
from cnnviz.views.explanations import explanations
from tests.helpers.pass_counter import counted
from tests.helpers.report_model import small_model, write_photo

MEASURED = 3
"""How often it takes an image to see whether another changes its answer: twice alone, to see that
it has one answer, and once beside the other."""


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "garden.png", 1)


def test_a_quick_report_runs_each_image_forward_and_back_once(photo):
    model = small_model()
    report(model, photo, "cam")  # which learns in which order the layers are called
    with counted(model.module) as passes:
        report(model, photo)
    assert [one.graph for one in passes.forward if one.computes] == [True]
    assert len(passes.backward) == 1


def test_the_explanations_send_no_image_through_the_same_weights_twice(photo):
    model = small_model()
    report(model, photo, "cam")
    independence(model, model.prepare(photo).tensor)
    with counted(model.module) as passes:
        report(model, photo, "explanations", progress=passes.progress)
    own = passes.forward[0].weights
    image = passes.forward[0].images[0]
    found = passes.computed()
    again = Counter({key: n - 1 for key, n in found.items() if key[0] != image})
    # The empty image of the integral is also the one at the end of deletion. Of what deletion and
    # insertion change nothing is asked twice, by whatever method. With other weights the image that
    # stands beside it, to see whether it changes the answer, runs alone as well.
    for weights in {weights for _, weights in found}:
        assert sum(n for key, n in again.items() if key[1] == weights) <= 1
    # Once for the maps of a layer and the gradient at the input, and by the rule of guided
    # backpropagation, each with a backward pass of its own; once for the probability.
    assert found[image, own] == 3
    assert sum(image in one.images for one in passes.backward if one.weights == own) == 2
    others = {weights: n for (one, weights), n in found.items() if one == image and weights != own}
    assert len(others) > 1
    assert max(others.values()) <= 3 + MEASURED


def test_units_take_what_the_layers_gave_from_the_pass_there_was(photo):
    model = small_model()
    report(model, photo, "cam")
    independence(model, model.prepare(photo).tensor)
    with counted(model.module) as passes:
        report(model, photo, "feature_maps, units")
    image = passes.forward[0].images[0]
    plain = [one for one in passes.forward if image in one.images and not one.graph]
    assert len(plain) <= 1


def test_maps_are_those_that_each_method_makes_alone(photo):
    import cnnviz

    model = small_model()
    found = explanations(model, photo, ("gradcam", "layercam", "saliency"), checks=())
    for held in found.heatmaps[:2]:
        alone = cnnviz.cam(cnnviz.capture(model, photo, layers="stages"), method=held.method)
        assert torch.equal(torch.tensor(held.maps[0]), torch.tensor(alone.maps[0]))
    alone = cnnviz.attribute(model, photo, "saliency")
    assert torch.equal(torch.tensor(found.heatmaps[2].maps[0]), torch.tensor(alone.maps[0]))


def test_the_table_counts_by_section(photo):
    model = small_model()
    with counted(model.module) as passes:
        report(model, photo, "photo, gradient_flow", progress=passes.progress)
    rows = passes.table().splitlines()
    assert rows[2].startswith("| looking at")
    assert "does the gradient arrive?" in rows[3]
    assert rows[-1].startswith("| **all** | ")
