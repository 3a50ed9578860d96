"""The result as people use it; the numbers themselves are tested in tests/trust."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import TargetError, UsageError
from cnnviz.evaluation import items
from cnnviz.heatmaps.checks.measure import Measure
from cnnviz.heatmaps.checks.verdicts import AgainstRandom
from cnnviz.images import PhotoBox
from cnnviz.models import Model, as_model, load
from cnnviz.passes.captures import capture
from cnnviz.results import drawing
from cnnviz.views._explainers import explainer
from cnnviz.views._explainers import heatmap as make_heatmap
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.faithfulness import Faithfulness, faithfulness
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case

QUICK = {"steps": 2, "stages": 2, "random": 2}


def two_images() -> torch.Tensor:
    return torch.randn(2, 3, 12, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def images() -> torch.Tensor:
    return two_images()


@cache
def measured(*groups: str) -> Faithfulness:
    """Return these groups of measures of Grad-CAM on two images; taken once."""
    return faithfulness(lasting_network(), two_images(), measures=groups, **QUICK)


def gradcam_of(network: Model | nn.Module, images: torch.Tensor, layer: str = "3", **keywords):
    return cam(capture(network, images, layers=[layer], **keywords), layer)


def test_every_group_is_measured_beside_random_maps(images):
    network = tiny_network()
    masks = [np.eye(12, 16) > 0, PhotoBox(0, 0, 8, 8)]
    found = faithfulness(network, images, gradcam_of(network, images), masks=masks, **QUICK)
    # A bare number after "at" would read as a place or a value.
    assert found.summary().startswith("Grad-CAM at layer 3, 2 images")
    assert str(found).startswith("Grad-CAM at layer 3: 2 images\n")
    assert [one.key for one in found.measures] == [
        "deletion_blur",
        "insertion_blur",
        "deletion_mean",
        "insertion_mean",
        "gain",
        "average_drop",
        "increase",
        "brightness",
        "similarity_kept",
        "gradient_similarity",
        "randomised_correlation",
        "randomised_similarity",
        "noise_correlation",
        "noise_change",
        "pointing",
        "energy_inside",
        "box_overlap",
        "box_found",
        "max_box_found",
    ]
    for one in found.measures:
        assert one.values.shape == (2,)
        assert one.random.shape == (2, 2)
    assert [verdict.check for verdict in found.verdicts] == ["random", "randomisation"]
    with torch.no_grad():
        expected = network(images).double().softmax(1).amax(1)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)


def test_a_method_by_name_is_the_heatmap_it_makes(images):
    network = Model(lasting_network(), exact=True)
    by_name = faithfulness(network, images, "gradcam", layer="3", **QUICK)
    by_map = faithfulness(network, images, gradcam_of(network, images), **QUICK)
    assert by_name.layer == by_map.layer == "3"
    for first, second in zip(by_name.measures, by_map.measures, strict=True):
        np.testing.assert_array_equal(first.values, second.values)
        np.testing.assert_array_equal(first.random, second.random)


@pytest.fixture(scope="module")
def network() -> Model:
    return Model(lasting_network())


# Of each kind of method one: that each is made anew exactly is tested of all of them.
@pytest.mark.parametrize(
    "method",
    [
        *("gradcam", "eigencam", "scorecam", "integrated_gradients", "deeplift"),
        *("guided_gradcam", "occlusion"),
    ],
)
def test_every_kind_of_method_can_be_measured(method, network, images):
    found = faithfulness(
        network, images[:1], method, measures=["randomisation"], stages=1, random=1
    )
    assert found.method == method
    assert found.randomisation.redrawn == (1,)


def test_only_what_is_asked_for_is_measured(images):
    found = faithfulness(lasting_network(), images, measures=["drop"], **QUICK)
    assert found.curves is found.randomisation is found.stability is found.localisation is None
    assert found.verdicts == ()
    assert next(one.key for one in found.measures) == "average_drop"
    with pytest.raises(UsageError, match=r"no measure 'gian' here"):
        found.measure("gian")


def test_the_class_is_read_off_the_heatmap(images):
    network = lasting_network()
    model = Model(network, categories=["a", "b", "c", "d"])
    found = faithfulness(
        model, images, gradcam_of(model, images, target=[2, 0]), measures="drop", random=1
    )
    assert found.targets == ("c", "a")
    named = faithfulness(model, images, "saliency", target="b", measures="drop", random=1)
    assert named.targets == ("b", "b")


def test_what_is_not_one_class_is_followed_by_its_score(images):
    network = tiny_network()
    contrast = gradcam_of(network, images, target="0 - 1")
    with pytest.raises(TargetError, match="'class 0 - class 1', which does not tell how"):
        faithfulness(network, images, contrast, **QUICK)
    assert faithfulness(network, images, contrast, target=0, measures="drop").targets == (
        "class 0",
        "class 0",
    )
    own = faithfulness(network, images, contrast, target="0 - 1", measures="drop")
    called = faithfulness(
        network,
        images,
        contrast,
        target=lambda out: out[:, 0] - out[:, 1],
        measures="drop",
    )
    with torch.no_grad():
        logits = network(images).double().numpy()
        blank = network(torch.zeros_like(images)).double().numpy()
    for found in (own, called):
        assert found.unit == "score"
        np.testing.assert_allclose(found.scores, logits[:, 0] - logits[:, 1], atol=1e-6)
        wanted = np.sign((logits - blank)[:, 0] - (logits - blank)[:, 1])
        np.testing.assert_allclose(found.drop.whole, wanted)


def test_a_heatmap_of_other_images_is_refused(images):
    network = lasting_network()
    held = gradcam_of(network, images)
    with pytest.raises(UsageError, match="other images were given"):
        faithfulness(network, images.flip(0), held)


def test_a_map_is_made_anew_by_its_own_settings(images):
    network = lasting_network()
    held = attribute(network, images, "integrated_gradients", baseline="black", steps=7)
    found = faithfulness(network, images, held, measures=["stability"], **QUICK)
    assert found.notes == ()

    def explain(model, batch, classes):
        again = attribute(
            model, batch, "integrated_gradients", list(classes), baseline="black", steps=7
        )
        return again.maps[0]

    given = faithfulness(network, images, held, explain=explain, measures=["stability"], **QUICK)
    np.testing.assert_array_equal(found.stability.correlation, given.stability.correlation)


def test_a_map_that_its_settings_do_not_make_is_refused(images):
    network = lasting_network()
    held = attribute(network, images, "saliency")
    other = dataclasses.replace(held, maps=(held.maps[0][:, ::-1],))
    with pytest.raises(UsageError, match="made anew is another map"):
        faithfulness(network, images, other, measures=["stability"], **QUICK)


def test_a_map_of_an_unknown_method_is_measured_as_far_as_it_can_be(images):
    network = lasting_network()
    held = dataclasses.replace(
        gradcam_of(network, images), method="mine", title="Mine", settings=None
    )
    found = faithfulness(network, images, held, **QUICK)
    assert found.curves is not None
    assert found.randomisation is found.stability is None
    assert "How Mine is made anew is not known" in found.notes[0]
    assert found.notes[0] in str(found)
    assert found.unmeasured == ("randomisation", "stability", "localisation")
    assert found.summary().endswith(", randomisation not measured")
    explain = explainer(gradcam_of(network, images).settings)
    whole = faithfulness(network, images, held, explain=explain, **QUICK)
    assert whole.randomisation is not None
    assert whole.notes == ()
    assert whole.unmeasured == ("localisation",)
    assert "not measured" not in whole.summary()
    named = faithfulness(network, images, held, measures=("drop", "localisation"), random=2)
    assert named.notes == ("localisation is not measured: no object is marked in a photo.",)


def test_a_fused_map_is_made_anew_from_all_its_layers(images):
    network = lasting_network()
    held = cam(capture(network, images, layers=["0", "3"]), ["0", "3"], "layercam", fuse=True)
    found = faithfulness(network, images, held, measures=["stability"], **QUICK)
    assert found.layer == "0 | 3"
    assert found.stability is not None


@each_case(
    ("keywords", "message"),
    [
        ({"measures": ["curve"]}, r"no group of measures 'curve'"),
        ({"measures": ["deletion"]}, r"no group of measures 'deletion'. Choose curves: deletion"),
        ({"measures": ["pointing-game"]}, r"Choose localisation: with masks only"),
        ({"measures": []}, r"No group of measures was named"),
        ({"baselines": ["grey"]}, r"no baseline 'grey'"),
        ({"steps": 1}, r"steps cannot be 1"),
        ({"stages": 0}, r"stages cannot be 0"),
        ({"random": 0}, "random cannot be 0"),
        ({"heatmap": "grad-cam"}, r"no method 'grad-cam' of making heatmaps"),
        ({"masks": [np.arange(192).reshape(12, 16)] * 2}, "more than zero and one other value"),
        ({"masks": ["cat", "dog"]}, r"Give a list of arrays or of PhotoBoxes or"),
        ({"explain": lambda *_: None}, "explain returned an object of type NoneType for 2 images"),
        ({"explain": lambda *_: np.ones((3, 2))}, r"explain returned an array \[3, 2\]"),
        ({"layer": "nine", "heatmap": "saliency map"}, r"no method"),
    ],
)
def test_a_wrong_argument_is_a_sentence(images, keywords, message):
    with pytest.raises(UsageError, match=message):
        faithfulness(lasting_network(), images, **keywords)


def test_localisation_alone_needs_marked_objects(images, monkeypatch):
    network = tiny_network()
    held = gradcam_of(network, images)

    def forward(*_):
        raise AssertionError("refused before any work")

    monkeypatch.setattr(network, "forward", forward)
    for heatmap in ("gradcam", held):
        with pytest.raises(UsageError, match="no object is marked") as error:
            faithfulness(network, images, heatmap, measures="localisation")
        assert "masks=" in str(error.value)
    unknown = dataclasses.replace(held, settings=None)
    with pytest.raises(UsageError, match="how the maps are made anew is not known"):
        faithfulness(network, images, unknown, measures=["stability", "randomisation"])


def test_a_layer_that_the_heatmap_does_not_have(images):
    network = lasting_network()
    with pytest.raises(UsageError, match=r"no layer '4'"):
        faithfulness(network, images, gradcam_of(network, images), layer="4")


def test_another_seed_redraws_other_weights(images):
    other = faithfulness(
        lasting_network(), images, measures=["randomisation"], seed=5, **QUICK
    ).randomisation
    assert (other.correlation != measured("randomisation").randomisation.correlation).any()


def test_the_default_number_of_random_maps_makes_a_verdict_possible(images):
    for count in (1, 2):
        batch = images[:count]
        found = faithfulness(lasting_network(), batch, measures="curves", steps=2)
        assert (found.random_count + 1.0) ** -count <= 0.05
    assert "does worse than random maps" in judged(reversed_gain(found)).sentence


@each_case(
    ("value", "random", "passed", "said"),
    [
        (0.3, np.arange(19) / 100, True, "better than random maps: "),
        (0.3, [0.0] * 18 + [0.4], False, "no different from random maps, as far as 19 random maps"),
        (
            0.3,
            [0.0] * 9,
            False,
            "maps that beat all of these would do so with probability 0.1",
        ),
        (0.004, [0.0] * 19, False, "0.00 against 0.00.*a difference of 0.01 or more"),
        (-0.3, [0.0] * 19, False, "does worse than random maps, as far as 19 random maps"),
        (-0.3, [0.0] * 9, False, "is no different from random maps, as far as 9 random maps"),
    ],
)
def test_a_claim_needs_its_level_and_a_difference_that_is_told(
    value: float, random: Sequence[float], passed: bool, said: str
) -> None:
    gain = Measure("gain", "gain", "high", np.array([value]), np.array([random]))
    verdict = judged(gain)
    assert verdict.passed is passed
    assert re.search(said, verdict.sentence)
    check = AgainstRandom()
    short = check.said({"gain": gain}.__getitem__)
    assert (short == "better than random") is passed
    assert passed or short in check.failed_line({"gain": gain}.__getitem__)


def judged(gain: Measure):
    return AgainstRandom().verdict("X", {"gain": gain}.__getitem__)


def reversed_gain(found: Faithfulness):
    gain = found.measure("gain")
    return dataclasses.replace(gain, values=gain.random.min(1) - 1.0)


def test_a_map_of_one_value_is_noted_and_judged(images):
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)
            self.bias = nn.Parameter(torch.tensor([0.0, 1.0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.0 * self.conv(x).mean((2, 3)) + self.bias

    found = faithfulness(Blind(), images, "saliency", **QUICK)
    assert found.notes == ("2 of 2 maps have one value everywhere: they mark nothing.",)
    assert [verdict.passed for verdict in found.verdicts] == [False, False]
    found.figure().draw_without_rendering()


def test_it_is_written_as_numbers_and_as_arrays(images, tmp_path: Path):
    found = faithfulness(lasting_network(), images, **QUICK)
    held = json.loads(found.save(tmp_path / "a.json").read_text("utf-8"))
    assert len(held["verdicts"]) == 2
    first = held["measures"][0]
    assert first["key"] == "deletion_blur"
    assert first["values"] == pytest.approx(list(found.measures[0].values))
    with np.load(found.save(tmp_path / "a.npz")) as arrays:
        assert {"curves.deletion", "randomisation.correlation"} <= set(arrays.files)


@pytest.mark.parametrize(
    ("measures", "panels"),
    [
        (("curves", "randomisation"), 5),
        (("curves",), 4),
        (("stability",), 2),
    ],
)
def test_the_picture_has_a_panel_for_what_was_measured(measures, panels):
    found = measured(*measures)
    figure = found.figure()
    assert len(figure.axes) == panels
    figure.draw_without_rendering()
    written = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
    for one in found.measures:
        assert any(text.startswith(one.title) for text in written), one.title


def test_on_a_flat_canvas_no_words_run_into_one_another():
    found = measured("curves", "randomisation")
    figure = found.draw(drawing.new_figure(11.0, 5.0))
    figure.draw_without_rendering()
    for axes in figure.axes[:3]:
        legend = axes.get_legend().get_window_extent()
        assert legend.y1 <= axes.xaxis.label.get_window_extent().y0
    told = [text.get_window_extent() for text in figure.axes[-1].texts]
    assert len(told) > 1
    assert all(below.y1 < above.y0 for above, below in itertools.pairwise(told))


def test_the_curves_that_are_drawn_are_the_means():
    found = measured("curves")
    deletion, insertion = found.figure().axes[:2]
    for axes, curves in ((deletion, found.curves.deletion), (insertion, found.curves.insertion)):
        drawn = [line.get_ydata() for line in axes.lines]
        for expected in curves.mean(1):
            assert any(len(y) == len(expected) and np.allclose(y, expected) for y in drawn)


def test_the_similarity_is_drawn_beside_that_of_the_gradient():
    found = measured("randomisation")
    axes = found.figure().axes[0]
    for held in (found.randomisation, found.randomisation.gradient):
        expected = [1.0, *held.correlation.mean(1)]
        drawn = [line.get_ydata() for line in axes.lines]
        assert any(len(y) == len(expected) and np.allclose(y, expected) for y in drawn)


def test_the_summary_says_what_failed(images):
    network = lasting_network()
    good = make_heatmap(as_model(network), as_model(network).prepare(images), [0, 0], "saliency")
    fixed = dataclasses.replace(good, method="photo", title="Photo")

    def unchanged(model, batch, classes):
        return fixed.maps[0]

    found = faithfulness(network, images, fixed, target=0, explain=unchanged, **QUICK)
    assert found.summary().endswith("does not change with the weights")
    assert "shows the photo more than the network" in str(found)
    assert "2 random maps for each image" in found.caption()


def test_on_the_shipped_network_guided_backpropagation_is_caught_and_grad_cam_passes():
    model = load("shapes")
    found, _ = items("shapes", 6)
    judged = {}
    # Over three photos the interval of Grad-CAM would reach over the limit.
    for method, many, stages in (("gradcam", 6, 2), ("saliency", 3, 4), ("guided_backprop", 3, 2)):
        held = faithfulness(
            model,
            [one.photo for one in found[:many]],
            method,
            masks=[one.mask for one in found[:many]],
            measures=["curves", "randomisation", "localisation"],
            baselines=["mean"],
            steps=3,
            stages=stages,
            random=2,
        )
        judged[method] = [verdict.passed for verdict in held.verdicts]
        assert held.measure("energy_inside").mean > held.measure("energy_inside").random_mean
    assert judged["saliency"] == [True, True]
    assert judged["guided_backprop"] == [True, False]
    assert judged["gradcam"] == [True, True]
