"""`cnnviz doctor`: what a person reads, and with which code it ends."""

from __future__ import annotations

import json

import pytest

from cnnviz.installation import Diagnosis, Finding

FINE = Finding("packages", "numpy", "ok", "2.0")
WORTH_KNOWING = Finding("packages", "timm", "note", "not installed", "pip install timm")
BROKEN = Finding("folders", "cache", "broken", "cannot be written", "Make it writable.")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    def find(*findings: Finding) -> None:
        monkeypatch.setattr("cnnviz.installation.doctor", lambda: Diagnosis(findings))

    return find


def test_findings_are_told_with_what_to_do_and_summed_up_at_the_end(found, run) -> None:
    found(FINE, WORTH_KNOWING)
    said = run("doctor", "--quiet")
    assert said.code == 0
    assert [word in said.out for word in ("numpy", "timm", "pip install timm")] == [True] * 3
    assert said.error_lines == ["Everything works; 1 thing worth knowing."]


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_the_code_says_that_something_is_broken(found, run, words) -> None:
    found(FINE, BROKEN)
    said = run("doctor", "--quiet", *words)
    assert said.code == 2
    if words:
        assert json.loads(said.out)["works"] is False
    else:
        assert "Make it writable." in said.out
        assert said.error_lines == ["1 thing broken."]
