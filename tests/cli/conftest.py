from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer

from cnnviz_cli.app import main
from cnnviz_cli.lazy import LazyCommand


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
def listed_once() -> Iterator[None]:
    """Make what stands in the list of commands for each of them once, and not for each run.

    Each is built from its options when it is used, as ever.
    """
    make, made = typer.main.get_command_from_info, {}

    def once(command_info: Any, **settings: Any) -> Any:
        if not issubclass(command_info.cls, LazyCommand):
            return make(command_info, **settings)
        key = (id(command_info), *settings.items())
        if key not in made:
            # Kept with what it was made from, so that no other comes to have its number.
            made[key] = (make(command_info, **settings), command_info)
        return made[key][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command_from_info", once)
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
