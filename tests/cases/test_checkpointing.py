"""Networks that compute parts again in the backward pass answer as those that do not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import cnnviz
from cnnviz.results.result import Result
from tests.helpers.state import state


class Blocks(nn.Module):
    """Two blocks with batch norm and dropout, checkpointed in one of several forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.form = form
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        if self.form == "sequence":
            whole = nn.Sequential(*self.first, *self.second)
            x = checkpoint_sequential(whole, 2, x, use_reentrant=False)
        elif self.form == "nested":
            x = checkpoint(self._nested, x, use_reentrant=False)
        elif self.form == "own":
            x = Again.apply(self.second, self.first(x), *self.second.parameters())
        else:
            for block in (self.first, self.second):
                x = self._through(block, x)
        return self.head(x.mean((2, 3)))

    def _through(self, block: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if self.form == "plain":
            return block(x)
        return checkpoint(block, x, use_reentrant=self.form == "reentrant")

    def _nested(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(checkpoint(self.first, x, use_reentrant=False))


class Again(torch.autograd.Function):
    """A checkpoint that somebody wrote themselves."""

    @staticmethod
    def forward(ctx: Any, block: nn.Module, x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        ctx.block = block
        ctx.save_for_backward(x)
        return block(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            output = ctx.block(x)
        (found,) = torch.autograd.grad(output, x, gradients[0])
        return None, found, *(None for _ in ctx.block.parameters())


IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
VIEWS: dict[str, Callable[[nn.Module], Result]] = {
    "cam": lambda net: cnnviz.cam(cnnviz.capture(net, IMAGES, layers="stages", target=1)),
    "saliency": lambda net: cnnviz.attribute(net, IMAGES, "saliency", target=1),
    "guided": lambda net: cnnviz.attribute(net, IMAGES, "guided_backprop", target=1),
    "receptive_field": lambda net: cnnviz.receptive_field(net, IMAGES, "second.1", draws=2),
    "deconvnet": lambda net: cnnviz.deconvnet(net, IMAGES, "second.1", top=2),
    "top_activations": lambda net: cnnviz.top_activations(net, IMAGES, "second.0", top=2),
    "gradient_flow": lambda net: cnnviz.gradient_flow(net, IMAGES),
}


def same(one: Result, two: Result) -> None:
    first, second = one.arrays(), two.arrays()
    assert first.keys() == second.keys()
    for name, values in first.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, second[name], rtol=1e-5, atol=1e-7, err_msg=name)


@cache
def without(view: str, training: bool) -> Any:
    return VIEWS[view](Blocks("plain").train(training))


FORMS = ("reentrant", "not reentrant", "sequence", "nested")
# Each view of each form, and each view and each form in training and not.
PAIRS = [
    (view, form, (place + each) % 2 == 0)
    for place, view in enumerate(VIEWS)
    for each, form in enumerate(FORMS)
]


@pytest.mark.parametrize(("view", "form", "training"), PAIRS)
def test_a_checkpointed_network_answers_as_without(view: str, form: str, training: bool) -> None:
    network = Blocks(form).train(training)
    before = state(network)
    same(VIEWS[view](network), without(view, training))
    assert state(network) == before


@pytest.mark.parametrize("view", ["cam", "saliency", "receptive_field", "deconvnet"])
def test_a_checkpoint_of_ones_own_is_told_from_a_second_call(view: str) -> None:
    network, plain = Blocks("own").train(), Blocks("plain").train()
    network.second[1] = nn.ReLU()
    before = state(network)
    if view == "cam":
        # Inside it no graph reaches from a layer to the answer; around it, one does.
        held = cnnviz.capture(network, IMAGES, layers="first,second.0", target=1)
        right = cnnviz.capture(plain, IMAGES, layers="first", target=1)
        torch.testing.assert_close(held.gradients["first"], right.gradients["first"])
        assert list(held.activations) == ["first", "second.0"], "each was called once"
    elif view == "saliency":
        same(VIEWS[view](network), VIEWS[view](plain))
    else:
        run = {
            "receptive_field": lambda net: cnnviz.receptive_field(net, IMAGES, "first", draws=2),
            "deconvnet": lambda net: cnnviz.deconvnet(net, IMAGES, "first.0", top=2),
        }[view]
        same(run(network), run(plain))
    assert state(network) == before


def test_another_thread_checkpoints_as_before() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from cnnviz.introspection.recomputation import without_checkpoints

    counted: list[int] = []

    def block(x: torch.Tensor) -> torch.Tensor:
        counted.append(1)
        return x.sin()

    def runs() -> int:
        counted.clear()
        x = torch.ones(2, requires_grad=True)
        checkpoint(block, x, use_reentrant=False).sum().backward()
        return len(counted)

    with without_checkpoints():
        assert runs() == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(runs).result() == 2
    assert runs() == 2


def test_a_densenet_that_saves_memory() -> None:
    torchvision = pytest.importorskip("torchvision")
    nets = []
    for saves in (True, False):
        torch.manual_seed(0)
        nets.append(
            torchvision.models.DenseNet(4, (2, 2), 8, num_classes=5, memory_efficient=saves).train()
        )
    images = torch.rand(1, 3, 32, 32)
    for ask in (
        lambda net: cnnviz.cam(cnnviz.capture(net, images, layers="stages", target=1)),
        lambda net: cnnviz.deconvnet(net, images, "features.denseblock1.denselayer2.conv2", top=1),
        lambda net: cnnviz.receptive_field(net, images, "features.denseblock2", draws=1),
    ):
        same(*(ask(net) for net in nets))
