"""The rules meet every form of ReLU, equal the papers written out, and leave values alone."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.introspection.backward_rules import Rule, RuleCoverage, backward_rule, rule_coverage
from tests.helpers.architectures import small_input, thin, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state

RULES: tuple[Rule, ...] = ("gradient", "deconvnet", "guided")

FORMS = {
    "module": lambda x: nn.ReLU()(x),
    "module in place": lambda x: nn.ReLU(inplace=True)(x),
    "function": F.relu,
    "function in place": lambda x: F.relu(x, inplace=True),
    "function in place, by position": lambda x: F.relu(x, True),
    "function with an underscore": F.relu_,
    "torch": torch.relu,
    "torch with an underscore": torch.relu_,
    "method": lambda x: x.relu(),
    "method with an underscore": lambda x: x.relu_(),
    "keyword": lambda x: F.relu(input=x),
    "clamp": lambda x: x.clamp(min=0),
    "clamp, by position": lambda x: torch.clamp(x, 0.0),
    "clip": lambda x: torch.clip(x, min=0.0, max=None),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "clamp by a tensor": lambda x: torch.clamp(x, min=torch.zeros(())),
    "clamp with an underscore": lambda x: x.clamp_(min=0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "maximum, the other way": lambda x: torch.zeros(()).maximum(x),
    "max": lambda x: torch.max(x, torch.zeros(1)),
    "fmax": lambda x: x.fmax(torch.zeros(())),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where, with zeros": lambda x: torch.where(x >= 0, x, torch.zeros_like(x)),
    "where, the other way": lambda x: torch.where(x < 0, 0.0, x),
    "where, as a method": lambda x: x.where(x > 0, torch.zeros(())),
    "mask": lambda x: x * (x > 0),
    "mask of numbers": lambda x: (x > 0).float() * x,
    "mask, torch": lambda x: torch.mul(x, x > 0),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0.0),
    "masked_fill with an underscore": lambda x: x.masked_fill_(x <= 0, 0.0),
    "threshold": nn.Threshold(0.0, 0.0),
    "threshold in place": nn.Threshold(0.0, 0.0, inplace=True),
    "threshold with an underscore": lambda x: torch.threshold_(x, 0.0, 0.0),
    "index_put": lambda x: torch.index_put(x, (x < 0,), torch.zeros(())),
    "leaky ReLU without a leak": nn.LeakyReLU(0.0),
    "hardtanh": nn.Hardtanh(0.0, float("inf")),
    "PReLU without a leak": nn.PReLU(init=0.0),
    "ELU without a tail": nn.ELU(0.0),
    "RReLU without a leak": nn.RReLU(0.0, 0.0),
    "operator": torch.ops.aten.relu,
    "operator with an underscore": torch.ops.aten.relu_,
    "operator of a limit": lambda x: torch.ops.aten.clamp_min(x, 0),
    "half the sum with the absolute value": lambda x: (x + x.abs()) / 2,
    "halves of both": lambda x: 0.5 * torch.abs(x) + x * 0.5,
    "half the sum, written into": lambda x: x.abs().add_(x).mul_(0.5),
    "of the opposite": lambda x: (abs(-x) - (-x)).div(2.0),
    "the smaller of the opposite": lambda x: -torch.min(-x, torch.zeros(())),
    "the opposite, cut off above": lambda x: torch.neg((-x).clamp_max(0)),
    "without what is below": lambda x: x - x.clamp(max=0),
    "the larger of two slopes": lambda x: torch.max(x, 0 * x),
    "leaky ReLU without its leak": lambda x: (F.leaky_relu(x, 0.5) - 0.5 * x) * 2,
    "hardtanh with an underscore": lambda x: F.hardtanh_(x, 0.0, float("inf")),
}


WHOLE = "The rule was applied at 1 of 1 activation functions"


def backward(rule: Rule, values: torch.Tensor, gradient: torch.Tensor, limit: float) -> np.ndarray:
    passes = (values > 0) & (values < limit)
    if rule == "gradient":
        return (gradient * passes).numpy()
    if rule == "deconvnet":
        return gradient.clamp(min=0).numpy()
    return (gradient.clamp(min=0) * passes).numpy()


@each_case("rule", RULES[1:])
@each_case("form", FORMS)
def test_every_form_of_relu(rule: Rule, form: str) -> None:
    values = torch.randn(40, generator=torch.Generator().manual_seed(0))
    gradient = torch.randn(40, generator=torch.Generator().manual_seed(1))
    start = values.clone().requires_grad_()
    handed = start * 1.0
    with backward_rule(rule):
        output = FORMS[form](handed)
    (found,) = torch.autograd.grad(output, start, gradient)
    np.testing.assert_array_equal(found.numpy(), backward(rule, values, gradient, np.inf))
    assert torch.equal(output, values.relu())
    in_place = "place" in form or "underscore" in form
    assert torch.equal(handed.detach(), values.relu() if in_place else values)
    assert (output is handed) == in_place
    assert str(rule_coverage(output)) == WHOLE


def _assigned(x: torch.Tensor) -> None:
    x[x < 0] = 0


def _multiplied(x: torch.Tensor) -> None:
    x *= x > 0


@each_case("rule", RULES[1:])
@each_case("write", [_assigned, _multiplied])
def test_rectifiers_that_write_and_return_nothing(
    rule: Rule, write: Callable[[torch.Tensor], None]
) -> None:
    values = torch.randn(40, generator=torch.Generator().manual_seed(0))
    gradient = torch.randn(40, generator=torch.Generator().manual_seed(1))
    start = values.clone().requires_grad_()
    handed = start * 1.0
    with backward_rule(rule):
        write(handed)
    (found,) = torch.autograd.grad(handed, start, gradient)
    np.testing.assert_array_equal(found.numpy(), backward(rule, values, gradient, np.inf))
    assert torch.equal(handed.detach(), values.relu())
    assert str(rule_coverage(handed)) == WHOLE


@each_case("form", FORMS)
def test_guided_backpropagation_sends_nothing_through_exact_zeros_in_any_form(form: str) -> None:
    # Their own derivative there is 0, a half or 1: of black behind a convolution without a bias.
    start = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    with backward_rule("guided"):
        output = FORMS[form](start * 1.0)
    (found,) = torch.autograd.grad(output.sum(), start)
    assert found.tolist() == [0.0, 0.0, 1.0]
    assert rule_coverage(output).met == 1


@pytest.mark.parametrize("part", [slice(None), slice(0, 3)], ids=["whole", "view, in place"])
def test_at_both_ends_of_a_relu6_nothing_passes_as_in_torch(part: slice) -> None:
    start = torch.tensor([0.0, 5.0, 6.0, 1.0], requires_grad=True)
    (wanted,) = torch.autograd.grad(F.relu6(start).sum(), start)
    handed = start * 1.0
    with backward_rule("guided"):
        F.relu6(handed if part == slice(None) else handed[part], inplace=True)
    (found,) = torch.autograd.grad(handed.sum(), start)
    assert wanted.tolist() == found.tolist() == [0.0, 1.0, 0.0, 1.0]


@each_case(
    "other",
    [
        lambda x: x.clamp(min=0.1),
        lambda x: x.clamp(min=-0.1, max=0.1),
        lambda x: x.clamp(max=0),
        lambda x: torch.maximum(x, -x),
        lambda x: torch.where(x > 0.5, x, 0.0),
        lambda x: torch.where(x < 1.0, 0.0, x),
        lambda x: torch.where(torch.tensor(False), 0.0, x),
        lambda x: torch.where(x > 0, x, 0.1 * x),
        lambda x: x * (x.roll(1) > 0),
        # A mask of padding over what no rectifier is needed for.
        lambda x: x.abs() * torch.ones_like(x),
        lambda x: (x.abs() - x.detach().abs().min()) * torch.ones_like(x),
        lambda x: x.masked_fill(x < -1, 0.0),
        lambda x: x.max(0).values,
        lambda x: x * x,
        lambda x: (x + x.abs().roll(1)) / 2,
        lambda x: x + 0.5 * x.abs(),
        lambda x: x.abs() - x.clamp(min=0.1),
        lambda x: torch.min(x, torch.zeros(())),
        lambda x: F.prelu(x, torch.full((1,), 0.1)),
        lambda x: 1 / (2 - x.clamp(max=0)),
        lambda x: x - x.clone().clamp(max=0),
        nn.Threshold(0.0, 1.0),
    ],
)
def test_what_only_looks_like_a_rectifier_keeps_its_own_derivative(
    other: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    start = torch.randn(40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (wanted,) = torch.autograd.grad(other(start * 1.0).sum(), start)
    with backward_rule("guided"):
        output = other(start * 1.0)
    (found,) = torch.autograd.grad(output.sum(), start)
    assert torch.equal(found, wanted)
    told = str(rule_coverage(output))
    assert "applied at 0 of" in told
    assert told.endswith("so that it changed nothing: plain gradients")


def test_guided_backpropagation_sends_nothing_through_zero_in_a_part_of_a_tensor() -> None:
    values = torch.tensor([-1.0, 0.0, 1.0, -2.0], requires_grad=True)
    with backward_rule("guided"):
        held = values * 1.0
        held[:3].relu_()
        (gradient,) = torch.autograd.grad(held.sum(), values)
    assert gradient.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_values_that_cannot_be_looked_at_tell_of_no_mask() -> None:
    values = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    with backward_rule("guided"):
        found = torch.vmap(lambda row: row * (row > 0) + row.relu())(values)
    assert torch.equal(found, 2 * values.relu())


@pytest.mark.parametrize("rule", RULES)
def test_a_rectifier_in_place_on_a_part_of_a_tensor(rule: Rule) -> None:
    values = torch.randn(40, generator=torch.Generator().manual_seed(0))
    gradient = torch.randn(40, generator=torch.Generator().manual_seed(1))
    start = values.clone().requires_grad_()
    handed = start * 1.0
    with backward_rule(rule):
        handed[:20].relu_()
    (found,) = torch.autograd.grad(handed, start, gradient)
    by_rule = backward(rule, values[:20], gradient[:20], np.inf)
    np.testing.assert_array_equal(found[:20].numpy(), by_rule)
    assert torch.equal(found[20:], gradient[20:])


CAPPED = {
    "module": nn.ReLU6(),
    "module in place": nn.ReLU6(inplace=True),
    "function": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "clamp": lambda x: x.clamp(0, 6),
    "clamp with an underscore": lambda x: x.clamp_(0, 6),
    "clamp by a tensor": lambda x: x.clamp(min=torch.zeros(()), max=torch.tensor(6.0)),
    "clip": lambda x: torch.clip(x, min=0.0, max=6.0),
}


@each_case("rule", RULES[1:])
@each_case("form", CAPPED)
def test_relu6_in_any_form_is_a_rectifier(rule: Rule, form: str) -> None:
    values = 6 * torch.randn(60, generator=torch.Generator().manual_seed(0))
    gradient = torch.randn(60, generator=torch.Generator().manual_seed(1))
    start = values.clone().requires_grad_()
    with backward_rule(rule):
        output = CAPPED[form](start * 1.0)
    (found,) = torch.autograd.grad(output, start, gradient)
    np.testing.assert_array_equal(found.numpy(), backward(rule, values, gradient, 6.0))
    assert torch.equal(output, values.clamp(0, 6))
    assert rule_coverage(output).met == 1


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("alexnet", 7),
        ("vgg16", 15),
        ("resnet18", 17),
        ("densenet121", 121),
        ("googlenet", 57),
        ("inception_v3", 94),
        ("squeezenet1_0", 26),
        ("mobilenet_v2", 35),
    ],
)
def test_every_relu_of_real_networks_is_met_and_no_value_changes(name: str, count: int) -> None:
    module = thin(name).module
    images = small_input(name)
    before = state(module)
    plain = module(images)
    for rule in RULES[1:]:
        with backward_rule(rule):
            found = module(images)
        assert torch.equal(found, plain)
        assert rule_coverage(found) == RuleCoverage(count)
    assert state(module) == before


def test_other_activations_keep_their_derivative_and_are_counted() -> None:
    network = nn.Sequential(
        nn.LeakyReLU(), nn.SiLU(), nn.GELU(), nn.Hardswish(), nn.ELU(inplace=True), nn.Tanh(),
        nn.Sigmoid(), nn.PReLU(), nn.Mish(), nn.Hardtanh(), nn.ReLU(),
    )  # fmt: skip
    values = torch.randn(9, requires_grad=True)
    (plain,) = torch.autograd.grad(network[:-1](values * 1.0).sum(), values)
    with backward_rule("guided"):
        output = network(values * 1.0)
    (found,) = torch.autograd.grad(output.sum(), values)
    mask = (output > 0).float()
    torch.testing.assert_close(found, plain * mask)
    told = str(rule_coverage(output))
    assert told.startswith(
        "The rule was applied at 1 of 11 activation functions, and the other 10 are of another "
        "kind ("
    )
    for name in ("leaky ReLU", "SiLU", "GELU", "hardswish", "ELU", "tanh", "sigmoid", "PReLU"):
        assert f"1 {name}" in told


@pytest.mark.parametrize(
    ("rule", "peer"), [("guided", "GuidedBackprop"), ("deconvnet", "Deconvolution")]
)
def test_equal_to_captum_on_module_relus(rule: Rule, peer: str) -> None:
    import captum.attr

    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    # captum needs ReLUs of their own that are not in-place; ours takes the network as it is.
    module = copy.deepcopy(tiny_network())
    module[1].inplace = False
    start = images.clone().requires_grad_()
    with pytest.warns(UserWarning, match="backward hooks"):
        expected = getattr(captum.attr, peer)(module).attribute(start, target=1)
    with backward_rule(rule):
        scores = tiny_network()(start)[:, 1].sum()
    (found,) = torch.autograd.grad(scores, start)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-8)


class Shared(nn.Module):
    """One ReLU for two parallel branches, whose input has a second consumer."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.first = nn.Conv2d(3, 6, 3, padding=1).double()
            self.left = nn.Conv2d(6, 6, 3, padding=1).double()
            self.right = nn.Conv2d(6, 6, 1).double()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        kept = x.clone()
        y = self.relu(x)
        return (self.relu(self.left(y)) + self.relu(self.right(y)) + kept).mean((2, 3))


@each_case("rule", RULES)
def test_reused_relus_and_second_consumers_equal_a_hand_written_backward(rule: Rule) -> None:
    network = Shared()
    images = torch.randn(1, 3, 7, 7, dtype=torch.double, requires_grad=True)
    with backward_rule(rule):
        score = network(images)[:, 2].sum()
    (found,) = torch.autograd.grad(score, images)

    def transposed(layer: nn.Conv2d, signal: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(signal, layer.weight, padding=layer.padding)

    with torch.no_grad():
        first = network.first(images)
        left, right = network.left(first.relu()), network.right(first.relu())
        signal = torch.zeros_like(left)
        signal[:, 2] = 1 / 49

        def through(values: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(backward(rule, values, gradient, np.inf))

        inner = transposed(network.left, through(left, signal))
        inner = inner + transposed(network.right, through(right, signal))
        expected = transposed(network.first, through(first, inner) + signal)
    torch.testing.assert_close(found, expected)


def test_the_rule_ends_with_its_context() -> None:
    values = torch.tensor([1.0], requires_grad=True)
    with pytest.raises(KeyboardInterrupt), backward_rule("deconvnet"):
        raise KeyboardInterrupt
    (found,) = torch.autograd.grad(F.relu(values), values, torch.tensor([-2.0]))
    assert found.item() == -2.0


@each_case(
    "rectify",
    [
        lambda x: x * (x > 0),
        lambda x: x * (x >= 0.0).to(x.dtype),
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: x.masked_fill(x < 0, 0.0),
    ],
)
def test_a_mask_of_signs_rectifies_values_that_are_nowhere_below_zero_as_well(
    rectify: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    values = torch.tensor([[0.5, 2.0]], requires_grad=True)
    with backward_rule("guided"):
        score = (rectify(values * 1.0) * torch.tensor([-1.0, 1.0])).sum()
    assert rule_coverage(score).met == 1
    (found,) = torch.autograd.grad(score, values)
    assert found.tolist() == [[0.0, 1.0]]
    # One of padding is none.
    with backward_rule("guided"):
        score = (values * torch.ones(1, 2)).sum()
    assert rule_coverage(score).met == 0


class Own(torch.autograd.Function):
    """A rectifier whose derivative the network brings itself."""

    @staticmethod
    def forward(ctx, values):
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def beside(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.zeros_like(x), x])


@each_case(
    "forward, told",
    [
        (Own.apply, "1 Own"),
        (lambda x: torch.vmap(torch.relu)(x), "1 ReLU in TorchScript or torch.func"),
        (lambda x: torch.where(x > 0.5, x, 0.0), "1 mask or index of its own values"),
        (lambda x: x * (x.sign() + 1) / 2, "1 sign"),
        (lambda x: x.relu().minimum(torch.ones(())), "1 of 2 activation"),
        (lambda x: x.abs(), "1 absolute value"),
        (lambda x: (x + (x * x).sqrt()) / 2, "1 square root"),
        (lambda x: (x + (x**2) ** 0.5) / 2, "1 power"),
        (lambda x: (x + x[:, None].norm(dim=1)) / 2, "1 absolute value"),
        (lambda x: (x + x.copysign(torch.ones(()))) / 2, "1 sign"),
        (lambda x: x * (1 + x.erf()), "1 erf"),
        (lambda x: x * (x.detach().sign() + 1) / 2, "1 mask or index"),
        (lambda x: x.index_fill(0, (x.data < 0.5).nonzero()[:, 0], 0.0), "1 mask or index"),
        (lambda x: beside(x).gather(0, beside(x).argmax(0, keepdim=True)), "1 mask or index"),
        (lambda x: x / torch.where(x > 0.5, 1.0, torch.inf), "1 mask or index"),
        (lambda x: beside(x).amax(0), "1 choice among"),
        (lambda x: beside(x).movedim(0, -1)[None, None].max(-1).values, "1 choice among"),
        (lambda x: F.max_pool1d(beside(x).T[:, None], 2), "1 choice among"),
        (lambda x: F.max_pool1d(beside(x).T.narrow(0, 0, 3)[:, None], 2), "1 choice among"),
        (lambda x: torch.cat([0 * x[None], x[None]]).sort(0).values[1], "1 choice among"),
        (lambda x: torch.zeros(3).index_reduce(0, torch.arange(3), x, "amax"), "1 choice among"),
    ],
)
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_what_follows_no_rule_is_told(
    forward: Callable[[torch.Tensor], torch.Tensor], told: str
) -> None:
    values = torch.tensor([-1.0, 0.25, 2.0], requires_grad=True)
    with backward_rule("guided"):
        output = forward(values * 1.0)
    assert told in str(rule_coverage(output))


@each_case(
    "forward",
    [
        lambda x: x.amax((2, 3)),
        lambda x: x.flatten(2).max(-1).values,
        lambda x: torch.cat([x, x], 1).amax((-1, -2)),
        lambda x: F.max_pool2d(torch.cat([x, x], 1), 2),
        lambda x: F.normalize(x),
        lambda x: F.local_response_norm(x, 3),
        lambda x: F.lp_pool2d(x, 2, 2),
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
        lambda x: x / (x.var(1, keepdim=True) + 1e-5).sqrt(),
        lambda x: x * x.pow(2).mean(1, keepdim=True).add(1e-5).rsqrt(),
        lambda x: x * torch.ones_like(x).cumsum(2),
        lambda x: x.permute(0, 2, 3, 1).amax((1, 2)),
        lambda x: x.view(1, 4, 3, 2, 3, 2).transpose(3, 4).flatten(4).amax(-1),
        lambda x: x * x.mean().amax(0) + x.mean().sort().values,
        lambda x: x / x.norm(dim=1, keepdim=True).clamp(min=1e-12),
        lambda x: F.pixel_shuffle(F.interpolate(F.pad(x, (1, 1))[..., ::2], scale_factor=2), 2),
    ],
)
def test_pooling_normalisation_and_layout_are_no_activation_functions(
    forward: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    with backward_rule("guided"):
        output = forward(torch.ones(1, 4, 6, 6, requires_grad=True) * 1.0)
    assert rule_coverage(output).activations == 0


@each_case(
    "forward, told",
    [
        (lambda x: x.view(1, 2, 2, 6, 6).amax(2), "1 choice among"),
        (lambda x: x.permute(0, 2, 3, 1).unflatten(-1, (2, 2)).amax(-1), "1 choice among"),
        (lambda x: x.transpose(1, 3).amax(3), "1 choice among"),
        (lambda x: x[:, None].expand(1, 2, 4, 6, 6).amax(2), "1 choice among"),
        *(
            # The oldest torch has no derivative of it, and nothing to choose for.
            [(lambda x: x - torch.aminmax(x).min, "1 choice among")]
            if "Aminmax"
            in type(torch.aminmax(torch.ones(2, requires_grad=True)).min.grad_fn).__name__
            else []
        ),
        (lambda x: x.clamp(min=-1), "1 clamp"),
    ],
)
def test_a_choice_among_channels_is_one_however_the_map_is_viewed(
    forward: Callable[[torch.Tensor], torch.Tensor], told: str
) -> None:
    with backward_rule("guided"):
        output = forward(torch.ones(1, 4, 6, 6, requires_grad=True) * 1.0)
    assert told in str(rule_coverage(output))


@each_case(
    "write",
    [
        lambda buffer, x: buffer.copy_(x.detach() > 0),
        lambda buffer, x: buffer.mul_(0.9).add_(x.detach()),
        lambda buffer, x: torch.gt(x.detach(), 0, out=buffer),
        lambda buffer, x: buffer.gt_(0),
        lambda buffer, x: buffer.__setitem__(0, x.detach()[0].floor()),
    ],
)
def test_no_mark_stays_on_a_buffer_that_the_network_writes_to(
    write: Callable[[torch.Tensor, torch.Tensor], None],
) -> None:
    buffer, values = torch.zeros(3), torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    for _ in range(2):
        with backward_rule("guided"):
            write(buffer, values * 1.0)
        assert not vars(buffer)
