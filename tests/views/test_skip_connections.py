"""The view of skip connections: norms of real gradients, and a sentence where there are none."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import cnnviz
from cnnviz.views.skip_connections import skip_connections
from tests.helpers.architectures import feed, lasting_network, shallow, small_input
from tests.helpers.state import state


def noise(count: int, side: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """Return a small residual network whose batch norms have seen data, in double precision."""
    return feed(copy.deepcopy(cnnviz.load("resnet-8").module).double(), noise(8).double())


def block_gradients(module: nn.Module, x: torch.Tensor, name: str, target: int):
    """Return the gradients at a block's input and before its last activation, by plain hooks."""
    held = {}
    block = module.get_submodule(name)

    def keep(_, inputs, output):
        held["x"], held["out"] = inputs[0], output

    handle = block.register_forward_hook(keep)
    leaf = x.clone().requires_grad_()
    scores = module(leaf)[:, target].sum()
    handle.remove()
    at_x, at_out = torch.autograd.grad(scores, [held["x"], held["out"]])
    # The last activation is a ReLU: it lets through where its output is positive.
    return at_x, at_out * (held["out"] > 0.0)


@pytest.mark.parametrize("name", ["stages.0.0", "stages.1.0", "stages.2.0"])
def test_norms_are_those_of_gradients_taken_with_plain_hooks(trained, name: str) -> None:
    x = noise(3).double()
    found = skip_connections(trained, x, target=4)
    place = found.blocks.index(name)
    at_x, at_sum = block_gradients(trained, x, name, 4)
    np.testing.assert_allclose(found.whole[place], at_x.flatten(1).norm(dim=1), rtol=1e-9)
    np.testing.assert_allclose(found.at_sum[place], at_sum.flatten(1).norm(dim=1), rtol=1e-9)
    if found.kinds[place] == "identity":
        np.testing.assert_array_equal(found.skip[place], found.at_sum[place])
        branch = (at_x - at_sum).flatten(1)
        np.testing.assert_allclose(found.branch[place], branch.norm(dim=1), rtol=1e-9)
        cosine = torch.cosine_similarity(branch, at_sum.flatten(1))
        np.testing.assert_allclose(found.cosines[place], cosine, rtol=1e-7)
    assert found.elsewhere.max() < 1e-12 * found.whole.max()


def test_the_law_of_cosines_joins_the_norms(trained) -> None:
    found = skip_connections(trained, noise(3).double())
    squared = found.skip**2 + found.branch**2 + 2.0 * found.skip * found.branch * found.cosines
    np.testing.assert_allclose(np.sqrt(squared), found.whole, rtol=1e-9)


@pytest.mark.parametrize(("name", "blocks"), [("resnet18", 8), ("resnet50", 8)])
def test_known_networks(name: str, blocks: int) -> None:
    found = skip_connections(shallow(name), small_input(name))
    assert len(found.blocks) == blocks
    assert found.blocks[0] == "layer1.0"
    assert bool((found.branch > 0.0).all())
    assert found.elsewhere.max() < 1e-5 * found.whole.max()


def test_images_are_measured_each_by_itself(trained) -> None:
    x = noise(3).double()
    together = skip_connections(trained, x)
    alone = [skip_connections(trained, one[None]) for one in x]
    assert together.targets == tuple(one.targets[0] for one in alone)
    np.testing.assert_allclose(together.skip, np.concatenate([a.skip for a in alone], 1), rtol=1e-9)
    squares = np.square(np.concatenate([one.whole for one in alone], axis=1))
    np.testing.assert_allclose(together.typical("whole"), np.sqrt(squares.mean(1)), rtol=1e-9)


def test_more_images_than_go_through_together_give_the_same(trained, monkeypatch) -> None:
    x = noise(5).double()
    whole = skip_connections(trained, x, target=[0, 1, 2, 3, 4])
    module = "cnnviz.views.skip_connections"
    monkeypatch.setattr(f"{module}.rows_that_fit", lambda model, inputs: 2)
    parts = skip_connections(trained, x, target=[0, 1, 2, 3, 4])
    np.testing.assert_allclose(parts.branch, whole.branch, rtol=1e-9)
    assert parts.targets == whole.targets


def test_networks_without_additions_are_told_so_in_a_sentence() -> None:
    found = skip_connections(lasting_network(), noise(1, 16))
    assert found.blocks == ()
    assert found.skip.shape == (0, 1)
    sentence = "Sequential has no residual addition at all: its gradient has one path back only"
    assert found.summary() == sentence
    assert sentence in found.caption()
    (text,) = found.figure().axes[0].texts
    assert text.get_text() == f"{sentence}."


def test_a_long_sentence_is_told_in_lines_that_fit_the_picture() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.one(x), self.other(x)], 1).mean((2, 3))

    found = skip_connections(Branches().eval(), noise(1))
    figure = found.figure()
    (text,) = figure.axes[0].texts
    assert len(text.get_text().splitlines()) == 2
    assert " ".join(text.get_text().split()) == f"{found.summary()}."
    figure.canvas.draw()
    assert text.get_window_extent().x1 <= figure.bbox.x1


def test_batch_norms_that_never_saw_data_are_fed_beside_the_network() -> None:
    module = cnnviz.load("resnet-8").module
    before = state(module)
    found = skip_connections(module, noise(4))
    assert state(module) == before
    assert "7 batch norms had seen no data" in found.caption()
    again = skip_connections(feed(copy.deepcopy(module), noise(4)), noise(4))
    # Torch stores an estimate of the variance, n / (n - 1) as large.
    np.testing.assert_allclose(again.skip, found.skip, rtol=0.02)
    assert again.notes == ()


def test_the_last_block_can_be_out_of_reach() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = cnnviz.load("resnet-8").module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.body(x)
            return x.mean((2, 3))

    found = skip_connections(Early().eval(), noise(1))
    assert found.blocks == ()
    assert "Left out: 3 blocks on which the score does not depend." in found.caption()
    assert "no residual addition that the score depends on" in found.summary()


def test_the_picture_draws_the_norms_and_rings_the_skips_that_change_shape(trained) -> None:
    found = skip_connections(trained, noise(2).double())
    norms, shares, cosines = found.figure().axes
    labels = {line.get_label(): line.get_ydata() for line in norms.lines}
    np.testing.assert_allclose(labels["through the skip, dL/dG"], found.typical("skip"))
    np.testing.assert_allclose(labels["through the branch, dL/dG dF/dx"], found.typical("branch"))
    (rings,) = [line for line in norms.lines if line.get_markerfacecolor() == "none"]
    assert list(rings.get_xdata()) == [1, 2]
    told = {text.get_text() for text in norms.get_legend().get_texts()}
    assert "the skip changes the shape" in told
    heights = [bar.get_height() for bar in shares.patches[:3]]
    np.testing.assert_allclose(heights, 100.0 * found.skip_share)
    np.testing.assert_allclose(cosines.lines[-1].get_ydata(), found.cosines.mean(1))
    assert "Rings: the skip changes the shape" in found.caption()
    column = found.figure(figure=Figure((4.0, 4.0)))  # where a legend would lie on the curves
    assert column.axes[0].get_legend() is None
    assert {text.get_text() for text in column.legends[0].get_texts()} == told


def test_a_surrounding_inference_mode_does_not_reach_in(trained) -> None:
    x = noise(1).double()
    with torch.inference_mode():
        inside = skip_connections(trained, x)
    np.testing.assert_array_equal(inside.skip, skip_connections(trained, x).skip)


def test_a_branch_of_zeros_has_no_cosine_and_no_share() -> None:
    module = cnnviz.load("resnet-8:zero-gamma").module
    found = skip_connections(module, noise(4))
    assert bool((found.branch == 0.0).all())
    np.testing.assert_array_equal(found.skip_share, 1.0)
    assert bool(np.isnan(found.cosines).all())
    found.figure().draw_without_rendering()
