"""Checks as JUnit's XML: counted, escaped, and nothing that was not measured passes."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from cnnviz.results.checks import Check, Checked, junit

CHECKS = (
    Check("net", "vanishing", "passed", "net: healthy."),
    Check('<b>"&\x00\ud800', "error-rate>0.3", "failed", "It is 0.5.\nAnd more & more\x1b."),
    Check("net", "dead", "not measured", "net: not finite."),
)


def test_each_check_is_a_test_case_with_what_came_of_it() -> None:
    root = ET.fromstring(junit("gradient-flow", CHECKS))
    assert root.tag == "testsuites"
    (suite,) = root
    for counted in (root, suite):
        assert [counted.get(name) for name in ("tests", "failures", "errors")] == ["3", "1", "1"]
    passed, failed, unknown = suite
    assert {case.get("classname") for case in suite} == {"cnnviz.gradient-flow"}
    assert passed.get("name") == "net: vanishing"
    assert [child.tag for child in passed] == ["system-out"]
    assert failed.get("name") == '<b>"&\ufffd\ufffd: error-rate>0.3'
    assert failed[0].tag == "failure"
    assert failed[0].attrib == {"message": "It is 0.5.", "type": "error-rate>0.3"}
    assert failed[0].text == "It is 0.5.\nAnd more & more\ufffd."
    assert (unknown[0].tag, unknown[0].get("message")) == ("error", "net: not finite.")


def test_what_failed_is_named_once_and_the_unknown_is_no_pass() -> None:
    class Held(Checked):
        checks = (*CHECKS, CHECKS[1])

    assert Held().failed == ("error-rate>0.3",)
    assert Held().unanswered
    Held.checks = CHECKS[:1]
    assert (Held().failed, Held().unanswered) == ((), False)


def test_what_is_noted_of_the_network_stands_once_in_the_suite() -> None:
    (suite,) = ET.fromstring(junit("gradient-flow", CHECKS, ("It draws <random> numbers.", "b")))
    assert [child.tag for child in suite] == ["testcase"] * 3 + ["system-out"]
    assert suite[-1].text == "It draws <random> numbers.\nb"
