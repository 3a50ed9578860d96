"""The view: what it tells, draws and compares, on any network, with data and without."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch import nn

import cnnviz
from cnnviz.errors import ModelError, TargetError, UsageError
from cnnviz.gradients.verdict_text import in_words
from cnnviz.models.networks import depth_network
from cnnviz.reports import report
from cnnviz.views.gradient_flow import FAULTS, gradient_flow
from tests.helpers import gradient_families as families
from tests.helpers.architectures import lasting_network, shallow, small_input, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state

SMALL = {"input_size": (3, 16, 16), "width": 16}


def images(count: int = 4, side: int = 16) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(2))


def dead() -> nn.Module:
    module = depth_network("mlp-6", **SMALL)
    families.biased(-8.0)(module, torch.Generator())
    return module


def test_which_statistics_normalise_is_told() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(784, 3))
    module = nn.Sequential(*layers).eval()
    fresh = gradient_flow(module, images(), remedies=False)
    assert "gathered, of 1 batch norm with those of these images, no dropout" in fresh.data
    module[1].running_mean.fill_(0.2)
    module[1].num_batches_tracked.fill_(1000)
    assert "that were gathered, no dropout" in gradient_flow(module, images(), remedies=False).data


def test_a_fresh_network_needs_no_data() -> None:
    model = cnnviz.load("mlp-10:sigmoid", "random")
    before = state(model.module)
    found = gradient_flow(model)
    assert state(model.module) == before
    assert found.verdict.side == "vanishing"
    assert "standard normal noise of 32 x 32 px" in found.data
    assert found.provenance.seed == 0
    assert found.provenance.images == ()
    assert found.remedies[0].mends
    assert "0 of 24 learned with SGD" in str(found)
    assert found.remedies[0].how in str(found)


def test_a_surrounding_inference_mode_and_frozen_weights_change_nothing() -> None:
    module = depth_network("mlp-8:sigmoid", **SMALL)
    plain = gradient_flow(module, images())
    module.requires_grad_(False).train()
    with torch.inference_mode():
        found = gradient_flow(module, images())
    assert module.training
    assert not any(one.requires_grad for one in module.parameters())
    for name, array in plain.arrays().items():
        np.testing.assert_array_equal(array, found.arrays()[name])
    assert [one.after for one in found.remedies] == [one.after for one in plain.remedies]
    assert len(found.remedies) == 4


def test_columns_stand_side_by_side_for_every_point() -> None:
    found = gradient_flow(lasting_network(), images())
    count = len(found.points)
    assert found.points == ("0", "3", "8")
    assert found.kinds == ("conv", "conv", "linear")
    for name, array in found.arrays().items():
        assert array.shape == ((count, 62) if name == "histograms" else (count,)), name
    assert found.dead_fractions[0] == pytest.approx(0.0)
    assert math.isnan(found.dead_fractions[2])
    # The second convolution has a batch norm behind it and the first has none.
    ratio = found.weight_gradient_norms / found.weight_norms
    product = found.weight_gradient_norms * found.weight_norms
    assert found.weight_figures[0] == pytest.approx(ratio[0])
    assert found.weight_figures[1] == pytest.approx(product[1])
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["verdict"]["label"] == found.verdict.label
    assert told["cause"]["key"] == found.cause.key


def test_photos_and_a_trained_network() -> None:
    samples = cnnviz.Shapes(split="held-out")
    photos = [samples[place].image for place in range(4)]
    for name in ("shapes-plain", "shapes-residual"):
        found = gradient_flow(cnnviz.load(name), photos)
        assert (found.verdict.label, found.failed, found.remedies) == ("healthy", (), ())
        assert len(found.provenance.images) == 4
        assert "4 images of 96 x 96 px" in found.data


def test_a_real_network_on_real_photos_is_healthy(shared_photos, shared_weights) -> None:
    found = gradient_flow(cnnviz.load("squeezenet1_0"), shared_photos[:1])
    assert (found.verdict.label, found.verdict.findings) == ("healthy", ())
    assert abs(found.decades) < 1.0


@pytest.mark.parametrize("name", ["squeezenet1_0", "shufflenet_v2_x1_0", "resnet18"])
def test_healthy_architectures_raise_no_alarm(name: str) -> None:
    found = gradient_flow(shallow(name), small_input(name, 2), remedies=False)
    assert found.verdict.side == "none"
    assert not found.verdict.findings


def test_a_sure_network_is_well_and_its_loss_says_nothing() -> None:
    module = depth_network("mlp-4", **SMALL)
    families.sharpened(module)
    with torch.no_grad():
        families.layers(module)[-1].weight.mul_(1e4)
        labels = module(images()).argmax(1)
    found = gradient_flow(module, images(), labels, "loss")
    assert found.verdict.label == "healthy"
    assert found.cause.key == "confident"
    assert "the network is sure" in found.caption()
    plain = gradient_flow(module, images(), objective="auto")
    assert plain.decades == pytest.approx(found.decades)
    assert plain.cause.key == "none"


def test_an_overfitted_network_is_well() -> None:
    module = depth_network("mlp-5", **{**SMALL, "width": 48})
    x, labels = images(12), torch.arange(12) % 10
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01
    for objective in ("auto", "loss", "top"):
        given = labels if objective == "loss" else None
        found = gradient_flow(module, x, given, objective, fail_on=list(FAULTS))
        assert (found.verdict.label, found.failed) == ("healthy", ()), objective


def test_a_loss_sends_back_its_own_gradient() -> None:
    module = depth_network("conv-4", **SMALL)
    labels = torch.tensor([1, 2, 3, 4])
    found = gradient_flow(module, images(), labels, "loss")
    weight = families.layers(module)[0].weight
    loss = nn.functional.cross_entropy(module(images()), labels)
    (wanted,) = torch.autograd.grad(loss, weight)
    assert found.weight_gradient_norms[0] == pytest.approx(wanted.norm().item(), rel=1e-4)
    assert found.objective == "the cross-entropy of the labels"
    same = gradient_flow(module, images(), objective=lambda output: 3.0 * output.square().sum())
    assert same.objective == "the objective that was given"
    assert gradient_flow(module, images(), objective="top").decades == pytest.approx(
        found.decades, abs=0.5
    )


@each_case(
    ("options", "error", "message"),
    [
        ({"objective": "lss"}, UsageError, "no objective 'lss'.*Did you mean 'loss'"),
        ({"objective": "loss"}, UsageError, "A loss needs labels"),
        ({"objective": "loss", "labels": [1]}, TargetError, "does not go with 1 label"),
        ({"objective": "loss", "labels": [1, 2, 3, 99]}, TargetError, "the network has 10 classes"),
        ({"objective": lambda _: torch.zeros(())}, TargetError, "nothing that can be different"),
        ({"fail_on": "vanishin"}, UsageError, "no fault 'vanishin'.*Did you mean 'vanishing'"),
        ({"compare": "resnt-20"}, ModelError, "There is no network called 'resnt-20'"),
    ],
)
def test_bad_arguments_are_sentences(options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        gradient_flow(depth_network("mlp-2", **SMALL), images(), **options)


def test_what_to_fail_on_is_found_or_not() -> None:
    found = gradient_flow(dead(), images(), fail_on="vanishing,exploding,dead", remedies=False)
    assert found.failed == ("vanishing", "dead")
    assert set(found.faults) <= set(FAULTS)
    well = gradient_flow(depth_network("mlp-4", **SMALL), images(), fail_on=list(FAULTS))
    assert well.failed == ()
    module = depth_network("mlp-4", **SMALL)
    families.layers(module)[1].weight.data[0, 0] = float("inf")
    spoilt = gradient_flow(module, images(), fail_on="non-finite", remedies=False)
    assert spoilt.failed == ("non-finite",)
    assert spoilt.cause.key == "weights"
    assert "The first NaN or infinity is at 3.weight" in spoilt.summary()
    json.dumps(spoilt.to_json(), allow_nan=False)
    spoilt.figure().draw_without_rendering()


def test_networks_are_compared_by_name_module_and_result() -> None:
    module = depth_network("mlp-8:sigmoid", **SMALL)
    found = gradient_flow(
        module, images(), compare=[depth_network("mlp-8", **SMALL)], fail_on="vanishing",
        remedies=False,
    )  # fmt: skip
    assert [one.verdict.side for one in (found, *found.others)] == ["vanishing", "none"]
    assert found.failed == ("vanishing",)
    assert "Beside it: Sequential, 2 healthy" in found.summary()
    again = found.compare(gradient_flow(lasting_network(), images()))
    assert len(again.others) == 2
    texts = [text.get_text() for text in again.figure().axes[0].get_legend().get_texts()]
    assert len(texts) == 3
    named = gradient_flow(cnnviz.load("conv-3", "random"), compare="mlp-3")
    assert named.others[0].provenance.model == "mlp-3"


def test_the_picture_draws_what_was_measured() -> None:
    found = gradient_flow(depth_network("resnet-8:none", **SMALL), images())
    axes = found.figure().axes[0]
    line = next(one for one in axes.get_lines() if str(one.get_label()).startswith("trunk"))
    wanted = np.log10(found.arriving / found.arriving[found.verdict.reference])
    np.testing.assert_allclose(line.get_ydata(), wanted[found.on_trunk])
    (branches,) = (one for one in axes.collections if str(one.get_label()).startswith("branch"))
    np.testing.assert_allclose(branches.get_offsets()[:, 1], wanted[~found.on_trunk])
    names = {text.get_text() for text in axes.texts}
    assert {"healthy", "watch"} <= names


def test_beside_another_network_every_mark_and_both_bands_are_told() -> None:
    plain = depth_network("plain-8", **SMALL)
    found = gradient_flow(plain, images(), compare=depth_network("resnet-8", **SMALL))
    (other,) = found.others
    assert found.verdict.edges != other.verdict.edges
    axes = found.figure().axes[0]
    marks = [text.xy for text in axes.texts if text.get_text() == "D"]
    assert [y for _, y in marks] == pytest.approx([found.decades, other.decades])
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert any(text.startswith("branch") for text in legend)
    name = other.provenance.model
    assert f"the healthy band of {name} ends at " in found.caption()
    alike = gradient_flow(plain, images(), compare=depth_network("plain-10", **SMALL))
    assert not [line for line in alike.figure().axes[0].get_lines() if line.get_linestyle() == "--"]
    assert "All of them have the same bands." in alike.caption()


def test_two_bands_that_end_at_one_place_have_one_line_and_a_name_clear_of_the_curves() -> None:
    found = gradient_flow(depth_network("plain-8", **SMALL), images(), remedies=False)
    moved = replace(found.verdict, edges=(*found.verdict.edges[:3], 0.4, 2.0, 4.0))
    axes = found.compare(*[replace(found, verdict=moved)] * 2).figure().axes[0]
    ends = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert ends == [0.4], "the other end is that of the shaded band"
    (name,) = [text for text in axes.texts if text.get_text().startswith("healthy for")]
    assert name.get_text().count(found.provenance.model) == 2
    axes.figure.canvas.draw()
    box = name.get_window_extent().padded(1.0)
    curves = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert curves
    for line in curves:
        path = line.get_path().interpolated(50).transformed(line.get_transform())
        assert not any(box.contains(x, y) for x, y in path.vertices)


def test_skips_alone_bring_back_a_gradient_that_had_vanished() -> None:
    plain = cnnviz.load("plain-20:none:default", "random")
    found = gradient_flow(plain, images(2, 32), compare="resnet-20:none:default", remedies=False)
    assert (found.verdict.label, found.others[0].verdict.label) == ("vanished", "healthy")
    label = found.figure().axes[0].get_ylabel()
    assert label.endswith("beside that at the last point before the logits")


def test_the_axis_names_the_point_that_is_its_zero_and_the_bands_what_lies_in_them() -> None:
    found = gradient_flow(depth_network("resnet-8:none", **SMALL), images())
    axes = found.figure().axes[0]
    line = next(one for one in axes.get_lines() if str(one.get_label()).startswith("trunk"))
    trunk = [point for point, own in zip(found.points, found.on_trunk, strict=True) if own]
    (zero,) = [point for point, y in zip(trunk, line.get_ydata(), strict=True) if y == 0.0]
    assert axes.get_ylabel().endswith(f"beside that at {in_words(zero)}")
    assert zero != trunk[-1]
    assert f"beside that at {in_words(zero)}, the last point before the logits" in found.caption()
    assert axes.get_title("left").startswith("D is what the first layer has")
    (mark,) = [text for text in axes.texts if text.get_text() == "D"]
    assert mark.xy == pytest.approx((found.verdict.first, found.decades))


def test_the_picture_marks_the_break_and_the_remedies() -> None:
    found = gradient_flow(depth_network("mlp-10:sigmoid", **SMALL), images())
    figure = found.figure()
    at = found.points[found.verdict.breaks_at]
    marked = {text.get_text(): text for text in figure.axes[0].texts}
    # The line falls towards the foot of the panel on this side of the break.
    words = marked[f"leaves the healthy band before layer {at}"]
    assert words.xy[1] == figure.axes[0].get_ylim()[1]
    assert words.get_horizontalalignment() == "right"
    said = " ".join(text.get_text() for text in figure.axes[2].texts)
    assert all(remedy.name in said for remedy in found.remedies)


def test_where_nothing_arrives_the_picture_says_so() -> None:
    found = gradient_flow(dead(), images(), remedies=False)
    assert (found.verdict.label, found.decades) == ("blocked", float("-inf"))
    panel = found.figure().axes[0]
    assert "nothing arrives" in panel.get_legend_handles_labels()[1]
    blocked = found.points[found.verdict.reference]
    assert (
        f"beside that at layer {found.points[-1]}, since nothing arrives at layer {blocked}."
        in (found.caption())
    )
    assert panel.get_ylabel().endswith(f"beside that at layer {found.points[-1]}")


class Ordinal(nn.Module):
    """Four thresholds on one value, so that each logit has the gradient of all others."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.value(x) - torch.arange(4.0)


def test_signs_that_cancel_are_no_blocked_network() -> None:
    torch.manual_seed(0)
    network, one = Ordinal(), images(1, 4)
    found = gradient_flow(network, one)
    assert found.objective == "a random number for each logit"
    assert any("the signs cancel out" in note for note in found.provenance.notes)
    alone = gradient_flow(network.value, one)
    assert found.verdict.label == alone.verdict.label != "blocked"
    assert math.isclose(found.decades, alone.decades, abs_tol=1e-5)
    blocked = gradient_flow(dead(), images(), remedies=False)
    assert blocked.objective == "a random sign for each logit"


def filled(value: float) -> nn.Module:
    """Return a network whose second convolution holds nothing but this value."""
    module = tiny_network()
    second = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)][1]
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.fill_(value)
    return module


def test_what_is_not_a_number_is_neither_dead_nor_drawn_as_such() -> None:
    found = gradient_flow(filled(math.nan), images())
    assert found.verdict.label == "non-finite"
    assert not (found.dead_fractions > 0.0).any()
    assert np.isnan(found.dead_fractions).any()
    assert "dead" not in found.faults
    drawn = [text.get_text() for text in found.figure().findobj(Text)]
    assert not any("dead" in text for text in drawn)


def test_a_network_of_zeros_has_a_picture_that_says_there_is_nothing() -> None:
    module = tiny_network()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    figure = gradient_flow(module, images(), remedies=False).figure()
    figure.draw_without_rendering()
    assert "no activation is finite and above 0" in {
        text.get_text() for text in figure.axes[1].texts
    }


def test_more_images_than_fit_are_left_out_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr("cnnviz.views._gradient_flow_pass.rows_that_fit", lambda *_, **__: 3)
    found = gradient_flow(tiny_network(), images(8))
    assert "The first 3 of 8 images were used" in found.caption()


def test_rescaled_ends_are_named() -> None:
    module = depth_network("mlp-6", **SMALL)
    assert families.rescaled(module, torch.Generator().manual_seed(0))
    found = gradient_flow(module, images())
    assert found.verdict.label == "healthy"
    assert "The next layer undoes the scale of 1" in found.caption()


def test_the_report_has_a_section_on_it() -> None:
    found = report(tiny_network(), images(1), sections="gradient_flow")
    (section,) = (one for one in found.sections if one.key == "gradient_flow")
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["0", "3", "8"]
    assert section.pictures[0].data["view"] == "GradientFlow"
    assert "A random sign was sent back" in section.lead[0]


def test_a_sentence_names_a_join_by_what_it_lies_in() -> None:
    found = gradient_flow(depth_network("resnet-8", **SMALL), images(), remedies=False)
    assert found.points[found.verdict.reference] == "stages.2.0: add"
    for text in (found.summary(), found.caption(), found.figure().axes[0].get_ylabel()):
        assert "at the add in stages.2.0" in text
        assert "stages.2.0: add" not in text


def test_one_image_leaves_batch_norm_unmeasured_and_not_broken() -> None:
    """A layer without positions has no variance over one image: its NaN is not the network's."""
    found = gradient_flow(depth_network("mlp-10:sigmoid", **SMALL), images()[:1])
    (norm,) = [one for one in found.remedies if one.key == "normalisation"]
    assert (norm.label, math.isnan(norm.after)) == ("not measured", True)
    (line,) = [line for line in str(found).splitlines() if norm.name in line]
    assert "nan" not in line
    assert "One image has no variance" in line


class _Single(nn.Sequential):
    """Takes batches of one only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) != 1:
            raise ValueError("a batch of one is what it takes")
        return super().forward(x)


def test_where_batches_fail_one_image_is_tried_and_that_is_said() -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))
    found = gradient_flow(_Single(*layers).eval(), images())
    assert any("takes one image at a time, and not 4" in note for note in found.provenance.notes)
    wanted = gradient_flow(nn.Sequential(*layers).eval(), images()[:1])
    np.testing.assert_allclose(found.arriving, wanted.arriving)
    assert found.data.startswith("1 image of 16 x 16 px went in")
    with pytest.raises(ModelError, match="cannot run on an input"):
        gradient_flow(_Single(*layers).eval(), images(side=9))
