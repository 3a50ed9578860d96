"""capture(): one pass, right on every kind of network, and nothing changed afterwards."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import LayerError, ModelError, TargetError, UsageError
from cnnviz.models import Model
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from tests.helpers.in_place_networks import InPlace, Twice, seeded
from tests.helpers.state import state

Pair = namedtuple("Pair", "logits extra")


class Wrapped(InPlace):
    """Returns something other than a tensor."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: torch.Tensor) -> object:
        logits = super().forward(x)
        return {
            "tuple": (logits, logits.sum()),
            "dict": {"aux": logits * 0, "out": logits},
            "single": {"scores": logits},
            "named": Pair(logits, None),
            "nothing": {"first": logits, "second": logits},
            "text": "no tensor at all",
        }[self.form]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def reference(module: nn.Module, images: torch.Tensor, classes: list[int]) -> dict[str, np.ndarray]:
    """Compute activations and gradients of `InPlace` by hand in double precision."""
    module = seeded(InPlace).double().eval()
    x = images.double().requires_grad_()
    conv = F.conv2d(x, module.conv.weight, module.conv.bias, padding=1)
    pooled = conv.clamp(min=0).mean((2, 3))
    logits = pooled @ module.head.weight.T + module.head.bias
    score = logits[torch.arange(len(images)), classes].sum()
    to_conv, to_input = torch.autograd.grad(score, (conv, x))
    return {
        "conv": conv.detach().numpy(),
        "logits": logits.detach().numpy(),
        "to_conv": to_conv.numpy(),
        "to_input": to_input.numpy(),
    }


@pytest.mark.parametrize("target", [None, 2, [3, 0]])
def test_values_equal_a_double_precision_reference(images: torch.Tensor, target: object) -> None:
    module = seeded(InPlace)
    found = capture(module, images, layers=["conv", "relu"], target=target)
    expected = reference(module, images, list(found.target_classes))
    for name, value in [
        ("conv", found.activations["conv"]),
        ("logits", found.logits),
        ("to_conv", found.gradients["conv"]),
        ("to_input", found.input_gradient),
    ]:
        np.testing.assert_allclose(value.numpy(), expected[name], atol=1e-6, err_msg=name)
    if target is None:
        assert list(found.target_classes) == expected["logits"].argmax(1).tolist()
    elif target == 2:
        assert found.target_classes == (2, 2)
    else:
        assert found.target_classes == (3, 0)


def test_whether_a_layer_was_captured_can_be_asked(images: torch.Tensor) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.relu(self.conv(x))).mean((2, 3))

    held = capture(Twice(), images, layers=["conv", "relu"]).activations
    asked = ["conv#0", ("conv", 1), "relu", "conv", "fc", ("conv", 2), ("conv",), 3, None]
    assert [key in held for key in asked] == [True] * 3 + [False] * 6
    assert held.get("relu") is held["relu"]
    assert held.get("conv") is None, "which of the two is not said"
    assert held.get("fc", 0) == 0


def test_an_in_place_layer_does_not_rewrite_what_was_captured(images: torch.Tensor) -> None:
    found = capture(seeded(InPlace), images, layers=["conv", "relu"])
    assert (found.activations["conv"] < 0).any()
    torch.testing.assert_close(found.activations["conv"].relu(), found.activations["relu"])


@pytest.mark.parametrize("gradients", [True, "layers", False])
@pytest.mark.parametrize("kind", [InPlace, Twice])
def test_the_network_is_left_as_it_was(
    images: torch.Tensor, kind: type[nn.Module], gradients: object
) -> None:
    module = seeded(kind).train()
    module.head.weight.requires_grad_(False)
    kept = images.clone()
    before = state(module)
    capture(module, images, layers=["conv", "relu"], gradients=gradients)
    assert state(module) == before
    assert torch.equal(images, kept), "the caller's tensor is not written to"


def test_hooks_do_not_change_the_output(images: torch.Tensor) -> None:
    for kind in (InPlace, Twice):
        module = seeded(kind).eval()
        with torch.no_grad():
            plain = module(images)
        model = Model(module, exact=True)
        found = capture(model, images, layers=["conv", "activation", "pool", "linear"])
        assert torch.equal(found.logits, plain)
        with torch.no_grad():
            assert torch.equal(module(images), plain)


def test_a_layer_called_several_times_is_keyed_by_its_call(images: torch.Tensor) -> None:
    module = seeded(Twice)
    found = capture(module, images, layers="activation")
    assert list(found.activations) == ["relu#0", "relu#1", "relu#2"]
    with pytest.raises(LayerError, match=r"called 3 times.*'relu#0', 'relu#1', 'relu#2'"):
        found.activations["relu"]
    with pytest.raises(LayerError, match=r"no call 3"):
        found.activations["relu#3"]
    assert torch.equal(found.activations["relu", 1], found.activations["relu#1"])
    with torch.no_grad():
        first = module.conv(images).relu()
        second = module.second(first).relu()
        third = ((first + second).relu() - 0.1).relu()
    for call, expected in enumerate([first, second, third]):
        torch.testing.assert_close(found.activations["relu", call], expected)


def test_gradients_of_a_reused_layer_equal_numerical_ones(images: torch.Tensor) -> None:
    module = seeded(Twice).double()
    found = capture(module, images.double(), layers=["conv", "second"], target=1)
    step = 1e-6
    for name, channel, row, column in [("conv", 1, 2, 3), ("second", 4, 0, 0)]:
        scores = []
        for sign in (1, -1):
            from cnnviz.introspection.hooks import module_hooks

            def nudge(_n: str, _m: nn.Module, _i: object, out: torch.Tensor) -> torch.Tensor:
                out = out.clone()
                out[0, channel, row, column] += sign * step  # noqa: B023
                return out

            with torch.no_grad(), module_hooks({name: getattr(module, name)}, after=nudge):
                scores.append(module(images.double())[:, 1].sum().item())
        numerical = (scores[0] - scores[1]) / (2 * step)
        gradient = found.gradients[name][0, channel, row, column].item()
        assert gradient == pytest.approx(numerical, abs=1e-6)


@pytest.mark.parametrize("form", ["tuple", "dict", "single", "named"])
def test_outputs_other_than_a_tensor(images: torch.Tensor, form: str) -> None:
    plain = capture(seeded(InPlace), images)
    found = capture(seeded(Wrapped, form), images)
    assert torch.equal(found.logits, plain.logits)
    assert torch.equal(found.gradients["conv"], plain.gradients["conv"])


@pytest.mark.parametrize(
    ("form", "message"), [("nothing", "dict with 'first', 'second'"), ("text", "returns a str")]
)
def test_an_output_without_logits_is_said(images: torch.Tensor, form: str, message: str) -> None:
    module = seeded(Wrapped, form)
    before = state(module)
    with pytest.raises(TargetError, match=message):
        capture(module, images)
    assert state(module) == before


def test_a_callable_target_reads_any_output(images: torch.Tensor) -> None:
    def contrast(output: dict[str, torch.Tensor]) -> torch.Tensor:
        return output["first"][:, 0] - output["second"][:, 1]

    found = capture(seeded(Wrapped, "nothing"), images, target=contrast)
    plain = [capture(seeded(InPlace), images, target=k).gradients["conv"] for k in (0, 1)]
    torch.testing.assert_close(found.gradients["conv"], plain[0] - plain[1])
    assert found.targets == ("contrast", "contrast")
    with pytest.raises(TargetError, match=r"not one score for each image"):
        capture(seeded(InPlace), images, target=lambda output: output)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (4, "no class 4.*0 to 3"),
        (-1, "no class -1"),
        ([0, 1, 2], "3 targets for 2 images"),
        ("koala", "no names"),
    ],
)
def test_a_target_that_does_not_fit(images: torch.Tensor, target: object, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        capture(seeded(InPlace), images, target=target)


@pytest.mark.parametrize("surrounding", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_a_surrounding_gradient_mode_does_not_reach_in(
    images: torch.Tensor, surrounding: type
) -> None:
    plain = capture(seeded(InPlace), images)
    module = seeded(InPlace)
    with surrounding():
        found = capture(module, images.clone())
    assert torch.equal(found.gradients["conv"], plain.gradients["conv"])


def test_frozen_parameters_still_give_gradients(images: torch.Tensor) -> None:
    module = seeded(InPlace).requires_grad_(False)
    assert capture(module, images).gradients["conv"].abs().sum() > 0


def test_the_graph_starts_at_the_first_chosen_layer(images: torch.Tensor) -> None:
    full = capture(seeded(Twice), images, layers=["second", "head"])
    late = capture(seeded(Twice), images, layers=["second", "head"], gradients="layers")
    assert torch.equal(full.gradients["second"], late.gradients["second"])
    assert torch.equal(full.gradients["head"], late.gradients["head"])
    with pytest.raises(LayerError, match="no gradient at the input"):
        _ = late.input_gradient


def test_scores_alone_send_nothing_back(
    images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = capture(seeded(InPlace), images, layers=(), target=1)
    monkeypatch.delattr(torch.autograd, "grad")
    found = capture(seeded(InPlace), images, layers=(), target=1, gradients="layers")
    assert torch.equal(found.scores, whole.scores)
    assert found.target_classes == (1, 1)
    with pytest.raises(ModelError, match="has no attribute 'grad'"):
        capture(seeded(InPlace), images, layers=(), target=1)


def test_no_weight_gradient_is_ever_computed(images: torch.Tensor) -> None:
    computed: list[str] = []

    class Watched(InPlace):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if any(parameter.requires_grad for parameter in self.parameters()):
                computed.append("a parameter is in the graph")
            return super().forward(x)

    capture(seeded(Watched), images)
    assert computed == []


def test_the_forward_pass_stops_at_the_last_layer_asked_for(images: torch.Tensor) -> None:
    reached: list[str] = []

    class Watched(Twice):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = super().forward(x)
            reached.append("the end")
            return found

    module = seeded(Watched)
    options = {"gradients": False, "logits": False}
    capture(module, images, layers="second", **options)
    # The first call has to learn the order of the layers.
    reached.clear()
    stopped = capture(module, images, layers=["conv", "second"], **options)
    assert reached == []
    whole = capture(module, images, layers=["conv", "second"], gradients=False)
    assert reached == ["the end"]
    assert torch.equal(stopped.activations["second"], whole.activations["second"])
    with pytest.raises(TargetError, match=r"holds no logits\. Capture without logits=False\.$"):
        _ = stopped.logits
    last = capture(module, images, layers="relu", **options)
    assert list(last.activations) == ["relu#0", "relu#1", "relu#2"]


def test_a_network_that_cannot_be_compared_is_traced_once_in_a_capture(
    images: torch.Tensor,
) -> None:
    passes = []

    class Opaque(InPlace):
        def __init__(self) -> None:
            super().__init__()
            self.strides = np.array([1, 2])  # What it holds may change unseen, so nothing is kept.

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            passes.append(len(x))
            return super().forward(x)

    model = Model(seeded(Opaque))
    for _ in range(2):
        passes.clear()
        held = capture(model, images[:1], layers="stages")
        assert held.layout("relu").take(held.activations["relu"], 1).shape[1:] == (5, 8, 8)
    # The trace, the order of the calls, and the capture itself.
    assert len(passes) == 3


def test_gradients_need_logits(images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="need the logits"):
        capture(seeded(InPlace), images, logits=False)


def test_a_batch_equals_its_images_one_by_one(images: torch.Tensor) -> None:
    together = capture(seeded(Twice), images, target=[1, 2], layers="second")
    for place, target in enumerate([1, 2]):
        alone = capture(seeded(Twice), images[place : place + 1], target=target, layers="second")
        for whole, one in [
            (together.gradients["second"], alone.gradients["second"]),
            (together.activations["second"], alone.activations["second"]),
            (together.input_gradient, alone.input_gradient),
        ]:
            torch.testing.assert_close(whole[place : place + 1], one, atol=1e-6, rtol=1e-5)


def test_batch_norm_in_training_mode_is_run_in_eval_mode(images: torch.Tensor) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(3))
    module(images)
    module.train()
    found = capture(module, images)
    module.eval()
    torch.testing.assert_close(found.logits, module(images).detach())


def test_half_precision_networks(images: torch.Tensor) -> None:
    found = capture(seeded(InPlace).bfloat16(), images)
    assert found.gradients["conv"].dtype == torch.bfloat16
    assert found.gradients["conv"].abs().sum() > 0


def test_what_cannot_be_captured_is_said(images: torch.Tensor) -> None:
    class Splits(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return x.sum((1, 2, 3)), x

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.splits = Splits()
            self.detached = nn.Identity()
            self.head = nn.Linear(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.detached(x * 2)
            return self.head(self.splits(x)[0][:, None])

    module = seeded(Outer)
    before = state(module)
    with pytest.raises(LayerError, match="'splits' returns a tuple of 2"):
        capture(module, images, layers="splits")
    found = capture(module, images, layers="detached")
    assert found.activations["detached"].shape == images.shape
    with pytest.raises(LayerError, match="does not depend on layer 'detached'"):
        found.gradients["detached"]
    with pytest.raises(LayerError, match="not in this capture"):
        found.activations["head"]
    with pytest.raises(LayerError, match=r"no layer 'haed'.*'head'"):
        found.activations["haed"]
    unused = capture(seeded(Twice), images, layers=["conv", "unused"])
    with pytest.raises(LayerError, match="'unused' was not called"):
        unused.activations["unused"]
    assert state(module) == before


def test_a_wrong_size_is_a_sentence() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 4))
    capture(module, torch.zeros(1, 3, 8, 8))
    with pytest.raises(
        ModelError, match=r"Sequential cannot run on an input \[1, 3, 9, 9\]: .*mat1"
    ):
        capture(module, torch.zeros(1, 3, 9, 9))


@pytest.mark.parametrize("count", [3, 5])
def test_a_wrong_number_of_class_names_is_said(images: torch.Tensor, count: int) -> None:
    model = Model(seeded(InPlace), categories=[f"name {k}" for k in range(count)])
    with pytest.raises(UsageError, match=f"{count} class names and InPlace has 4 outputs"):
        capture(model, images)


def test_repr_is_one_honest_line(images: torch.Tensor) -> None:
    found = capture(seeded(InPlace), images)
    assert repr(found) == "<Capture: InPlace on 2 images, 1 activation, 1 gradient>"
    assert isinstance(found, Capture)
    assert found.provenance.targets == found.targets


@pytest.mark.parametrize("convolution", [nn.Conv1d, nn.Conv3d])
def test_a_network_of_signals_or_volumes_is_told_that_it_takes_no_images(convolution) -> None:
    network = nn.Sequential(convolution(3, 4, 3), nn.ReLU())
    with pytest.raises(UsageError, match="the network takes"):
        capture(network, torch.rand(1, 3, 9, 9))
