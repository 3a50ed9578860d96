"""TensorBoard gets a scalar for each figure and layer, where it is installed."""

from __future__ import annotations

import sys

import pytest

from cnnviz.errors import InstallationError


class Writer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.scalars: dict[tuple[str, int], float] = {}
        self.texts: list[tuple[str, str, int]] = []
        self.calls: list[str] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag, step] = value

    def add_text(self, tag: str, text: str, step: int) -> None:
        self.texts.append((tag, text, step))

    def flush(self) -> None:
        self.calls.append("flush")

    def close(self) -> None:
        self.calls.append("close")


def test_a_writer_gets_every_figure_and_stays_open(train) -> None:
    writer = Writer()
    monitor = train(tensorboard=writer)
    record = monitor.records[1]
    assert writer.scalars["gradient/2", 2] == record.of("gradient")["2"]
    assert writer.scalars["update/5", 2] == record.of("update")["5"]
    assert writer.scalars["cnnviz/accuracy", 2] == pytest.approx(2 / 12)
    assert ("dead/5", 2) not in writer.scalars
    assert [step for tag, step in writer.scalars if tag == "cnnviz/loss"] == list(range(11))
    assert "close" not in writer.calls


def test_an_event_is_a_text(train) -> None:
    writer = Writer()
    train(tensorboard=writer, rate=1e25, every=1)
    _, (tag, text, step) = writer.texts
    assert (tag, step) == ("cnnviz/events", 1)
    assert text.startswith("not-finite: The output of")


def test_without_tensorboard_the_error_says_what_to_do(train, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InstallationError, match=r"TensorBoard is not installed.*tensorboard="):
        train(tmp_path / "run.jsonl", tensorboard=tmp_path / "board")
    assert list(tmp_path.iterdir()) == []
