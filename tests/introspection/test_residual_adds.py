"""Residual additions, found in the graph; their gradients against networks cut by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnviz
from cnnviz.introspection.hooks import preserve_state
from cnnviz.introspection.residual_adds import additions, residual, shares
from tests.helpers.architectures import small_input, thin
from tests.helpers.state import state


class Block(nn.Module):
    """G = S(x) + F(x), in one of the ways in which it can be written."""

    def __init__(self, form: str = "plus", *, project: bool = False) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 3, 3, padding=1)
        )
        self.project = nn.Conv2d(3, 3, 1) if project else nn.Identity()
        self.form = form

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.sin(x)
        return F.relu(self.add(self.project(x), self.branch(x))).square()

    def add(self, s: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
        if self.form == "in place":
            f += s
            return f
        return {
            "plus": lambda: s + f,
            "turned": lambda: f + s,
            "function": lambda: torch.add(s, f),
            "method": lambda: f.add(s),
            "method in place": lambda: f.add_(s),
            "keywords": lambda: torch.add(input=f, other=s),
            "scaled": lambda: torch.add(s, f, alpha=0.5),
        }[self.form]()


FORMS = (
    *("plus", "turned", "in place", "function"),
    *("method", "method in place", "keywords", "scaled"),
)


def network(*blocks: nn.Module) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        found = nn.Sequential(nn.Conv2d(3, 3, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        for parameter in found.parameters():
            nn.init.normal_(parameter, std=0.4)
    return found.double().eval()


def images(count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64)


def measured(module: nn.Module, x: torch.Tensor):
    """Return the residuals of a network and their shares, for the sum of all outputs."""
    with preserve_state(module):
        leaf = x.clone().requires_grad_()
        with additions(module) as seen:
            scores = module(leaf.clone()).sum(1)
        found = [one for each in seen.found if (one := residual(each)) is not None]
        return found, shares(scores, found)


def at_fork(module: nn.Sequential, x: torch.Tensor, cut: str) -> torch.Tensor:
    """Return the gradient at the block's own x with one way cut, by autograd from a leaf there."""
    block = module[1]
    with torch.no_grad():
        before = module[0](x)
    leaf = torch.sin(before).requires_grad_()
    f = block.branch(leaf.detach() if cut == "branch" else leaf)
    s = block.project(leaf.detach() if cut == "skip" else leaf)
    total = block.add(s, f)
    scores = module[3](module[2](F.relu(total).square())).sum()
    return torch.autograd.grad(scores, leaf)[0]


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_each_way_carries_what_is_left_when_the_other_is_cut(form: str, project: bool) -> None:
    torch.manual_seed(0)
    module, x = network(Block(form, project=project)), images()
    before = state(module)
    (found,), (parts,) = measured(module, x)
    assert state(module) == before
    assert found.name == "1"
    assert found.kind == ("projection" if project else "identity")
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(parts.skip, at_fork(module, x, "branch"), **close)
    torch.testing.assert_close(parts.branch, at_fork(module, x, "skip"), **close)
    torch.testing.assert_close(parts.skip + parts.branch, parts.whole, **close)
    if not project:
        torch.testing.assert_close(parts.skip, parts.at_sum, **close)


@pytest.mark.parametrize(
    ("name", "blocks", "projections"),
    [("resnet18", 8, 3), ("resnet50", 16, 4), ("mobilenet_v2", 10, 0), ("vgg16", 0, 0)],
)
def test_known_networks_have_their_blocks_and_the_ways_add_up(
    name: str, blocks: int, projections: int
) -> None:
    model, x = thin(name), small_input(name)
    found, parts = measured(model.module, x)
    assert len(found) == blocks
    assert sum(one.kind == "projection" for one in found) == projections
    for one, each in zip(found, parts, strict=True):
        scale = float(each.whole.abs().max())
        assert float((each.skip + each.branch - each.whole).abs().max()) <= 1e-5 * scale
        if one.kind == "identity":
            assert torch.equal(each.skip, each.at_sum)
        assert float(each.branch.abs().max()) > 0.0


def test_the_small_family_has_its_blocks_and_plain_ones_have_none() -> None:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found, parts = measured(cnnviz.load("resnet-8").module, x)
    assert [one.name for one in found] == ["stages.0.0", "stages.1.0", "stages.2.0"]
    for each in parts:
        torch.testing.assert_close(each.skip + each.branch, each.whole)
    assert measured(cnnviz.load("plain-8").module, x) == ([], [])


class Arithmetic(nn.Module):
    """Additions that are no residuals, and one long skip over all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 1, 1).double())
        self.conv = nn.Conv2d(3, 3, 1).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y = y + 1.0
        y = y + self.weight
        y = y + torch.ones_like(y)
        y = y + y.mean((2, 3), keepdim=True)
        y = y + 0.04 * y**3
        y = y + y
        return torch.add(y, x)


def test_plain_arithmetic_is_no_residual() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(Arithmetic(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found, parts = measured(module, images())
    assert [one.name for one in found] == ["0 (4)"]
    assert found[0].kind == "identity"
    torch.testing.assert_close(parts[0].skip + parts[0].branch, parts[0].whole)


class Shared(nn.Module):
    """One module with two blocks, called twice, and a fork that is read once more at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Conv2d(3, 3, 3, padding=1)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tanh(self.block(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.sin(x)
        y = self.step(self.step(x))
        return (y * x).mean((2, 3))


def test_a_fork_that_is_read_elsewhere_has_more_than_the_two_ways() -> None:
    torch.manual_seed(0)
    module = Shared().double().eval()
    found, (first, second) = measured(module, images())
    assert [one.name for one in found] == ["(network)", "(network) (2)"]
    torch.testing.assert_close(second.skip + second.branch, second.whole)
    assert float((first.skip + first.branch - first.whole).abs().max()) > 1e-3


def test_the_input_itself_can_be_the_fork() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + self.conv(x)).square().mean((2, 3))

    torch.manual_seed(0)
    module, x = Outer().double().eval(), images()
    (_,), (parts,) = measured(module, x)
    leaf = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(module(leaf).sum(), leaf)
    torch.testing.assert_close(parts.skip + parts.branch, wanted)


def test_scores_that_do_not_depend_on_a_block_have_no_shares_of_it() -> None:
    module, x = network(Block(), Block()), images()
    with preserve_state(module):
        leaf = x.clone().requires_grad_()
        with additions(module) as seen:
            middle = module[1](module[0](leaf))
            module[2](middle)
        found = [one for each in seen.found if (one := residual(each)) is not None]
        first, second = shares(middle.sum((1, 2, 3)), found)
    assert first is not None
    assert second is None
