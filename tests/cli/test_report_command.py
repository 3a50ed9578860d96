import json
import os
import signal
from pathlib import Path

import pytest

from cnnviz.reports import pictures
from tests.helpers.processes import needs_fork, run_module

pytestmark = pytest.mark.usefixtures("not_drawn")
RANDOM = ("--model", "shapes", "--weights", "random", "--sections", "photo,predictions")


def test_a_report_ends_with_the_path_of_its_page(run, tmp_path):
    said = run("report", *RANDOM, "--out", "mine")
    assert said.code == 0, said.err
    assert said.last_line == str(Path("mine") / "report.html")
    assert said.out.count("\n") == 1
    assert (tmp_path / said.last_line).is_file()
    assert "shapes held-out" in said.err
    found = json.loads((tmp_path / "mine" / "report.json").read_text("utf-8"))
    assert [section["key"] for section in found["sections"]] == ["photo", "predictions"]


def test_a_map_that_is_no_evidence_is_told_where_the_command_was_given(run, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def dead():\n"
        "    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),"
        " nn.Flatten())\n"
        "    nn.init.constant_(net[0].bias, -100.0)\n"
        "    return net\n",
        "utf-8",
    )
    said = run("report", "--model", "net.py:dead", "--resize", "16", "--sections", "cam")
    told = [line for line in said.err.splitlines() if "does not change with noise" in line]
    assert [line.startswith("Note: ") for line in told] == [True], said.err


def test_json_is_the_manifest_and_nothing_else(run, tmp_path):
    said = run("report", *RANDOM, "--json", "--pdf", "--single-file")
    manifest = json.loads(said.out)
    assert manifest["directory"] == "cnnviz-report"
    for key in ("page", "data", "pdf", "single_file"):
        assert (tmp_path / manifest[key]).is_file()


def test_a_report_is_replaced_with_force_only(run, tmp_path):
    assert run("report", *RANDOM).code == 0
    page = tmp_path / "cnnviz-report" / "report.html"
    before = page.stat().st_mtime_ns
    refused = run("report", *RANDOM)
    assert refused.code == 2
    assert "--force" in refused.error_lines[1]
    assert page.stat().st_mtime_ns == before
    assert run("report", *RANDOM, "--force").code == 0
    assert page.stat().st_mtime_ns != before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--sections", "photo,camm"], "no section 'camm'"),
        (["--layers", "featuers.9"], "no layer 'featuers.9'"),
        (["--target", "hart"], "no class 'hart'"),
        (["--out", "no/where"], "no folder"),
        (["nothing.jpg"], "nothing.jpg: there is no such file"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--categories", "nothing.txt"], "nothing.txt"),
    ],
)
def test_a_wrong_argument_is_two_lines_and_leaves_nothing(run, tmp_path, arguments, what):
    said = run("report", "--weights", "random", *arguments)
    assert said.code == 2, said.err
    assert what in said.error_lines[0]
    assert len(said.error_lines) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=needs_fork)])
def test_ctrl_c_half_way_leaves_nothing(run, tmp_path, monkeypatch, processes):
    """The second process is at work, and stays so until it is ended."""
    here, drawn, left, children = os.getpid(), [], [], []
    draw, fork = pictures.draw, os.fork

    def interrupted(*given):
        if drawn and os.getpid() != here:
            signal.pause()
        if drawn:
            left.extend(tmp_path.rglob("pictures"))
            raise KeyboardInterrupt
        drawn.append(draw(*given))
        return drawn[-1]

    monkeypatch.setattr("cnnviz.reports.draw_all.draw", interrupted)
    monkeypatch.setattr("cnnviz.reports.second_process.is_safe", lambda: processes == 2)
    monkeypatch.setattr(os, "fork", lambda: children.append(fork()) or children[-1])
    said = run("report", *RANDOM[:-1], "photo,predictions,filters,feature-maps")
    assert said.code == 130
    assert len(drawn) == len(left) == 1
    assert list(tmp_path.iterdir()) == []
    assert len(children) == processes - 1
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)


@needs_fork
def test_a_whole_process_keeps_stdout_clean_and_shows_no_bar_without_a_terminal(tmp_path):
    done = run_module("cnnviz_cli", "report", *RANDOM, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('cnnviz-report') / 'report.html'}\n"
    remark, answer = done.stderr.splitlines()
    assert "random" in remark
    assert answer.startswith("shapes held-out")
