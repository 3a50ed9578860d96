"""Everything that was looked at, and whether cnnviz can work with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cnnviz.installation.devices import device_findings
from cnnviz.installation.examination import examined
from cnnviz.installation.finding import Finding
from cnnviz.installation.packages import modules, package_findings
from cnnviz.installation.places import place_findings, setting_findings
from cnnviz.results.text import plural


@dataclass(frozen=True)
class Diagnosis:
    """What was looked at, in the order of packages, devices, folders and settings.

    Attributes
    ----------
    findings : tuple of Finding
        One thing each, with what to do about it.
    """

    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What keeps something of cnnviz from working."""
        return tuple(one for one in self.findings if one.state == "broken")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What may surprise, or cost time."""
        return tuple(one for one in self.findings if one.state == "note")

    def summary(self) -> str:
        """Say in a sentence how things stand."""
        if not self.broken and not self.notes:
            return "All is well."
        worth = f"{plural(len(self.notes), 'thing')} worth knowing" if self.notes else ""
        if not self.broken:
            return f"Everything works; {worth}."
        told = f"{plural(len(self.broken), 'thing')} broken"
        return f"{told}, {worth}." if worth else f"{told}."

    def to_json(self) -> dict[str, Any]:
        """Return plain data: whether all works, and what was found."""
        return {"works": not self.broken, "findings": [asdict(one) for one in self.findings]}

    def lines(self, shown: Callable[[str], str] = str) -> Iterator[str]:
        """Return the findings on a line each, and below each what to do about it.

        Parameters
        ----------
        shown : callable
            Given each group and each state, which a terminal shows in colours.
        """
        group = ""
        for one in self.findings:
            if one.group != group:
                group = one.group
                yield shown(group)
            # The colours of a terminal are no letters that could be counted.
            yield f"  {shown(one.state)}{' ' * (8 - len(one.state))}{one.subject}: {one.found}"
            if one.remedy:
                yield f"          {one.remedy}"

    def __str__(self) -> str:
        """Return the findings, what to do about each, and how things stand.

        >>> print(Diagnosis((Finding("packages", "torch", "note", "1.0", "Update it."),)))
        packages
          note    torch: 1.0
                  Update it.
        Everything works; 1 thing worth knowing.
        """
        return "\n".join([*self.lines(), self.summary()])


def doctor() -> Diagnosis:
    """Look at what cnnviz stands on here, and say what to do about whatever is wrong.

    Packages are imported in processes of their own, so this works where torch or another package is
    broken, and changes nothing.

    Returns
    -------
    Diagnosis
    """
    facts = examined(modules())
    found = [
        *package_findings(facts),
        *device_findings(facts["torch"]),
        *place_findings(),
        *setting_findings(facts["matplotlib"]),
    ]
    return Diagnosis(tuple(found))
