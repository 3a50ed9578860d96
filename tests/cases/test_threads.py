"""Networks that several threads use: every answer exact, the network as it was, nobody stuck.

On the network itself, and on a fast copy from the first image on, that is bit for bit. Where the
copy is made half-way, answers before and after it differ by rounding.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.introspection.hooks import isolated
from tests.helpers.state import state


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def image(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed % 4))


def cam(network: Any, seed: int) -> Any:
    held = cnnviz.capture(network, image(seed), layers="conv", target=1)
    return cnnviz.cam(held).maps[0]


def hidden(network: Any, seed: int) -> Any:
    return cnnviz.occlusion(network, image(seed), 4, 4, target=1).maps[0]


def guided(network: Any, seed: int) -> Any:
    return cnnviz.attribute(network, image(seed), "guided_backprop", target=1).maps[0]


def noisy(network: Any, seed: int) -> Any:
    return cnnviz.attribute(network, image(seed), "smoothgrad", target=1, steps=3).maps[0]


COPIES = {"0": "no copy", "1": "copied half-way", "always": "copied at once"}


@pytest.fixture(params=COPIES, ids=COPIES.get)
def same(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any, Any], None]:
    """Compare answers as closely as they have to agree, see above."""
    monkeypatch.setenv("CNNVIZ_FAST", request.param)

    def compare(found: Any, expected: Any) -> None:
        if request.param == "1":
            within = 1e-5 * float(np.abs(np.asarray(expected)).max())
            np.testing.assert_allclose(found, expected, rtol=0, atol=within)
        else:
            np.testing.assert_array_equal(found, expected)

    return compare


class Sharing(nn.Module):
    """Another network around the layers of one."""

    def __init__(self, of: nn.Module) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.of(x) * 2.0


@pytest.mark.parametrize(
    ("ask", "same"),
    # By another rule, and with noise, once each: how the copy is made does not hang on them.
    [*itertools.product([cam, hidden], COPIES), (guided, "always"), (noisy, "1")],
    indirect=["same"],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_one_network_of_many_threads(
    ask: Callable[[Any, int], Any], same: Callable[[Any, Any], None]
) -> None:
    network = small().train()
    network[0].weight.requires_grad_(False)
    before = state(network)
    right = [ask(network, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: ask(network, seed), range(12)))
    for seed, maps in enumerate(found):
        same(maps, right[seed % 4])
    assert state(network) == before


def test_models_that_wrap_one_network_and_networks_that_share_layers(
    same: Callable[[Any, Any], None],
) -> None:
    network = small().train()
    subjects = [network, cnnviz.Model(network), cnnviz.Model(network, name="b"), Sharing(network)]
    before = state(network)

    def logits(place: int) -> torch.Tensor:
        held = cnnviz.capture(subjects[place % 4], image(0), layers=(), gradients=False)
        return held.logits

    right = [logits(place) for place in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(logits, range(20)))
    for place, each in enumerate(found):
        same(each, right[place % 4])
    assert state(network) == before


def test_two_networks_within_each_other_wait_for_nobody_forever() -> None:
    one, two = small(), small()
    met = threading.Barrier(2, timeout=30.0)
    ended = []

    def nested(outer: nn.Module, inner: nn.Module) -> None:
        met.wait()
        for _ in range(20):
            with isolated(outer, grad=False), isolated(inner, grad=False):
                outer(image(0))
        ended.append(outer)

    threads = [
        threading.Thread(target=nested, args=pair, daemon=True) for pair in ((one, two), (two, one))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert len(ended) == 2


def test_a_thread_that_fails_lets_the_next_one_in() -> None:
    network = small().train()
    before = state(network)

    def fails() -> None:
        with isolated(network, grad=False):
            raise RuntimeError("half-way")

    with ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(fails).exception(30.0), RuntimeError)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cam, network, 0).result(30.0).shape == (1, 12, 12)
    assert state(network) == before


def test_the_random_states_are_as_before_after_threads_with_networks_of_their_own(
    same: Callable[[Any, Any], None],
) -> None:
    networks = [small() for _ in range(4)]
    before = state(networks[0])
    right = noisy(networks[0], 0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: noisy(networks[place % 4], 0), range(16)))
    for maps in found:
        same(maps, right)
    assert state(networks[0]) == before
