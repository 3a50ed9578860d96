from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cnnviz_cli.app import main
from tests.helpers.built_once import built_once
from tests.helpers.loaded_once import loaded_once
from tests.helpers.undrawn import undrawn


@dataclass(frozen=True)
class Outcome:
    code: int | str | None
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]

    @property
    def error_lines(self) -> list[str]:
        return self.err.splitlines()


Run = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def commands_built_once() -> Iterator[None]:
    """Make the list of commands, and the parser of each, once and not for each run."""
    with built_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def networks_loaded_once() -> Iterator[None]:
    """Load the networks that are named once, and look through them once and not for each run."""
    with loaded_once():
        yield


@pytest.fixture
def not_drawn() -> Iterator[None]:
    """Build figures without drawing them."""
    with undrawn():
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path) -> Run:
    """Run the command line in this process, in an empty folder, and return what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNVIZ_DEBUG", "")
    # Help pages wrap at the width of the terminal.
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(end.value.code, captured.out, captured.err)

    return command
