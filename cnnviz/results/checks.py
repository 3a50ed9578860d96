"""What a check in continuous integration asked of a result, what came of it, and JUnit's XML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from cnnviz.errors import UsageError, did_you_mean

State = Literal["passed", "failed", "not measured"]
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


@dataclass(frozen=True)
class Check:
    """One thing that was not to be found, and whether it was.

    Attributes
    ----------
    subject : str
        What was looked at: a network.
    name : str
        The fault or condition, as `fail_on` named it.
    state : {"passed", "failed", "not measured"}
        Whether it was found; there may be no saying.
    text : str
        What was measured, in one sentence or a few.
    """

    subject: str
    name: str
    state: State
    text: str


class Checked:
    """A result that holds `checks`: what was asked with `fail_on`."""

    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Which of the things that `fail_on` asked for were found."""
        return tuple(dict.fromkeys(one.name for one in self.checks if one.state == "failed"))

    @property
    def unanswered(self) -> bool:
        """Whether one of them could not be measured, so that there is no saying."""
        return any(one.state == "not measured" for one in self.checks)


def named_faults(fail_on: str | Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """Return the faults that `fail_on` names, with commas between them or one by one.

    Raises
    ------
    UsageError
        If one is not known, or a text names none: a check of nothing would pass.
    """
    texts = fail_on.split(",") if isinstance(fail_on, str) else fail_on or ()
    given = [text.strip() for text in texts if text.strip()]
    if isinstance(fail_on, str) and not given:
        raise UsageError("No fault to fail on is named.", f"Choose among {', '.join(known)}.")
    for fault in given:
        if fault not in known:
            raise UsageError(
                f"There is no fault {fault!r} to fail on.",
                did_you_mean(fault, known, f"Choose among {', '.join(known)}."),
            )
    return given


def junit(command: str, checks: Sequence[Check], notes: Sequence[str] = ()) -> bytes:
    """Return checks as XML in the form of JUnit, which GitLab, Jenkins and others read.

    Parameters
    ----------
    command : str
        What made them: the class of the test cases.
    checks : sequence of Check
        One test case each. What could not be measured is an error there, which is no pass either.
    notes : sequence of str
        What has to be known of the network and its answers to judge them, such as that it draws
        random numbers: what the suite as a whole has said.

    Returns
    -------
    bytes
        The file, in UTF-8.
    """
    counts = {
        "tests": str(len(checks)),
        "failures": str(sum(one.state == "failed" for one in checks)),
        "errors": str(sum(one.state == "not measured" for one in checks)),
    }
    root = ET.Element("testsuites", {"name": "cnnviz", **counts})
    suite = ET.SubElement(
        root, "testsuite", {"name": f"cnnviz {command}", **counts, "skipped": "0"}
    )
    for one in checks:
        _case(suite, f"cnnviz.{command}", one)
    if notes:
        ET.SubElement(suite, "system-out").text = _plain("\n".join(notes))
    ET.indent(root)
    text: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ET.Element, kind: str, check: Check) -> None:
    name = _plain(f"{check.subject}: {check.name}")
    case = ET.SubElement(suite, "testcase", {"classname": kind, "name": name})
    text = _plain(check.text)
    if check.state == "passed":
        ET.SubElement(case, "system-out").text = text
        return
    tag = "failure" if check.state == "failed" else "error"
    said = {"message": text.partition("\n")[0], "type": _plain(check.name)}
    ET.SubElement(case, tag, said).text = text


def _plain(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
