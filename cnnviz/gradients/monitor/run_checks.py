"""What a check in continuous integration asks of a training run, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.gradients.monitor.events import AT_ONCE, KINDS, PERSISTS
from cnnviz.gradients.monitor.run import TrainingRun
from cnnviz.results.checks import Check, Checked, State, named_faults
from cnnviz.results.provenance import Provenance

UNFINISHED = "unfinished"
FAULTS = (UNFINISHED, *KINDS)
_BROKEN = ("bad-input", "not-finite")
"""Behind the first nothing else is told, and behind the second none but the first."""
_OF_THE_LOSS = ("jump", "wrong-sign", "diverging", "oscillating", "slow", "noise")


@dataclass(frozen=True)
class RunChecks(Checked):
    """What was asked of a run.

    Attributes
    ----------
    checks : tuple of Check
        What came of each.
    provenance : Provenance
        That of the run.
    """

    checks: tuple[Check, ...]
    provenance: Provenance


def asked_of_a_run(fail_on: str | Sequence[str] | None) -> list[str]:
    """Return the faults that are named: kinds of events, or that a run did not end well.

    Raises
    ------
    UsageError
        If one is none of these.
    """
    return named_faults(fail_on, FAULTS)


def check_run(run: TrainingRun, faults: Sequence[str]) -> RunChecks:
    """Return whether a run has any of these faults; there may be no saying."""
    return RunChecks(tuple(_check(run, fault) for fault in faults), run.provenance)


def _check(run: TrainingRun, fault: str) -> Check:
    if fault == UNFINISHED:
        ended = run.finished and not run.error
        return Check(run.name, fault, "passed" if ended else "failed", run.state)
    found = [str(event) for event in run.events if event.kind == fault]
    if found:
        return Check(run.name, fault, "failed", "\n".join(found))
    why = _unknown(run, fault)
    state: State = "not measured" if why else "passed"
    return Check(run.name, fault, state, why or f"{KINDS[fault]}: not seen. {run.state}")


def _unknown(run: TrainingRun, fault: str) -> str:
    """Return why there is no saying whether a fault would have been seen; empty where there is."""
    if len(run.steps) < (1 if fault in AT_ONCE else PERSISTS):
        return f"Too few steps were recorded: {len(run.steps)}."
    if fault in _OF_THE_LOSS and not len(run.losses):
        return "No loss was logged."
    hiding = _BROKEN[: _BROKEN.index(fault)] if fault in _BROKEN else _BROKEN
    if any(event.kind in hiding for event in run.events):
        return "Numbers were not finite, and nothing is told of what comes of that."
    if run.unmeasured:
        return "Not measured: " + "; ".join(
            f"{what} ({why})" for what, why in run.unmeasured.items()
        )
    return ""
