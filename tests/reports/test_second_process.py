"""Tasks shared with a second process come out as they would in one, whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import sys

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from cnnviz.reports import second_process
from cnnviz.reports.content import Picture
from cnnviz.reports.draw_all import draw_all
from cnnviz.reports.progress import Steps
from cnnviz.reports.second_process import SecondProcess, is_safe
from cnnviz.results.provenance import Provenance

ORIGIN = Provenance(model="small", weights="as given", weights_sha256="0" * 64)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(second_process, "is_safe", lambda: False)


@pytest.fixture
def forked(monkeypatch):
    # Even where the tests themselves run on several threads or on one core.
    monkeypatch.setattr(second_process, "is_safe", lambda: True)


def squares(numbers):
    return {each: (each * each, os.getpid()) for each in numbers}


def shared(work, count=40):
    with SecondProcess(count, work) as second:
        mine = squares(second.mine())
        theirs = second.theirs()
    return mine, theirs


def test_every_task_is_done_once(forked):
    mine, theirs = shared(squares)
    assert sorted([*mine, *theirs]) == list(range(40))
    assert all(found == (each * each, os.getpid()) for each, found in mine.items())
    assert os.getpid() not in {pid for _, pid in theirs.values()}


def test_the_second_process_works(forked):
    with SecondProcess(40, squares) as second:
        found = second.theirs()
    assert {each: value for each, (value, _) in found.items()} == {
        each: each * each for each in range(40)
    }


def test_without_a_second_process_everything_is_done_here(alone):
    mine, theirs = shared(squares)
    assert list(mine) == list(range(40))
    assert theirs == {}


@pytest.mark.parametrize("fault", [lambda: 1 / 0, lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_what_breaks_there_is_missing(forked, fault):
    def broken(numbers):
        next(numbers)
        fault()

    with SecondProcess(40, broken) as second:
        assert second.theirs() == {}


def test_an_error_here_ends_the_other(forked, monkeypatch):
    children, fork = [], os.fork
    monkeypatch.setattr(os, "fork", lambda: children.append(fork()) or children[-1])
    second = SecondProcess(40, lambda numbers: signal.pause())
    with pytest.raises(RuntimeError, match="here"), second:
        raise RuntimeError("here")
    (child,) = children
    # It has ended and was waited for; other tests have left other processes of this one.
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


def test_threads_of_opencv_and_torch_are_not_waited_for(forked):
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).random((1200, 1200, 3), np.float32)

    def work(numbers):
        return {
            each: (cv2.resize(image, (900, 900)).sum(), big.exp().sum().item()) for each in numbers
        }

    big = torch.rand(1 << 20)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = work(range(1))[0]
        with SecondProcess(4, work) as second:
            found = second.theirs()
    finally:
        torch.set_num_threads(before)
    assert len(found) == 4
    for one in found.values():
        np.testing.assert_allclose(one, expected, rtol=1e-5)


def test_no_fork_beside_other_threads():
    import threading

    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not is_safe()
    finally:
        end.set()
        thread.join()


def plot(number):
    figure = Figure(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.arange(10.0) ** number)
    axes.set_title(f"power {number}")
    return figure


def pictures():
    return [
        Picture(
            f"p{number}",
            f"power {number}",
            "caption",
            "alt",
            lambda number=number: plot(number),
            ORIGIN,
            data={"number": number, "large": np.arange(4000.0) + number},
            arrays={"large": np.arange(4000.0) + number},
        )
        for number in range(6)
    ]


def drawn(folder):
    folder.mkdir()
    told = []
    steps = Steps(lambda done, total, what: told.append((done, total, what)))
    steps.rest(6)
    found = draw_all([(each, 1) for each in pictures()], folder, steps)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    return found, files, steps, told


def test_pictures_are_the_same_bytes_in_one_process_and_in_two(tmp_path, monkeypatch):
    monkeypatch.setattr(second_process, "is_safe", lambda: True)
    two, files, steps, told = drawn(tmp_path / "two")
    monkeypatch.setattr(second_process, "is_safe", lambda: False)
    one, expected, _, _ = drawn(tmp_path / "one")
    assert files == expected
    assert list(two) == list(one) == [f"p{number}" for number in range(6)]
    for name, each in one.items():
        assert (two[name].path, two[name].width, two[name].height) == (
            each.path,
            each.width,
            each.height,
        )
        assert json.dumps(two[name].numbers) == json.dumps(each.numbers)
    assert steps.done == steps.total == 6
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_what_leaves_something_behind_is_drawn_here(tmp_path, forked):
    left = []

    def leave():
        left.append(os.getpid())
        return np.zeros((2, 2, 3), np.uint8)

    told = [Picture(f"c{number}", "title", "caption", "alt", leave, ORIGIN) for number in range(6)]
    draw_all([(each, 1) for each in told], tmp_path, Steps(), here=True)
    assert left == [os.getpid()] * 6


def test_a_picture_that_cannot_be_drawn_raises_here(tmp_path, forked):
    def fail():
        raise LookupError("no such picture")

    broken = [Picture(f"b{number}", "title", "caption", "alt", fail, ORIGIN) for number in range(6)]
    with pytest.raises(LookupError, match="no such picture"):
        draw_all([(each, 1) for each in broken], tmp_path, Steps())
