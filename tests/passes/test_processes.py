"""How a process learns of others, and what it does without any."""

from __future__ import annotations

import threading

import pytest
import torch

from cnnviz.errors import OtherProcessError, UsageError
from cnnviz.passes import process_link
from cnnviz.passes.process_link import Link, linked, several
from cnnviz.passes.processes import ALONE, Processes, sharing, told
from tests.helpers.each_case import each_case


class Store:
    """A store in one process, for processes that take turns."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def set(self, key: str, value: str) -> None:
        self.held[key] = value

    def get(self, key: str) -> bytes:
        return self.held[key].encode()

    def add(self, key: str, amount: int) -> int:
        self.held[key] = str(int(self.held.get(key, "0")) + amount)
        return int(self.held[key])

    def check(self, keys) -> bool:
        return all(key in self.held for key in keys)

    def compare_set(self, key: str, expected: str, value: str) -> bytes:
        if self.held.get(key, "") == expected:
            self.held[key] = value
        return self.get(key)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> list[Link]:
    monkeypatch.setattr(process_link, "_LOOKS", 0.0)
    store = Store()
    return [Link(store, rank, 2, hosts=False) for rank in range(2)]


def test_without_torchrun_nothing_of_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.distributed, "TCPStore", None)
    assert not several()
    with sharing(None, "a run") as processes:
        assert processes == ALONE == Processes(0, 1)
        processes.wait()
    assert linked() is None
    assert ALONE.said == ""

    def progress(*told: object) -> None: ...

    assert ALONE.watching(progress) is progress


def test_one_process_of_torchrun_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not several()
    assert linked() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": "2"},
        {"RANK": "one"},
        {"MASTER_PORT": ""},
        {"MASTER_PORT": "70000"},
        {"MASTER_ADDR": ""},
        {"WORLD_SIZE": "many"},
    ],
)
def test_an_environment_that_is_not_whole_is_a_sentence(monkeypatch, wrong) -> None:
    whole = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    for name, value in {**whole, **wrong}.items():
        monkeypatch.setenv(name, value)
    name, value = next(iter(wrong.items()))
    with pytest.raises(UsageError, match=f"{name}='{value}'") as caught:
        linked()
    assert "torchrun" in caught.value.remedy


def test_a_first_process_that_is_not_there_is_a_sentence(monkeypatch) -> None:
    whole = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9"}
    for name, value in whole.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(process_link, "_CONNECTING", 0.0)

    def refused(*given: object, **how: object) -> None:
        raise RuntimeError("Connection refused")

    monkeypatch.setattr(torch.distributed, "TCPStore", refused)
    with pytest.raises(OtherProcessError, match=r"not to be reached at 127\.0\.0\.1, port 9"):
        linked()


def test_the_first_failure_is_told_to_everybody(pair: list[Link]) -> None:
    first, second = pair
    with first.scope(), second.scope():
        mine = second.fail("The disk is full.", "Make room.")
        assert mine.rank == 1
        assert first.fail("I stumble over that.").what == "The disk is full."
        with pytest.raises(OtherProcessError, match=r"Process 2 of 2 on .* disk is full") as caught:
            first.look()
        assert caught.value.remedy == "Make room."
        assert caught.value.code == 2
        with pytest.raises(OtherProcessError):
            first.meet()
    # Another run of the same processes begins anew.
    with first.scope(), second.scope():
        first.look()


def test_a_run_within_another_fails_with_it(pair: list[Link]) -> None:
    first, second = pair
    with first.scope(), second.scope():
        with second.scope():
            second.fail("It fails within.")
        with pytest.raises(OtherProcessError, match="It fails within"):
            first.look()


def test_progress_ends_when_another_process_has_failed(pair: list[Link]) -> None:
    first, second = pair
    seen: list[tuple[object, ...]] = []
    with first.scope(), second.scope():
        shown = Processes(0, 2, first).watching(lambda *told: seen.append(told))
        shown(0, 5, "one")
        second.fail("It fails.")
        with pytest.raises(OtherProcessError):
            shown(1, 5, "two")
    assert seen == [(0, 5, "one")]


def test_a_store_that_is_gone_is_a_sentence(pair: list[Link], monkeypatch) -> None:
    def gone(*given: object) -> int:
        raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr(Store, "add", gone)
    with pair[1].scope(), pytest.raises(OtherProcessError, match="first process has ended"):
        pair[1].meet()


def test_what_is_left_is_shared_out() -> None:
    shares = [Processes(rank, 3).share([*range(8)]) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]


@each_case(
    ("error", "code"),
    [(UsageError("It is wrong.", "Mend it."), 2), (KeyboardInterrupt(), 130), (TypeError("x"), 1)],
)
def test_an_error_is_told_with_its_exit_code(error: BaseException, code: int) -> None:
    what, remedy, told_code = told(error)
    assert told_code == code
    assert what
    assert remedy == ("Mend it." if code == 2 else "")


def test_what_the_first_process_sees_holds_for_all(pair: list[Link]) -> None:
    seen: list[object] = []
    with pair[0].scope(), pair[1].scope():
        # The first one comes and waits; the second one is here already.
        ahead = threading.Thread(target=lambda: seen.append(pair[1].agreed([9])))
        ahead.start()
        seen.append(Processes(0, 2, pair[0]).agreed([1, 2]))
        ahead.join(20)
    assert seen == [[1, 2], [1, 2]]
    assert ALONE.agreed([3]) == [3]


def test_what_others_have_written_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = [0.0], []

    def passes(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("cnnviz.passes.processes.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("cnnviz.passes.processes.time.sleep", passes)

    def third() -> bool:
        looks.append(clock[0])
        return len(looks) == 3

    assert Processes(0, 2).patiently(third)
    assert not Processes(1, 2).patiently(lambda: False)
    assert 60 < clock[0] < 300
    before = clock[0]
    assert not ALONE.patiently(lambda: False)
    assert clock[0] == before
