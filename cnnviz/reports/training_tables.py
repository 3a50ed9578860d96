"""The tables of the report on a training run."""

from __future__ import annotations

import numpy as np

from cnnviz.gradients.monitor.events import KINDS
from cnnviz.gradients.monitor.records import COLUMNS
from cnnviz.gradients.monitor.run import TrainingRun
from cnnviz.reports.content import Table, TableColumn
from cnnviz.reports.sections.provenance import versions
from cnnviz.results.text import count, number, whole_percent


def event_tables(run: TrainingRun) -> tuple[Table, ...]:
    """Return what turned, one event a row; nothing where nothing did."""
    if not run.events:
        return ()
    return (
        Table(
            title="Events",
            caption="What turned, in the order in which it was told.",
            columns=(
                TableColumn("Step", numeric=True),
                TableColumn("Kind"),
                TableColumn("Layer"),
                TableColumn("What was seen"),
            ),
            rows=tuple(
                (
                    count(event.step),
                    event.kind,
                    run.named(event.layer) if event.layer else "all",
                    event.text,
                )
                for event in run.events
            ),
            folded=len(run.events) > 24,
        ),
    )


def layer_table(run: TrainingRun) -> Table:
    """Return the last figures of every layer."""
    names = [name for name in COLUMNS if not np.isnan(getattr(run, name)).all()]
    last = [getattr(run, name)[:, -1].tolist() for name in names]
    rows = tuple(
        (run.named(layer), *(_cell(one, name) for one, name in zip(found, names, strict=True)))
        for layer, *found in zip(run.layers, *last, strict=True)
    )
    return Table(
        title=f"Every layer at step {int(run.steps[-1])}",
        caption="The last recorded step; what each column is stands at the end of the page.",
        columns=(
            TableColumn("Layer"),
            *(TableColumn(name.replace("_", " "), numeric=True) for name in names),
        ),
        rows=rows,
        folded=len(rows) > 12,
        values=tuple(zip(*last, strict=True)),
    )


def _cell(value: float, name: str) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "not finite"
    return whole_percent(value) if name in ("dead", "saturated") else number(value)


def recorded_tables(run: TrainingRun) -> tuple[Table, ...]:
    """Return what was recorded and how, and what could not be."""
    recorded = [("Began", run.started)]
    recorded += [(name.capitalize(), value) for name, value in run.facts.items()]
    recorded += [("Versions", f"cnnviz {run.provenance.cnnviz}, torch {run.provenance.torch}")]
    return (
        *_unmeasured(run),
        Table(
            title="What was recorded",
            caption="For each layer, at each recorded step.",
            columns=(TableColumn("Figure"), TableColumn("What it is")),
            rows=tuple((name.replace("_", " "), text) for name, text in COLUMNS.items()),
        ),
        Table(
            title="What counts as an event",
            caption="Each once, and again only after it has passed.",
            columns=(TableColumn("Kind"), TableColumn("When")),
            rows=tuple(KINDS.items()),
            folded=True,
        ),
        Table(
            title="The run",
            caption="As the monitor knew it.",
            columns=(TableColumn("What"), TableColumn("Value", unbroken=True)),
            rows=tuple(recorded),
        ),
        Table(
            title="Versions",
            caption="The software that made this report.",
            columns=(TableColumn("Package"), TableColumn("Version")),
            rows=tuple(versions().items()),
            folded=True,
        ),
    )


def _unmeasured(run: TrainingRun) -> tuple[Table, ...]:
    if not run.unmeasured:
        return ()
    return (
        Table(
            title="Not measured",
            caption="What failed, or gave nothing to measure; the training was not touched by it.",
            columns=(TableColumn("Layer or part"), TableColumn("Why")),
            rows=tuple((run.named(layer), why) for layer, why in run.unmeasured.items()),
        ),
    )
