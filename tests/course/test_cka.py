"""HSIC_1 and CKA against the formula written out, and what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cnnviz.course.cka import MinibatchCKA, gram, u_centred

RANDOM = np.random.default_rng(0)


def features(count: int, size: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator, dtype=torch.float64)


def written_out(first: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return HSIC_1 by sums over all pairs, triples and quadruples of different images."""
    n = len(first)
    pairs = triples = quadruples = 0.0
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            pairs += first[i, j] * other[i, j]
            for q in range(n):
                if q in (i, j):
                    continue
                triples += first[i, j] * other[i, q]
                quadruples += sum(first[i, j] * other[q, r] for r in range(n) if r not in (i, j, q))
    two, three = n * (n - 1), n * (n - 1) * (n - 2)
    return pairs / two - 2.0 * triples / three + quadruples / (three * (n - 3))


def song(first: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return HSIC_1 as Song et al. 2012 write it, with kernels whose diagonal is zero."""
    n, one = len(first), np.ones(len(first))
    k, m = first - np.diag(np.diag(first)), other - np.diag(np.diag(other))
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + middle - 2.0 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def cka(first: torch.Tensor, other: torch.Tensor, batches: int = 1) -> float:
    found = MinibatchCKA(1, 1)
    for one, two in zip(first.chunk(batches), other.chunk(batches), strict=True):
        found.add([gram(one)], [gram(two)])
    return float(found.values()[0, 0])


def hsic_1(first: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    count = len(first)
    return float((u_centred(first) * u_centred(other)).sum()) / (count * (count - 3))


def test_hsic_1_is_that_of_the_sums_and_of_the_paper() -> None:
    first, other = features(7, 5), features(7, 3, seed=1) + 4.0
    plain = [np.asarray((one @ one.T).numpy()) for one in (first, other)]
    wanted = written_out(*plain)
    assert song(*plain) == pytest.approx(wanted, rel=1e-9)
    assert hsic_1(*plain) == pytest.approx(wanted, rel=1e-9)
    # The mean of the features makes no difference.
    assert hsic_1(gram(first), gram(other)) == pytest.approx(wanted, rel=1e-9)
    with pytest.raises(ValueError, match="needs 4 images, not 3"):
        u_centred(np.eye(3))


def test_a_layer_is_like_itself_turned_moved_and_enlarged() -> None:
    first = features(30, 12)
    turn, _ = torch.linalg.qr(features(12, 12, seed=3))
    assert cka(first, first) == pytest.approx(1.0, abs=1e-12)
    assert cka(first, 7.5 * first @ turn + 2.0) == pytest.approx(1.0, abs=1e-10)
    other = features(30, 5, seed=4) + first[:, :5]
    assert cka(first, other) == pytest.approx(cka(0.1 * first @ turn, other), abs=1e-10)
    assert 0.1 < cka(first, other) < 0.95
    # A stretch of one axis is another way to tell images apart.
    assert cka(first, first * torch.linspace(0.1, 4.0, 12, dtype=torch.float64)) < 0.97


def test_noise_has_nothing_in_common_however_many_features_there_are() -> None:
    """The biased estimator would say nearly 1 here."""
    found = [
        cka(features(24, 4000, 2 * seed), features(24, 4000, 2 * seed + 1)) for seed in range(6)
    ]
    assert abs(np.mean(found)) < 0.05
    assert max(map(abs, found)) < 0.2
    one, two = (gram(features(24, 4000, seed)) for seed in (0, 1))
    assert (one * two).sum() / np.sqrt(np.square(one).sum() * np.square(two).sum()) > 0.9


def test_batches_are_averaged_above_and_below_the_line() -> None:
    first = features(24, 6)
    other = first[:, :4] + features(24, 4, seed=5)
    above, below = [], []
    # The last batch is smaller.
    for one, two in zip(first.chunk(5), other.chunk(5), strict=True):
        k, m = (np.asarray((each @ each.T).numpy()) for each in (one, two))
        above.append(song(k, m))
        below.append((song(k, k), song(m, m)))
    own, its = np.mean(below, 0)
    wanted = np.mean(above) / np.sqrt(own * its)
    assert cka(first, other, batches=5) == pytest.approx(wanted, rel=1e-9)


def test_every_pair_of_layers_stands_where_it_belongs() -> None:
    layers = [features(10, size, size) for size in (3, 4, 5)]
    found = MinibatchCKA(3, 2)
    found.add([gram(one) for one in layers], [gram(one) for one in layers[1:]])
    wanted = [[cka(one, two) for two in layers[1:]] for one in layers]
    np.testing.assert_allclose(found.values(), wanted, rtol=1e-10)
    assert found.sizes == [10]


def test_a_layer_that_is_the_same_for_all_images_has_no_cka() -> None:
    constant = torch.full((8, 5), 0.1)
    assert not gram(constant).any()
    assert np.isnan(cka(constant, features(8, 4)))
    many = torch.cat([constant.repeat(1, 20000), features(8, 3).float()], 1)
    np.testing.assert_allclose(gram(many), gram(features(8, 3).float()), atol=1e-6)


def test_what_only_rounding_tells_apart_has_no_cka() -> None:
    draw = torch.Generator().manual_seed(0)
    around = torch.randn(8, 40, generator=draw)
    real, constant = features(8, 4).float(), torch.rand(1, 40, generator=draw) + 1
    for rounded in (constant * (1 + 1e-7 * around), (constant * (1 + 1e-3 * around)).bfloat16()):
        assert np.isnan(cka(rounded, real))
    # Each image has a feature of its own: all pairs of images are as unlike as all others.
    assert np.isnan(cka(torch.eye(8) + 1e-8 * around[:, :8], real))
    assert cka(torch.cat([1e-3 * real, 1e4 + 0 * real], 1), real) == pytest.approx(1)
    assert cka(1 + 1e-4 * real, real) == pytest.approx(1, abs=1e-4)
