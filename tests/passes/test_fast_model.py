"""When passes run on a fast copy, and that nobody notices but by the clock."""

from __future__ import annotations

import gc
import re
import weakref
from copy import deepcopy
from functools import partial
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.errors import UsageError
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.fast_copy import FastCopy, checked_copy
from cnnviz.introspection.hooks import isolated
from cnnviz.passes.copy_policy import PAYS
from cnnviz.passes.fast_model import (
    SENT_BACK,
    FastModel,
    expect_many,
    fast_model,
    on_fast_copy,
    outputs,
)
from cnnviz.passes.target_types import Contrast, Target
from cnnviz.results.provenance import AS_IT_IS
from tests.helpers.architectures import shallow
from tests.helpers.foldable_networks import trained
from tests.helpers.state import rng, state

FEW = "a faster copy of it is made from 32 images of one size on"


class Residual(nn.Module):
    """A network whose rectifier is called three times, and whose skip is an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.body, self.after = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(x + self.after(self.body(x)))
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return trained(Residual(), seed)


def photos(count: int = 2, side: int = 16) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "1")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "always")


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("layers", [["norm", "relu"], ["body", "after"], "conv", "stages"])
def test_a_capture_holds_the_same(layers: list[str] | str) -> None:
    module = network()
    held = cnnviz.capture(module, photos(), layers=layers, gradients=False)
    exact = cnnviz.capture(
        cnnviz.load(module, exact=True), photos(), layers=layers, gradients=False
    )
    assert held.provenance.computed_on.startswith("a private copy that computes the same faster: ")
    assert exact.provenance.computed_on == f"{AS_IT_IS}: it was loaded with exact=True"
    assert apart(held.logits, exact.logits) < 1e-5
    assert held.activations.calls == exact.activations.calls
    for call in exact.activations.calls:
        assert held.activations[call].is_contiguous()
        assert apart(held.activations[call], exact.activations[call]) < 1e-5


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("gradients", [True, "layers"])
@pytest.mark.parametrize("rule", ["gradient", "guided"])
@pytest.mark.parametrize("layers", [["norm"], ["relu"], "conv", "stages"])
def test_a_gradient_through_rectifiers_is_sent_back_from_the_network_s_own_values(
    layers: list[str] | str, gradients: Literal["layers"] | bool, rule: Rule
) -> None:
    module = network()
    asked = partial(cnnviz.capture, layers=layers, gradients=gradients, rule=rule)
    held, exact = asked(module, photos()), asked(cnnviz.load(module, exact=True), photos())
    assert held.provenance.computed_on == SENT_BACK
    assert torch.equal(held.logits, exact.logits)
    for call in exact.activations.calls:
        assert torch.equal(held.activations[call], exact.activations[call])
    for call in exact.gradients.calls:
        assert apart(held.gradients[call], exact.gradients[call]) < 2e-6
        assert held.gradients[call].is_contiguous()
    if gradients is True:
        assert apart(held.input_gradient, exact.input_gradient) < 2e-6
    assert held.coverage == exact.coverage


class ByPlaces(nn.Module):
    """A layer norm or attention over the channels of each place, between convolutions."""

    def __init__(self, *, attends: bool) -> None:
        super().__init__()
        self.stem, self.last = nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(8, 5, 1)
        self.norm = None if attends else nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        if self.norm is not None:
            x = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        else:  # Two heads of four channels.
            heads = x.unflatten(1, (2, 4)).flatten(3).transpose(2, 3)
            heads = F.scaled_dot_product_attention(heads, heads, heads)
            x = heads.transpose(2, 3).reshape(x.shape)
        return self.last(x.relu()).mean((2, 3))


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("attends", [False, True])
def test_what_a_derivative_takes_to_lie_as_it_did_lies_so(attends: bool) -> None:
    module = ByPlaces(attends=attends).eval()
    asked = partial(cnnviz.capture, layers=["stem"], target=1)
    held, exact = asked(module, photos()), asked(cnnviz.load(module, exact=True), photos())
    assert held.provenance.computed_on == SENT_BACK
    assert apart(held.gradients["stem"], exact.gradients["stem"]) < 2e-6
    assert apart(held.input_gradient, exact.input_gradient) < 2e-6


class Pooled(Residual):
    """The same, with a name for the last map; the head is linear."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.last(self.relu(x + self.after(self.body(x))))
        found: torch.Tensor = self.head(x.mean((2, 3)))
        return found


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("target", [None, 2, Contrast(1, 2), lambda output: output[:, 0] * 2.0])
def test_a_gradient_through_a_linear_head_is_computed_on_the_copy(target: Target) -> None:
    module = trained(Pooled())
    asked = partial(cnnviz.capture, layers=["last"], gradients="layers", target=target)
    held, exact = asked(module, photos()), asked(cnnviz.load(module, exact=True), photos())
    assert held.provenance.computed_on.startswith("a private copy that computes the same faster: ")
    assert apart(held.gradients["last"], exact.gradients["last"]) < 1e-6
    assert apart(held.activations["last"], exact.activations["last"]) < 1e-5


@pytest.mark.usefixtures("always")
def test_a_score_that_is_not_linear_is_differentiated_on_the_network() -> None:
    model = cnnviz.load(trained(Pooled()))
    asked = partial(cnnviz.capture, model, photos(), layers=["last"], gradients="layers")
    bent = asked(target=lambda output: output[:, 0].relu())
    assert bent.provenance.computed_on == SENT_BACK
    # That it was tried once does no harm, and it is not tried again.
    assert asked().provenance.computed_on == SENT_BACK


@pytest.mark.usefixtures("always")
def test_a_pass_that_builds_a_graph_unasked_is_the_network_s() -> None:
    module = network()
    model = cnnviz.load(module)
    fast = fast_model(model, photos(), rows=1)
    assert isinstance(fast, FastModel)
    slopes = []
    for each in (fast, model):
        leaf = photos().requires_grad_()
        with isolated(each.module, grad=True):
            slopes.append(torch.autograd.grad(each.forward(leaf)[:, 1].sum(), leaf)[0])
    assert torch.equal(*slopes)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "method", ["gradcam", "gradcam++", "layercam", "scorecam", "ablationcam", "eigencam"]
)
def test_every_cam_is_the_same(method: str) -> None:
    module = network()
    maps = []
    for model in (cnnviz.load(module), cnnviz.load(module, exact=True)):
        held = cnnviz.capture(model, photos(), layers=["relu"])
        maps.append(torch.from_numpy(np.stack(cnnviz.cam(held, "relu#1", method).maps)))
    assert apart(*maps) < 1e-5


@pytest.mark.usefixtures("always")
def test_deletion_and_insertion_are_the_same() -> None:
    module = network()
    curves = []
    for model in (cnnviz.load(module), cnnviz.load(module, exact=True)):
        held = cnnviz.capture(model, photos(1), layers=["relu"])
        heatmap = cnnviz.cam(held, "relu#1")
        found = cnnviz.faithfulness(model, photos(1), heatmap, measures=["curves"], steps=8)
        curves.append([value for measure in found.measures for value in measure.values])
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("name", ["shapes-plain", "shapes-residual"])
def test_the_shipped_networks_answer_the_same(name: str) -> None:
    model = cnnviz.load(name)
    images = cnnviz.load(name).prepare(np.zeros((64, 64, 3), np.uint8)).tensor
    images = images + 0.5 * torch.randn(
        4, *images.shape[1:], generator=torch.Generator().manual_seed(0)
    )
    fast = fast_model(model, images, rows=1)
    assert isinstance(fast, FastModel)
    assert apart(outputs(model, images), outputs(cnnviz.load(model, exact=True), images)) < 1e-5


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "densenet121", "googlenet"),
        *("squeezenet1_0", "efficientnet_b0", "regnet_y_400mf", "mobilenet_v2"),
        *("resnet50", "vgg16_bn"),
    ],
)
def test_published_architectures_answer_the_same(name: str) -> None:
    # With a quarter of the channels, too little of the two others could be folded.
    whole = name in ("resnet18", "mobilenet_v3_small", "efficientnet_b0")
    module = trained(
        cnnviz.load(name, "random").module if whole else deepcopy(shallow(name).module)
    )
    if name == "vgg16_bn":  # most of whose weights are in its linear layers
        module.classifier = nn.Linear(128 * 7 * 7, 10)
    # Weights of random sign let nothing through after some tens of layers.
    for norm in (each for each in module.modules() if isinstance(each, nn.BatchNorm2d)):
        nn.init.constant_(norm.weight, 1.0)
    model, images = cnnviz.load(module), photos(2, 64)
    assert isinstance(fast_model(model, images, rows=1), FastModel)
    assert apart(outputs(model, images), outputs(cnnviz.load(model, exact=True), images)) < 1e-5


@pytest.mark.usefixtures("always")
def test_a_network_that_is_mostly_of_other_layers_has_no_copy() -> None:
    model = shallow("convnext_tiny")
    held = cnnviz.capture(model, photos(1, 64), layers=["features"], gradients=False)
    why = "it has no fast copy, for too little of it could be folded or packed"
    assert held.computed_on == f"{AS_IT_IS}: {why}"


def test_a_copy_is_made_when_it_pays_and_used_from_then_on() -> None:
    model = cnnviz.load(network())
    asked = partial(cnnviz.capture, model, photos(4), layers=["relu"], gradients=False)
    ways = [asked().computed_on for _ in range(12)]
    few = f"{AS_IT_IS}: {FEW}"
    before = [way == few for way in ways].index(False)
    assert before == PAYS // 4 - 1
    assert all(
        way.startswith("a private copy that computes the same faster: ") for way in ways[before:]
    )


def test_images_of_another_size_wait_until_they_are_many() -> None:
    model = cnnviz.load(network())
    expect_many(model, photos(1))
    assert isinstance(fast_model(model, photos(1), rows=1), FastModel)
    assert fast_model(model, photos(1, side=20), rows=1) is model
    assert isinstance(fast_model(model, photos(1, side=20), rows=PAYS), FastModel)
    assert isinstance(fast_model(model, photos(1), rows=1), FastModel)


def test_a_network_that_changes_at_every_photo_is_never_copied() -> None:
    module = network()
    model = cnnviz.load(module)
    expect_many(model, photos(1))
    for _ in range(PAYS + 2):
        with torch.no_grad():
            module.stem.weight.add_(0.001)  # type: ignore[union-attr]
        assert fast_model(model, photos(1), rows=1) is model


@pytest.mark.usefixtures("always")
def test_a_size_at_which_the_copy_is_off_by_more_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = cnnviz.load(network())
    assert isinstance(fast_model(model, photos(), rows=1), FastModel)
    monkeypatch.setitem(checked_copy.TOLERANCE, torch.float32, 0.0)
    held = cnnviz.capture(model, photos(1, side=20), layers=["relu"], gradients=False)
    assert re.search("no fast copy, for a copy of it differs by", held.provenance.computed_on)
    assert isinstance(fast_model(model, photos(), rows=1), FastModel)


def test_one_photo_runs_on_the_network_itself() -> None:
    held = cnnviz.capture(network(), photos(1), layers="stages")
    assert cnnviz.cam(held).provenance.computed_on == f"{AS_IT_IS}: {FEW}"


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("off", ["environment", "exact"])
def test_it_can_be_switched_off_bit_for_bit(off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = network()
    with torch.no_grad():
        expected = module(photos())
    if off == "environment":
        monkeypatch.setenv("CNNVIZ_FAST", "0")
    model = cnnviz.load(module, exact=off == "exact")
    held = cnnviz.capture(model, photos(), layers=["relu"], gradients=False)
    why = "CNNVIZ_FAST is 0" if off == "environment" else "it was loaded with exact=True"
    assert held.computed_on == f"{AS_IT_IS}: {why}"
    assert torch.equal(held.logits, expected)


@pytest.mark.parametrize("setting", ["", None, "1"])
def test_a_copy_is_made_without_being_asked_for(
    setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CNNVIZ_FAST")
    if setting is not None:
        monkeypatch.setenv("CNNVIZ_FAST", setting)
    held = cnnviz.capture(network(), photos(64), layers=["relu"], gradients=False)
    assert held.provenance.computed_on.startswith("a private copy that computes the same faster: ")


def test_another_word_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "yes")
    with pytest.raises(UsageError, match="CNNVIZ_FAST is 'yes' in the environment"):
        cnnviz.capture(network(), photos(), layers=["relu"])


def test_exact_stays_with_the_model() -> None:
    model = cnnviz.load(cnnviz.load(network(), exact=True))
    assert model.exact
    assert model.around(network(1), weights="other").exact


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("how", ["step", "load", "data", "replaced", "one filter", "norm"])
def test_other_weights_are_noticed(how: str) -> None:
    module = network()
    model = cnnviz.load(module)
    first = outputs(model, photos())
    body = module.body
    assert isinstance(body, nn.Conv2d)
    with torch.no_grad():
        if how == "step":
            body.weight.add_(0.1)
        elif how == "load":
            module.load_state_dict(network(1).state_dict())
        elif how == "data":
            body.weight.data.mul_(1.5)
        elif how == "replaced":
            body.weight.data = torch.randn_like(body.weight)
        elif how == "one filter":
            body.weight.data[3] = 0.0
        else:
            module.after.running_var.data[2] *= 3.0  # type: ignore[union-attr,operator,index]
        expected = module(photos())
    found = outputs(model, photos())
    assert isinstance(fast_model(model, photos(), rows=1), FastModel)
    assert apart(first, expected) > 1e-4
    assert apart(found, expected) < 1e-5


@pytest.mark.usefixtures("always")
def test_each_weight_is_looked_at_after_so_many_photos_however_many_passes_each_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    def same(_: FastCopy, *, thorough: bool) -> bool:
        asked.append(thorough)
        return True

    module = network()
    cnnviz.capture(module, photos(1), layers=["relu"])
    monkeypatch.setattr(FastCopy, "same_weights", same)
    for _ in range(16):
        cnnviz.capture(module, photos(1), layers=["relu"])  # a pass forward and one back
    assert asked == [False] * 14 + [True, False]


@pytest.mark.usefixtures("always")
def test_a_module_that_was_exchanged_or_hooked_is_noticed() -> None:
    module = network()
    model = cnnviz.load(module)
    outputs(model, photos())
    module.body = nn.Conv2d(8, 8, 1)
    with torch.no_grad():
        assert apart(outputs(model, photos()), module(photos())) < 1e-5
    handle = module.norm.register_forward_hook(lambda _m, _i, output: output * 2)  # type: ignore[union-attr,operator]
    with torch.no_grad():
        assert torch.equal(outputs(model, photos()), module(photos()))
    handle.remove()
    assert isinstance(fast_model(model, photos(), rows=1), FastModel)


@pytest.mark.usefixtures("always", "only_new_garbage")
def test_the_network_comes_out_as_it_went_in_and_the_copy_goes_with_it() -> None:
    module = network().train()
    before, drawn = state(module), rng()
    cnnviz.capture(module, photos(), layers=["relu"])
    assert state(module) == before
    assert rng() == drawn
    fast = fast_model(cnnviz.load(module), photos(), rows=1)
    assert isinstance(fast, FastModel)
    gone = weakref.ref(fast.module), weakref.ref(module)
    del fast, module
    gc.collect()
    assert gone[0]() is None
    assert gone[1]() is None


@pytest.mark.usefixtures("always")
def test_what_takes_another_way_than_before_runs_on_the_network() -> None:
    class Turns(Residual):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.stem(x)
            y = y if len(x) > 2 else self.norm(y)
            found: torch.Tensor = self.head(y.mean((2, 3)))
            return found

    module = trained(Turns())
    model = cnnviz.load(module)
    with torch.no_grad():
        expected = module(photos(3))
    assert torch.equal(outputs(model, photos(3)), expected)
    # It is not tried again.
    assert fast_model(model, photos(2), rows=1) is model


@pytest.mark.usefixtures("always")
def test_a_fault_of_the_network_is_told_as_ever() -> None:
    with pytest.raises(cnnviz.errors.ModelError, match="cannot run on an input"):
        outputs(cnnviz.load(network()), torch.randn(2, 5, 16, 16))


@pytest.mark.usefixtures("always")
def test_autocast_and_double_precision_are_kept() -> None:
    model = cnnviz.load(network())
    with torch.autocast("cpu", torch.bfloat16):
        assert fast_model(model, photos(), rows=1) is model
    double = cnnviz.load(network().double())
    inputs = photos().double()
    assert isinstance(fast_model(double, inputs, rows=1), FastModel)
    with torch.no_grad():
        assert apart(outputs(double, inputs), double.module(inputs)) < 1e-12


@pytest.mark.usefixtures("always")
def test_an_answer_of_the_caller_s_is_computed_with_the_model_it_is_given() -> None:
    seen = []
    model = cnnviz.load(network())
    on_fast_copy(model, photos(), lambda computing: seen.append(computing), rows=1)
    assert isinstance(seen[0], FastModel)
    assert seen[0].categories == model.categories


@pytest.mark.usefixtures("always")
def test_a_network_of_one_image_at_a_time_is_checked_on_one_and_not_each_time_anew() -> None:
    class OfOne(Residual):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            OfOne.calls += 1
            return super().forward(x[:1] if len(x) == 1 else x.reshape(1, 3, 16, 16))

    model = cnnviz.load(trained(OfOne()))
    first = outputs(model, photos(1))
    OfOne.calls = 0
    assert torch.equal(outputs(model, photos(1)), first)
    assert OfOne.calls == 1
    assert isinstance(fast_model(model, photos(1), rows=1), FastModel)
