"""Trial runs end before a tensor that compares all elements with each other is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.models import Model
from cnnviz.models.size_limit import SizeLimit, TooLargeError
from tests.helpers.each_case import each_case

ROWS = torch.ones(2, 100, 4)
TOO_LARGE: dict[str, Callable[[], torch.Tensor]] = {
    "a product": lambda: ROWS @ ROWS.transpose(1, 2),
    "bmm": lambda: torch.bmm(ROWS, ROWS.transpose(1, 2)),
    "matmul": lambda: ROWS.matmul(ROWS[0].T),
    "baddbmm": lambda: torch.baddbmm(torch.ones(1), ROWS, ROWS.transpose(1, 2)),
    "einsum": lambda: torch.einsum("nic,njc->nij", ROWS, ROWS),
    "einsum of a list": lambda: torch.einsum("nic, njc -> nij", [ROWS, ROWS]),
    "einsum without its result": lambda: torch.einsum("ic,njc", ROWS[0], ROWS),
    "tensordot": lambda: torch.tensordot(ROWS[0], ROWS, dims=([1], [2])),
    "tensordot of the last": lambda: torch.tensordot(ROWS[0], ROWS.mT[0].repeat(1, 2), dims=1),
    "inner": lambda: torch.inner(ROWS[0], ROWS),
    "outer": lambda: torch.outer(torch.ones(100), torch.ones(200)),
    "distances": lambda: torch.cdist(ROWS, ROWS),
    "differences": lambda: ROWS[:, :, None, 0] - ROWS[:, None, :, 0],
    "zeros": lambda: torch.zeros(100, 200),
    "ones of a list": lambda: torch.ones([2, 100, 100], dtype=torch.bool),
    "full": lambda: torch.full((100, 200), -torch.inf),
    "randn by name": lambda: torch.randn(size=(100, 200)),
    "eye": lambda: torch.eye(100, m=200),
    "new_zeros": lambda: ROWS.new_zeros(100, 200),
    "new_full": lambda: ROWS.new_full(size=(100, 200), fill_value=1.0),
    "repeat": lambda: ROWS[:, :, 0].repeat(100, 1),
    "tile": lambda: torch.tile(ROWS[:, :, 0], (100, 1)),
    "repeat_interleave": lambda: ROWS[:, :, 0].repeat_interleave(100, dim=0),
    "where": lambda: torch.where(ROWS[:, :, None, 0] > 0, ROWS[:, None, :, 0], 0.0),
}


@each_case("name", TOO_LARGE)
def test_what_would_be_too_large_is_never_made(name: str) -> None:
    with SizeLimit(20_000):
        assert TOO_LARGE[name]().numel() == 20_000
    with SizeLimit(19_999), pytest.raises(TooLargeError):
        TOO_LARGE[name]()


ATTENTION = nn.MultiheadAttention(4, 2, batch_first=True)
ATTENDING: dict[str, Callable[[torch.Tensor], object]] = {
    "scaled_dot_product_attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "by name": lambda x: F.scaled_dot_product_attention(query=x, key=x, value=x),
    "MultiheadAttention": lambda x: ATTENTION(x[:1], x[:1], x[:1]),
    "without batch": lambda x: ATTENTION(x[0], x[0], x[0]),
    "TransformerEncoderLayer": nn.TransformerEncoderLayer(4, 1, 8, batch_first=True).eval(),
}


@each_case("name", ATTENDING)
def test_the_weights_of_attention_are_counted_where_torch_makes_them_inside(name: str) -> None:
    with SizeLimit(20_000):
        ATTENDING[name](ROWS)
    with SizeLimit(19_999), pytest.raises(TooLargeError):
        ATTENDING[name](ROWS)


def test_what_does_not_fit_is_left_to_the_call_itself() -> None:
    three, four = torch.ones(3), torch.ones(4)
    with SizeLimit(1), pytest.raises(RuntimeError, match="size of tensor"):
        three + four


class Masking(nn.Module):
    """Makes a mask between all positions of a map, which nothing else tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.conv(x).flatten(2)
        mask = torch.zeros(tokens.shape[-1], tokens.shape[-1]).triu(1)
        return self.head(tokens.mean(2) + mask.sum())


class Attending(nn.Module):
    """Attends between all positions of a map as large as the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        # At 224 px this would hold 49,284 x 49,284 numbers, ten gigabytes.
        weights = (tokens @ tokens.transpose(1, 2)).softmax(-1)
        return self.head((weights @ tokens).mean(1))


@pytest.mark.parametrize("network", [Attending, Masking])
def test_a_network_that_would_fill_the_memory_at_the_usual_size_is_tried_at_another(
    network: type[nn.Module],
) -> None:
    preprocessing = Model(network()).preprocessing
    assert preprocessing.is_guess
    assert preprocessing.crop == (32, 32)
    assert "32 px is a size that the network accepts" in preprocessing.origin
