"""Random moves: each picture its own, and each what it says."""

from __future__ import annotations

import pytest
import torch

from cnnviz.units.visualization.transforms import DRAWS, RandomTransforms

STILL = torch.full((1, DRAWS), 0.5)


def picture(side: int = 32) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_draws_in_the_middle_move_nothing() -> None:
    torch.testing.assert_close(RandomTransforms()(picture(), STILL), picture(), atol=1e-5, rtol=0)


def test_a_shift_is_a_shift() -> None:
    moved = RandomTransforms(shift=0.125, scale=0.0, turn=0.0)(
        picture(), torch.tensor([[0.5, 1.0, 0.5, 0.5]])
    )
    torch.testing.assert_close(moved[..., :28], picture()[..., 4:], atol=1e-5, rtol=0)
    # What comes in from outside is a reflection.
    torch.testing.assert_close(moved[..., 28:], picture()[..., 28:].flip(3), atol=1e-5, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    moved = RandomTransforms(shift=0.0, scale=0.0, turn=90.0)(
        picture(), torch.tensor([[0.5, 0.5, 0.5, 1.0]])
    )
    turned = torch.rot90(picture(), 1, (2, 3))
    torch.testing.assert_close(moved, turned, atol=1e-4, rtol=0)


@pytest.mark.parametrize("draw", [0.0, 1.0])
def test_a_scale_is_told_apart_from_its_inverse(draw: float) -> None:
    ramp = torch.linspace(-1, 1, 33).repeat(33, 1)[None, None]
    moved = RandomTransforms(shift=0.0, scale=0.25, turn=0.0)(
        ramp, torch.tensor([[0.5, 0.5, draw, 0.5]])
    )
    slope = float(moved[0, 0, 16, 20] - moved[0, 0, 16, 12]) / float(ramp[0, 0, 0, 8] + 1.0)
    assert slope == pytest.approx(1 / 1.25 if draw == 1.0 else 1.25, abs=1e-4)


def test_a_turn_of_a_wide_picture_does_not_shear_it() -> None:
    wide = torch.zeros(1, 1, 21, 41)
    wide[0, 0, 10, 18:23] = 1.0
    moved = RandomTransforms(shift=0.0, scale=0.0, turn=90.0)(
        wide, torch.tensor([[0.5, 0.5, 0.5, 1.0]])
    )
    torch.testing.assert_close(moved[0, 0, 8:13, 20], torch.ones(5), atol=1e-4, rtol=0)


def test_each_picture_has_its_own_move() -> None:
    draws = torch.rand(4, DRAWS, generator=torch.Generator().manual_seed(1))
    together = RandomTransforms()(picture().expand(4, -1, -1, -1), draws)
    for place in range(4):
        alone = RandomTransforms()(picture(), draws[place : place + 1])
        torch.testing.assert_close(together[place : place + 1], alone)
    assert not torch.equal(together[0], together[1])


def test_a_tile_comes_in_again_at_its_other_end() -> None:
    tile = RandomTransforms(shift=0.125, scale=0.0, turn=0.0, tiled=True)
    moved = tile(picture(), torch.tensor([[1.0, 0.0, 0.5, 0.5]]))
    torch.testing.assert_close(moved, picture().roll((-4, 4), (2, 3)), atol=1e-5, rtol=0)


def test_moves_of_a_tile_are_those_within_a_tiling() -> None:
    draws = torch.rand(2, DRAWS, generator=torch.Generator().manual_seed(2))
    wide = picture()[..., :24].expand(2, -1, -1, -1)
    tiling = wide.repeat(1, 1, 3, 3)
    around = RandomTransforms(shift=0.06 / 3)(tiling, draws)
    middle = around[..., 32:64, 24:48]
    torch.testing.assert_close(RandomTransforms(tiled=True)(wide, draws), middle)


def test_every_pixel_of_a_tile_is_moved_along() -> None:
    tile = picture().requires_grad_()
    draws = torch.rand(1, DRAWS, generator=torch.Generator().manual_seed(3))
    moved = RandomTransforms(scale=0.0, turn=0.0, tiled=True)(tile, draws)
    (gradient,) = torch.autograd.grad(moved.sum(), tile)
    # A shift by any share of a pixel takes each of them once in all.
    torch.testing.assert_close(gradient, torch.ones_like(tile), atol=1e-4, rtol=0)
