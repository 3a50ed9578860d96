"""A training run as data: every figure of every layer at every recorded step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.gradients.monitor.log import read_log
from cnnviz.gradients.monitor.records import COLUMNS, Event, StepRecord
from cnnviz.results import drawing
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import joined, number, plural

_DRAWN = {
    "gradient": "the norm of the gradient at its output",
    "update": "its update as a share of its weights (about a thousandth is usual)",
    "dead": "the share of its channels that are dead",
}
"""What the picture shows of each layer, in words."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TrainingRun(Result):
    """What a `GradientMonitor` recorded: L layers at T steps, and S losses.

    In the arrays [L, T] NaN stands where nothing was measured and infinity where a figure is not
    finite.

    Attributes
    ----------
    name : str
        The network.
    started : str
        When, as ISO 8601.
    facts : mapping of str to str
        What else is known of the run: optimizer, parameters, versions.
    finished : bool
        Whether the run has ended.
    error : str
        The exception that ended it; empty where it went well or goes on.
    layers : tuple of str
        In the order of their calls.
    steps, samples, skipped : ndarray of int
        The recorded steps, how many samples each had, and the updates that mixed precision left
        out ahead of each, [T].
    seconds : ndarray of float
        The time since the start, [T].
    activation, gradient : ndarray of float
        The L2 norm of each layer's output and of the gradient there, as the root mean square over
        the samples, [L, T].
    weight, weight_gradient : ndarray of float
        The L2 norm of its weights and of their gradient, [L, T].
    update : ndarray of float
        The norm of the update as a share of the norm of the weights, [L, T].
    dead, saturated : ndarray of float
        The share of dead channels, and of saturated positions, of the activation that follows,
        [L, T].
    agreement : ndarray of float
        The cosine between the gradient of its weights and that of the recorded step before, [L, T].
    decades : ndarray of float
        The gradient at the first layer beside that at the last before the logits, on the path with
        most layers, in decades, [T]; NaN where there is none or it is not known.
    allowance : float
        The decades by which the upper edges of the bands of `decades` rise for this network.
    loss_steps, losses : ndarray
        Every loss that was logged and its step, [S].
    rates : ndarray of float
        The learning rate of the first group of parameters, [T]; NaN where it is not known.
    values : mapping of str to ndarray of float
        What else was logged, [T].
    events : tuple of Event
        What has turned.
    kinds : mapping of str to str
        The class of each layer, where it is known.
    frozen : mapping of str to str
        The layers that no step could move at the last recorded step, and why.
    unmeasured : mapping of str to str
        What could not be measured at some step, by layer or in words, and why.
    eval_mode : mapping of str to str
        The normalisations and dropouts that were called in eval mode at the last recorded step,
        with the class or function of each.
    unused : tuple of str
        The parameters that the optimizer had and that no gradient was computed for at that step.
    """

    derived: ClassVar[tuple[str, ...]] = ("length", "state")

    name: str
    started: str
    facts: Mapping[str, str]
    finished: bool
    error: str
    layers: tuple[str, ...]
    steps: NDArray[np.int64]
    samples: NDArray[np.int64]
    skipped: NDArray[np.int64]
    seconds: Numbers
    activation: Numbers
    gradient: Numbers
    weight: Numbers
    weight_gradient: Numbers
    update: Numbers
    dead: Numbers
    saturated: Numbers
    agreement: Numbers
    decades: Numbers
    allowance: float
    loss_steps: NDArray[np.int64]
    losses: Numbers
    rates: Numbers
    values: Mapping[str, Numbers]
    events: tuple[Event, ...]
    kinds: Mapping[str, str]
    frozen: Mapping[str, str]
    unmeasured: Mapping[str, str]
    eval_mode: Mapping[str, str]
    unused: tuple[str, ...]

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the loss, the events and three figures of every layer over the steps."""
        from cnnviz.gradients.monitor.picture import draw_run

        return draw_run(self, into)

    def caption(self) -> str:
        """Say what the picture shows and how to read it."""
        events = ", with the events below it" if self.events else ""
        each = joined([_DRAWN[name] for name in self.shown_figures])
        layers = (
            f"; then for each layer, the first on top, and each recorded step: {each}. Colours are "
            "logarithmic but those of shares of channels"
            if each
            else ""
        )
        return f"The loss of each step{events}{layers}. {self.state}"

    @property
    def shown_figures(self) -> tuple[str, ...]:
        """The figures of layers in the picture: those that were measured at some step."""
        return tuple(name for name in _DRAWN if not np.isnan(getattr(self, name)).all())

    def summary(self) -> str:
        """Say how far the run has come and what it raised."""
        count = len(self.steps)
        turned = len(self.events)
        found = plural(turned, "event") if turned else "no event"
        lost = f", {len(self.unmeasured)} not measured" if self.unmeasured else ""
        return (
            f"{self.name}: {plural(count, 'step')} recorded of {self.length}, "
            f"{self.loss_words}, {found}{lost}"
        )

    def named(self, layer: str) -> str:
        """Return a layer with its kind where that is known: ``conv1 (Conv2d)``."""
        kind = self.kinds.get(layer)
        return f"{layer} ({kind})" if kind else layer

    @property
    def length(self) -> int:
        """How many steps are known to have been made."""
        known = [self.steps[-1:], self.loss_steps[-1:]]
        return int(np.concatenate(known).max(initial=-1)) + 1

    @property
    def state(self) -> str:
        """Whether the run goes on, in one sentence."""
        if not self.finished:
            return f"The run had not ended at step {self.length - 1}, the last that is known."
        if self.error:
            return f"The run was ended by {self.error} at step {self.length - 1}."
        return f"The run ended after {self.length} steps."

    @property
    def loss_words(self) -> str:
        """From where to where the loss has gone."""
        if not self.losses.size:
            return "no loss logged"
        ends = [float(self.losses[0]), float(self.losses[-1])]
        first, last = (number(loss) if np.isfinite(loss) else "not finite" for loss in ends)
        return f"loss {first} to {last}"


def read_run(path: str | Path) -> TrainingRun:
    """Read a run from its file, which may still grow.

    Parameters
    ----------
    path : str or Path
        What was given to `GradientMonitor` as ``path``.

    Raises
    ------
    OutputError
        If there is no such file.
    UsageError
        If it is no training run, or nothing has been recorded yet.
    """
    held = read_log(path)
    if not held.records:
        raise UsageError(
            f"No step is recorded in {str(path)!r} yet.", "Wait for the first recorded step."
        )
    return training_run(held.head, held.records, held.events, held.trailing, held.end)


def training_run(
    head: Mapping[str, Any],
    records: Sequence[StepRecord],
    events: Sequence[Event],
    trailing: Sequence[tuple[int, float]],
    end: Mapping[str, Any] | None,
) -> TrainingRun:
    """Put records together; `end` says how the run ended, None where it goes on."""
    layers = tuple(dict.fromkeys(layer for record in records for layer in record.layers))
    losses = sorted([*(pair for record in records for pair in record.losses), *trailing])
    names = dict.fromkeys(name for record in records for name in record.values)
    versions = {str(k): str(v) for k, v in dict(head.get("versions", {})).items()}
    name = str(head.get("name", "network"))
    return TrainingRun(
        provenance=Provenance(
            model=name,
            weights="in training",
            weights_sha256="",
            cnnviz=versions.get("cnnviz", ""),
            torch=versions.get("torch", ""),
        ),
        name=name,
        started=str(head.get("started", "")),
        facts=_facts(head),
        finished=end is not None,
        error=str(end.get("error", "")) if end is not None else "",
        layers=layers,
        steps=np.array([record.step for record in records], np.int64),
        samples=np.array([record.samples for record in records], np.int64),
        skipped=np.array([record.skipped for record in records], np.int64),
        seconds=np.array([record.seconds for record in records], np.float64),
        **{column: _table(records, layers, column) for column in COLUMNS},
        decades=np.array([_or_nan(record.decades) for record in records], np.float64),
        allowance=max((record.allowance for record in records), default=0.0),
        loss_steps=np.array([step for step, _ in losses], np.int64),
        losses=np.array([loss for _, loss in losses], np.float64),
        rates=np.array([(*record.rates, np.nan)[0] for record in records], np.float64),
        values={
            key: np.array([record.values.get(key, np.nan) for record in records]) for key in names
        },
        events=tuple(events),
        kinds={layer: kind for record in records for layer, kind in record.kinds.items()},
        frozen=dict(records[-1].frozen) if records else {},
        unmeasured=_unmeasured(records, end),
        eval_mode=dict(records[-1].eval_mode) if records else {},
        unused=records[-1].unused if records else (),
    )


def _unmeasured(records: Sequence[StepRecord], end: Mapping[str, Any] | None) -> dict[str, str]:
    found = {layer: why for record in records for layer, why in record.unmeasured.items()}
    ended = end.get("unmeasured", {}) if end is not None else {}
    labelled = {layer.partition("#")[0] for layer in found}
    return found | {str(k): str(why) for k, why in ended.items() if k not in labelled}


def _facts(head: Mapping[str, Any]) -> dict[str, str]:
    found = {"optimizer": str(head.get("optimizer", ""))}
    if "parameters" in head:
        found["parameters"] = f"{int(head['parameters']):,}"
    every = int(head.get("every", 1))
    found["recorded"] = "every step" if every == 1 else f"every {every} steps"
    return {name: value for name, value in found.items() if value}


def _table(records: Sequence[StepRecord], layers: Sequence[str], column: str) -> Numbers:
    place = {layer: index for index, layer in enumerate(layers)}
    found = np.full((len(layers), len(records)), np.nan)
    for time, record in enumerate(records):
        for layer, value in record.of(column).items():
            found[place[layer], time] = value if np.isfinite(value) else np.inf
    return found


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
