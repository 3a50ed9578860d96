"""The verdict on networks whose ways join in any form, against the gradient by autograd by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import cnnviz
from cnnviz.views.gradient_flow import FAULTS, GradientFlow
from cnnviz_cli.app import main
from tests.helpers.undrawn import undrawn

DEPTH = 7

Pair = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def tower(depth: int = DEPTH, channels: int = 3) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(depth):
        layers += [nn.Conv2d(8 if place else channels, 8, 3, padding=1), nn.Sigmoid()]
    return nn.Sequential(*layers)


def pool(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean((2, 3))


class Net(nn.Module):
    """What `way` computes from its modules and the images, and a linear layer upon it."""

    def __init__(self, way: Callable[[Net, torch.Tensor], torch.Tensor], **parts: nn.Module):
        super().__init__()
        self.way = way
        self.fc = nn.Linear(8, 4)
        for name, part in parts.items():
            setattr(self, name, part)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.parameters():
                spread = 1.0 / max(weight[0].numel(), 1) ** 0.5
                weight.uniform_(-spread, spread, generator=generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.way(self, x))


def images(channels: int = 3) -> torch.Tensor:
    return torch.randn(4, channels, 12, 12, generator=torch.Generator().manual_seed(1))


def flow(net: nn.Module, x: torch.Tensor, **options: object) -> GradientFlow:
    zeros, ones = (0.0,) * x.shape[1], (1.0,) * x.shape[1]
    plain = cnnviz.Preprocessing(None, None, zeros, ones)
    model = cnnviz.Model(net.eval(), preprocessing=plain)
    return cnnviz.gradient_flow(model, x, remedies=False, objective=odd, **options)


def odd(output: torch.Tensor) -> torch.Tensor:
    """Send back other weights for each logit, so that none cancels another."""
    return output @ torch.tensor([1.0, -2.0, 3.0, 5.0])


def by_hand(net: nn.Module, x: torch.Tensor, first: nn.Module, last: nn.Module) -> float:
    """Return the decades between the outputs of two layers, in their first and last calls."""
    outputs: dict[nn.Module, list[torch.Tensor]] = {first: [], last: []}
    handles = [
        layer.register_forward_hook(lambda m, _, out: outputs[m].append(out)) for layer in outputs
    ]
    score = odd(net.eval()(x)).sum()
    for handle in handles:
        handle.remove()
    ends = (outputs[first][0], outputs[last][0 if first is not last else -1])
    norms = [one.double().norm() for one in torch.autograd.grad(score, ends)]
    return math.log10(norms[0] / norms[1])


JOINS: dict[str, Pair] = {
    "a + b": lambda a, b: pool(a + b),
    "a - b": lambda a, b: pool(a - b),
    "|a - 2b|": lambda a, b: (pool(a) - 2 * pool(b)).abs(),
    "a * b": lambda a, b: pool(a * b),
    "maximum": lambda a, b: pool(torch.maximum(a, b)),
    "cat": lambda a, b: pool(torch.cat([a, b], 1))[:, :8],
    "stack.amax": lambda a, b: pool(torch.stack([a, b]).amax(0)),
    "(a - 2b)**2": lambda a, b: (pool(a) - 2 * pool(b)) ** 2,
    "a / (b + 1)": lambda a, b: pool(a / (b + 1)),
    "einsum": lambda a, b: torch.einsum("bchw,bchw->bc", a, b) / 144,
    "bmm": lambda a, b: pool(torch.bmm(a.flatten(0, 1), b.flatten(0, 1)).view_as(a)),
    "lerp": lambda a, b: pool(torch.lerp(a, b, 0.5)),
    "addcmul": lambda a, b: pool(torch.addcmul(a, a, b)),
    "where": lambda a, b: pool(torch.where(a > b, a, b)),
    "logaddexp": lambda a, b: pool(torch.logaddexp(a, b)),
    "outer sum": lambda a, b: pool(a) + b.mean((2, 3), keepdim=True).sum((2, 3)),
    "written halves": lambda a, b: pool(_written(a, b)),
    "cdist": lambda a, b: torch.cdist(pool(a)[..., None], pool(b)[..., None]).mean(2),
    "softmax product": lambda a, b: (
        (_tokens(a) @ _tokens(b).mT).softmax(2).matmul(_tokens(b))[:, 0]
    ),
    "attention": lambda a, b: F.scaled_dot_product_attention(_tokens(a), *[_tokens(b)] * 2)[:, 0],
    "vmap": lambda a, b: torch.vmap(torch.mul)(pool(a), pool(b)),
}


def _tokens(maps: torch.Tensor) -> torch.Tensor:
    return maps.flatten(2).transpose(1, 2)


def _written(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    found = torch.zeros_like(a)
    found[:, :, :6] = a[:, :, :6]
    found[:, :, 6:] = b[:, :, 6:]
    return found


# How one encoder is called twice does not hang on what joins its answers: a few of each kind.
TOWERS = [*((join, False) for join in JOINS), *((join, True) for join in [*JOINS][::7])]


@pytest.mark.parametrize(("join", "shared"), TOWERS)
def test_towers_that_vanish_are_told_whatever_joins_them(join: str, shared: bool) -> None:
    def way(net: Net, x: torch.Tensor) -> torch.Tensor:
        other = net.enc if shared else net.enc2
        return JOINS[join](net.enc(x[:, :3]), other(x[:, 3:]))

    parts = {"enc": tower()} if shared else {"enc": tower(), "enc2": tower()}
    net, x = Net(way, **parts), images(6)
    found = flow(net, x)
    call = "#0" if shared else ""  # The one encoder is called twice.
    assert found.points[found.verdict.first] == f"enc.0{call}"
    assert found.points[found.verdict.reference] == f"enc.{2 * DEPTH - 2}{call}"
    last = net.enc[2 * DEPTH - 2]
    assert found.decades == pytest.approx(by_hand(net, x, net.enc[0], last), abs=1e-3)
    assert found.faults[0] == "vanishing"
    assert found.verdict.hidden == DEPTH


class _Product(torch.autograd.Function):
    """A convolution with a backward of its own."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=1)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return (
            nn.grad.conv2d_input(x.shape, weight, gradient, padding=1),
            nn.grad.conv2d_weight(x, weight.shape, gradient, padding=1),
        )


class _Convolution(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _Product.apply(x, self.weight)


class _Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.sigmoid() * (1 + x * (1 - x.sigmoid()))


class _Mixing(nn.Module):
    """A 1 x 1 convolution by einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bchw,dc->bdhw", x, self.weight)


class _Times(_Mixing):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (_tokens(x) @ self.weight.t()).mT.view_as(x)


def chain(layer: Callable[[], nn.Module]) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Conv2d(3, 8, 1)]
    for _ in range(DEPTH - 1):
        parts += [nn.Sigmoid(), layer()]
    return nn.Sequential(*parts)


@pytest.mark.parametrize(
    "layer", [_Mixing, _Times, lambda: _Convolution(8, 8, 3)], ids=["einsum", "matmul", "custom"]
)
def test_layers_that_are_no_modules_of_torch_are_layers(layer: Callable[[], nn.Module]) -> None:
    net, x = Net(lambda net, x: pool(net.c(x)), c=chain(layer)), images()
    found = flow(net, x)
    assert found.verdict.hidden == DEPTH
    assert found.points[found.verdict.reference] == f"c.{2 * DEPTH - 2}"
    assert found.decades == pytest.approx(by_hand(net, x, net.c[0], net.c[-1]), abs=1e-3)
    assert "vanishing" in found.faults


def gated(net: Net, x: torch.Tensor) -> torch.Tensor:
    return pool(net.a(x) * net.b(x).sigmoid())


def chosen(net: Net, x: torch.Tensor) -> torch.Tensor:
    first, second = pool(net.a(x)), pool(net.b(x))
    return torch.where((pool(x).sum(1) > 0)[:, None], first, second)


def scattered(net: Net, x: torch.Tensor) -> torch.Tensor:
    maps = net.a(x)
    index = torch.arange(11, -1, -1).expand_as(maps)
    return pool(torch.zeros_like(maps).scatter(3, index, maps).gather(3, index))


def half_detached(net: Net, x: torch.Tensor) -> torch.Tensor:
    return pool(net.a(x) + net.b(x).detach())


@pytest.mark.parametrize(
    "way",
    [
        gated,
        chosen,
        scattered,
        half_detached,
        lambda net, x: pool(net.a(x) * x.mean(1, keepdim=True)),
        lambda net, x: pool(_Swish.apply(net.a(x))),
        lambda net, x: pool(checkpoint(net.a, x, use_reentrant=False)),
        lambda net, x: pool(torch.fft.irfft2(torch.fft.rfft2(net.a(x)), s=(12, 12))),
        lambda net, x: pool(torch.stack([net.a(x), net.b(x)]).cummax(0)[0][1]),
    ],
)
def test_the_way_is_the_deepest_whatever_leads_around_it(way: Callable) -> None:
    net, x = Net(way, a=tower(), b=tower(3)), images()
    found = flow(net, x)
    last = net.a[2 * DEPTH - 2]
    assert found.decades == pytest.approx(by_hand(net, x, net.a[0], last), abs=1e-3)
    assert found.verdict.side == "vanishing"
    used = {point for point, kind in zip(found.points, found.kinds, strict=True) if kind == "conv"}
    told = " ".join(found.provenance.notes)
    assert ("No gradient arrives at b.0, b.2 and b.4:" in told) == (way is half_detached)
    assert {"a.0", "a.2"} <= used


class _Recurrent(nn.Module):
    def __init__(self, layers: int, last: bool) -> None:
        super().__init__()
        self.r = nn.GRU(8, 8, layers, batch_first=True)
        self.last = last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs, states = self.r(_tokens(x))
        return states[-1] if self.last else outputs.mean(1)


@pytest.mark.parametrize("last", [False, True], ids=["all outputs", "the last state"])
@pytest.mark.parametrize("layers", [1, 3])
def test_each_layer_of_a_recurrent_stack_is_looked_at(layers: int, last: bool) -> None:
    """Against the same stack as modules of one layer each."""
    net = Net(
        lambda net, x: net.r(net.stem(x)), stem=nn.Conv2d(3, 8, 3), r=_Recurrent(layers, last)
    )
    x = images()[..., :5, :5]  # of 9 steps, each of which is a call of every layer
    found = flow(net, x)
    assert found.verdict.hidden == layers + 1
    singles = [nn.GRU(8, 8, batch_first=True) for _ in range(layers)]
    for place, single in enumerate(singles):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(single, f"{name}_l0").data = getattr(net.r.r, f"{name}_l{place}").data
    stem = net.stem(x)
    outputs, states = _tokens(stem), stem
    for single in singles:
        outputs, states = single(outputs)
        ends = states if last else outputs
    score = odd(net.fc(states[-1] if last else outputs.mean(1))).sum()
    norms = [one.double().norm() for one in torch.autograd.grad(score, (stem, ends))]
    assert found.decades == pytest.approx(math.log10(norms[0] / norms[1]), abs=1e-3)


def test_weights_used_over_and_over_are_a_layer_each_time() -> None:
    def way(net: Net, x: torch.Tensor) -> torch.Tensor:
        maps = net.stem(x)
        for _ in range(DEPTH):
            maps = net.c(maps).sigmoid()
        return pool(maps)

    net = Net(way, stem=nn.Conv2d(3, 8, 1), c=nn.Conv2d(8, 8, 3, padding=1))
    found = flow(net, images())
    assert found.verdict.hidden == DEPTH + 1
    assert found.points[found.verdict.reference] == f"c#{DEPTH - 1}"
    assert found.verdict.side == "vanishing"


def no_grad(net: Net, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        maps = net.c(x).relu()
    return pool(net.d(maps).relu())


@pytest.mark.parametrize(
    "way",
    [
        no_grad,
        lambda net, x: pool(net.d(net.c(x).relu().detach()).relu()),
        lambda net, x: pool(net.d(net.c(x).data.relu()).relu()),
        lambda net, x: pool(net.d((net.c(x) > 0).float()).relu()),
    ],
)
def test_a_layer_that_no_gradient_can_reach_is_named(way: Callable) -> None:
    parts = {"c": nn.Conv2d(3, 8, 3), "d": nn.Conv2d(8, 8, 3)}
    found = flow(Net(way, **parts), images(), fail_on="vanishing")
    assert found.verdict.label == "blocked"
    assert "No gradient arrives at c:" in found.summary()
    assert found.failed == ("vanishing",)
    assert not found.unanswered


def test_a_layer_that_nothing_uses_is_no_fault() -> None:
    def way(net: Net, x: torch.Tensor) -> torch.Tensor:
        maps = net.c(x).relu()
        net.side(maps)
        return pool(net.d(maps).relu())

    parts = {"c": nn.Conv2d(3, 8, 3), "side": nn.Conv2d(8, 8, 3), "d": nn.Conv2d(8, 8, 3)}
    found = flow(Net(way, **parts), images())
    assert found.verdict.side == "none"
    assert found.verdict.cut == ()


class _Whole(torch.autograd.Function):
    """Several layers in one function, whose gradient between them nobody sees."""

    @staticmethod
    def forward(ctx, x, *weights):
        with torch.enable_grad():
            ctx.start = x.detach().requires_grad_()
            ctx.end, ctx.weights = ctx.start, weights
            for weight in weights:
                ctx.end = F.conv2d(ctx.end, weight, padding=1).sigmoid()
        return ctx.end.detach()

    @staticmethod
    def backward(ctx, gradient):
        return torch.autograd.grad(ctx.end, (ctx.start, *ctx.weights), gradient)


def unseen(net: Net, x: torch.Tensor) -> torch.Tensor:
    return pool(_Whole.apply(x, *(layer.weight for layer in net.a if hasattr(layer, "weight"))))


def rounded_trip(net: Net, x: torch.Tensor) -> torch.Tensor:
    return pool(torch.from_numpy(net.a(x).detach().numpy()))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize(
    ("way", "named"),
    [
        (unseen, "inside _Whole"),
        (rounded_trip, "the way from the image to the output"),
    ],
)
def test_what_cannot_be_followed_is_not_measured(way: Callable, named: str) -> None:
    found = flow(Net(way, a=tower()), images(), fail_on=list(FAULTS))
    assert found.verdict.label == "not measured"
    assert math.isnan(found.decades)
    assert named in found.summary()
    assert "healthy" not in str(found)
    assert (found.failed, found.unanswered) == ((), True)


def test_one_hidden_layer_is_said_where_there_is_one() -> None:
    one = Net(lambda net, x: pool(net.c(x).relu()), c=nn.Conv2d(3, 8, 3))
    assert "It has one hidden layer" in flow(one, images()).summary()
    none = Net(lambda net, x: pool(x).repeat(1, 3)[:, :8])
    assert "It has no hidden layer" in flow(none, images()).summary()


def test_the_arithmetic_of_one_layer_joins_nothing() -> None:
    """Swish, a norm and a gated unit, written out, add no points of their own."""

    def way(net: Net, x: torch.Tensor) -> torch.Tensor:
        maps = net.c(x)
        maps = maps * maps.sigmoid()
        maps = (maps - maps.mean((2, 3), keepdim=True)) / (1 + maps.square()).sqrt()
        first, second = maps.chunk(2, 1)
        return pool(net.d(first * second.tanh()))

    net = Net(way, c=nn.Conv2d(3, 12, 3), d=nn.Conv2d(6, 8, 3))
    assert flow(net, images()).points == ("c", "d", "fc")


FACTORY = """
import torch
from torch import nn


class Towers(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        layers = [nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.Sigmoid()]
        for _ in range(9):
            layers += [nn.Conv2d(4, 4, 3, padding=1), nn.Sigmoid()]
        self.a, self.fc, self.hidden = nn.Sequential(*layers), nn.Linear(4, 3), hidden

    def forward(self, x):
        if self.hidden:
            return self.fc(torch.from_numpy(self.a(x).detach().numpy()).mean((2, 3)))
        return self.fc((self.a(x) - self.a(x.flip(3))).mean((2, 3)))


def seen():
    return Towers(False)


def unseen():
    return Towers(True)
"""


@pytest.mark.parametrize(("name", "code"), [("seen", 1), ("unseen", 3)])
def test_the_command_tells_a_fault_from_what_it_could_not_measure(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    factory = tmp_path / "towers.py"
    factory.write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "sys.argv",
        [
            "cnnviz",
            "gradient-flow",
            "--model",
            f"{factory}:{name}",
            "--fail-on",
            "vanishing",
            "--no-remedies",
        ],
    )
    with undrawn(), pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == code
    assert ("Not measured" in capsys.readouterr().err) == (code == 3)
