"""What a check in continuous integration asks of a training run, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.gradients.monitor.events import AT_ONCE, KINDS, PERSISTS
from cnnviz.gradients.monitor.loss_history import COMPARED, FIRST, LOSSES, RECENT
from cnnviz.gradients.monitor.run import TrainingRun
from cnnviz.results.checks import Check, Checked, State, named_faults
from cnnviz.results.provenance import Provenance

UNFINISHED = "unfinished"
FAULTS = (UNFINISHED, *KINDS)
_BROKEN = ("bad-input", "not-finite")
"""Behind the first nothing else is told, and behind the second none but the first."""
DEEPER = 0.1
"""Share by which a loss has to have fallen, on average of a few, for a run to have learned."""
_LOSSES: Mapping[str, int] = {
    "jump": 2,
    "wrong-sign": 2 * FIRST,
    "diverging": RECENT + 1,
    "oscillating": LOSSES,
    "slow": LOSSES,
    "noise": LOSSES,
}
"""How many losses tell of these at least, which ask nothing of any one layer."""
_OF_UPDATES = frozenset(("jump", "slow", "noise", "still"))
_OF_WEIGHTS = frozenset((*_LOSSES, "still", "unused", "eval-mode", "not-finite", "unheard"))
"""What is also seen where no layer is heard, as of a compiled network."""


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

    def remarks(self) -> tuple[str, ...]:
        """Return what is noted of the run, as results do."""
        return self.provenance.notes


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
    needed, losses = _LOSSES.get(fault, 0), int(np.isfinite(run.losses).sum())
    if losses < needed:
        return f"Too few losses are known to tell: {losses}, and {needed} are needed."
    if fault == "noise" and (compared := _compared(run)) < COMPARED and not _learned(run):
        return f"Too few gradients were compared to tell: {compared}, and {COMPARED} are needed."
    if fault in _OF_UPDATES and np.isnan(run.update).all():
        return "No update of a weight was measured."
    if fault not in _OF_WEIGHTS and np.isnan(run.activation).all():
        return "No layer was heard."
    hiding = _BROKEN[: _BROKEN.index(fault)] if fault in _BROKEN else _BROKEN
    if any(event.kind in hiding for event in run.events):
        return "Numbers were not finite, and nothing is told of what comes of that."
    if run.unmeasured and fault not in _LOSSES:
        return "Not measured: " + "; ".join(
            f"{what} ({why})" for what, why in run.unmeasured.items()
        )
    return ""


def _compared(run: TrainingRun) -> int:
    """Return at how many steps a gradient was compared with that of the recorded step before."""
    return int(np.isfinite(run.agreement).any(axis=0).sum())


def _learned(run: TrainingRun) -> bool:
    """Whether the loss has fallen far below where it began, which no noise does."""
    known = run.losses[np.isfinite(run.losses)]
    return bool(known[-RECENT:].mean() < (1.0 - DEEPER) * known[:RECENT].mean())
