"""One spelling of the option for layers does for the other, whichever a command has."""

from __future__ import annotations

from typer.testing import CliRunner

from cnnviz_cli.app import app
from cnnviz_cli.lazy import _with_flags


def test_the_other_spelling_is_read_up_to_a_double_dash() -> None:
    flags = {"--layers": "--layer"}
    given = ["--layers=a", "--layers", "b", "--", "--layers"]
    assert _with_flags(given, flags) == ["--layer=a", "--layer", "b", "--", "--layers"]
    assert _with_flags(["--layer", "a"], {}) == ["--layer", "a"]


def test_commands_say_so_in_their_help_and_a_number_of_layers_stays_alone() -> None:
    run = CliRunner()
    for command, other in (("cam", "--layers"), ("receptive-field", "--layer")):
        found = run.invoke(app, [command, other, "features.4", "--help"], env={"COLUMNS": "300"})
        assert found.exit_code == 0
        assert f"{other} is the same." in found.output
    assert run.invoke(app, ["activation-functions", "--layer", "3"]).exit_code == 2
