"""What hangs on a network is put back within bounds; what is not the network's is left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from cnnviz.errors import ModelChangedError
from cnnviz.introspection import held_objects, own_generators, saved_state
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.held_entries import copy_entries, put_back, same_entries
from cnnviz.introspection.hooks import preserve_state
from cnnviz.introspection.network_cache import fingerprint
from tests.helpers.each_case import each_case


class Raising:
    """Methods of a container that fail, as where it reaches for a file that is gone."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("gone")

    __iter__ = __len__ = __getitem__ = __bool__ = __eq__ = _fail
    clear = update = extend = items = keys = values = copy = __deepcopy__ = _fail
    __hash__ = None


class RaisingList(Raising, list):
    pass


class RaisingDict(Raising, dict):
    pass


class RaisingSet(Raising, set):
    pass


class RaisingTuple(Raising, tuple):
    __slots__ = ()


class Away:
    """Stands for an object that cannot be reached now, as proxies of requests do."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("outside of a request")


def network_with(thing: object) -> nn.Module:
    network = nn.Sequential(nn.Conv2d(3, 2, 1)).eval()
    network.thing = [thing]
    return network


@each_case(
    "make",
    [
        lambda: RaisingList([[1]]),
        lambda: RaisingDict(a=[1]),
        lambda: RaisingSet({1}),
        lambda: RaisingTuple(([1],)),
        Away,
    ],
)
def test_what_raises_when_it_is_looked_at_is_no_hindrance(make: Callable[[], object]) -> None:
    network = network_with(make())
    with preserve_state(network):
        pass
    fingerprint(network)
    assert copy_network(network) is not network


@each_case(
    ("base", "kind", "entries"),
    [(list, RaisingList, [1, 2]), (dict, RaisingDict, {"a": 1}), (set, RaisingSet, {1, 2})],
)
def test_a_container_is_put_back_by_no_method_of_its_own(base: Any, kind: Any, entries: Any):
    thing = kind(entries)
    copy = copy_entries(thing)
    base.clear(thing)
    assert not same_entries(thing, copy)
    put_back(thing, copy)
    assert same_entries(thing, copy)


def test_the_nearest_is_put_back_however_much_hangs_on_a_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_objects, "_MOST", 20)
    monkeypatch.setattr(own_generators, "_MOST", 20)
    network = network_with([[[1] for _ in range(30)] for _ in range(30)])
    network.counts = [0]
    looked = held_objects.HeldObjects(lambda _: None)
    for value in (network.thing, network.counts):
        looked.note(value)
    looked.look()
    assert len(looked.containers) <= 25
    with preserve_state(network):
        network.counts[0] += 1
    assert network.counts == [0]
    monkeypatch.setattr("cnnviz.introspection.network_cache._MANY", 20)
    assert fingerprint(network) is None


@each_case("held", [np.arange(5000.0), np.zeros((70, 80)).T, torch.arange(5000.0)])
def test_what_is_too_large_to_be_copied_may_not_be_written_to(
    held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_objects, "LARGE", 1000)
    monkeypatch.setattr(saved_state, "LARGE", 1000)
    network = network_with(held)
    with preserve_state(network):
        pass

    def write() -> None:
        with preserve_state(network):
            held[:] += 1

    with pytest.raises(ModelChangedError, match=r"wrote to an array of .* that it holds"):
        write()


def test_one_value_of_a_large_tensor_is_not_written_to_unnoticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(saved_state, "LARGE", 1000)
    held = torch.zeros(9 * held_objects._SAMPLED)
    network = network_with(held)

    def write() -> None:
        with preserve_state(network):
            held[1] = 1.0  # which is none of those that are compared

    with pytest.raises(ModelChangedError, match=r"wrote to an array of .* that it holds"):
        write()


class Monitor:
    """Shares what it holds with a thread."""

    def __init__(self) -> None:
        self.lock, self.seen = threading.Lock(), list[int]()


def test_what_is_shared_with_others_is_left_alone(tmp_path: Path) -> None:
    monitor = Monitor()
    network = network_with(monitor)
    with preserve_state(network):
        monitor.seen.append(1)
    assert monitor.seen == [1]

    PIL.Image.new("RGB", (2, 2), "red").save(tmp_path / "red.png")
    picture = PIL.Image.open(tmp_path / "red.png")
    with preserve_state(network_with(picture)):
        picture.load()
    assert picture.getpixel((0, 0)) == (255, 0, 0)
